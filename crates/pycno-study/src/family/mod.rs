//! Families: models of one recipe at several sizes and budgets, trained from scratch and scored.
//!
//! What a ruler is fitted on. Every size is one stable run with a decay for every budget; sizes run side
//! by side, each on its share of the threads, since a small model cannot keep many busy.

mod config;
mod member;
mod progress;
mod rules;
mod seeded;
mod table;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use pycno_data::{Role, Shard, Slice, Tokenizer, disjoint, lab, pack};
use pycno_eval::{Selection, TaskItems};
use pycno_model::{ComputeDtype, hf};
use pycno_record::{EventLog, TaskScore, atomic};
use pycno_units::{ParamCount, TokenCount};
use serde::Serialize;

pub use self::config::{
    FamilyConfig, FamilyData, FamilyEval, FamilyFile, FamilySection, FamilyTrain, SharedShape,
    SizeConfig, parse,
};
pub(crate) use self::progress::event;
pub use self::rules::{BatchRule, BatchSize, RateRule};
use self::{member::Member, progress::Progress};
use crate::{
    Numerics, RunContext, RunFolder, Store, StudyError, Watcher,
    texts::{self, check_encodes},
};

/// A trained model and how it scores.
#[derive(Clone, Debug, Serialize)]
pub struct Trained {
    /// Size and budget, as in `d64-8M`.
    pub name: String,
    /// The size, `d64b` for a second seed: budgets of one are branches of one run.
    pub size: String,
    /// Non-embedding parameters.
    pub params: ParamCount,
    /// Tokens it was trained on.
    pub tokens: TokenCount,
    /// Loss on the held-out text, nats per token.
    pub held_out_loss: f64,
    /// Scores by task, in the family's order.
    pub scores: Vec<TaskScore>,
    /// The model's Hugging Face folder; left out of `scores.json`, which knows no machine.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What all members of a family read.
struct Shared<'a> {
    file: &'a FamilyFile,
    run: &'a RunContext,
    folder: RunFolder,
    store: Store,
    numerics: Numerics,
    files: std::collections::BTreeMap<String, Vec<u8>>,
    tokenizer: Tokenizer,
    held_out: Shard,
    train: Shard,
    tasks: Vec<TaskItems>,
    progress: Mutex<Progress<'a>>,
}

/// Trains and scores every model of a family, `jobs` sizes at a time, and leaves `runs.csv` (for a ruler) and
/// `scores.json` (everything) in the run's folder. What an earlier run finished is not computed again.
///
/// # Errors
///
/// A [`StudyError`] that names the stage; finished stages stay, nothing half-made does.
pub fn train_family(
    file: &FamilyFile,
    run: &RunContext,
    jobs: NonZeroUsize,
    watch: &mut dyn Watcher,
) -> Result<Vec<Trained>, StudyError> {
    let shared = shared(file, run, watch)?;
    let members = members(&shared)?;
    let total = members.iter().map(|member| member.cost(&shared)).sum::<Result<f64, _>>()?;
    shared.progress().begin(total);
    let done = side_by_side(&shared, &members, jobs.get())?;
    shared.progress().end()?;
    let trained: Vec<Trained> = done.into_iter().flatten().collect();
    crate::files::write_json(&run.root.join("scores.json"), &trained)?;
    atomic::write_file(&run.root.join("runs.csv"), table::runs(&file.config, &trained).as_bytes())?;
    Ok(trained)
}

/// Reads what all members read.
fn shared<'a>(
    file: &'a FamilyFile,
    run: &'a RunContext,
    watch: &'a mut dyn Watcher,
) -> Result<Shared<'a>, StudyError> {
    let config = &file.config;
    watch.begin("texts", 1);
    let files = match config.data.tokenizer.as_str() {
        "lab" => lab::tokenizer_files(),
        folder => hf::read(&run.environment.place(folder, &file.folder)?)?.files,
    };
    let tokenizer = texts::tokenizer(&config.data.tokenizer, &files)?;
    let corpus = run.environment.corpus(&config.data.source, &file.folder)?;
    let packed = pack(&corpus, &tokenizer, config.data.length + 1)?;
    let (offset_sequences, sequences) = (0, config.data.held_out);
    let held_out = packed.slice(Role::Calibration, Slice { offset_sequences, sequences })?;
    let train = packed.rest(Role::Train, sequences)?;
    let tasks = tasks(file, run)?;
    let tests: Vec<_> = tasks.iter().map(TaskItems::manifest).collect();
    let texts = [&held_out.manifest, &train.manifest];
    disjoint(&texts.into_iter().chain(&tests).collect::<Vec<_>>())?;
    watch.end();
    let (folder, store) = (RunFolder::open(&run.root)?, Store::open(&run.store)?);
    let numerics = Numerics::of(run.environment.device, ComputeDtype::F32);
    let events = EventLog::open(&run.root.join("events.jsonl"))?;
    let progress = Mutex::new(Progress::new(watch, events));
    Ok(Shared {
        file,
        run,
        folder,
        store,
        numerics,
        files,
        tokenizer,
        held_out,
        train,
        tasks,
        progress,
    })
}

fn tasks(file: &FamilyFile, run: &RunContext) -> Result<Vec<TaskItems>, StudyError> {
    let config = &file.config;
    let selection = Selection { limit: config.eval.limit, seed: config.family.seed.split("items") };
    run.environment.tasks(&config.eval.tasks, &file.folder, selection)
}

/// The members, after checking that each can be asked every question.
fn members<'a>(shared: &Shared<'a>) -> Result<Vec<Member<'a>>, StudyError> {
    let config = &shared.file.config;
    check_encodes(&shared.tasks, &shared.tokenizer, config.model.max_positions)?;
    let vocab = shared.tokenizer.vocab_len();
    config.seeded().into_iter().map(|of| Member::new(config, of, vocab)).collect()
}

/// Runs members on so many threads, the costliest first; their results are in the members' order.
fn side_by_side(
    shared: &Shared<'_>,
    members: &[Member<'_>],
    jobs: usize,
) -> Result<Vec<Vec<Trained>>, StudyError> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| members[*b].params.0.total_cmp(&members[*a].params.0));
    let jobs = jobs.min(members.len());
    let threads = (rayon::current_num_threads() / jobs).max(1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(i) = order.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let trained = members[i].train(shared);
            if trained.is_err() {
                // What others are at they may finish; nothing new begins.
                next.store(order.len(), Ordering::Relaxed);
            }
            lock(&done).push((i, trained));
        }
    };
    let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pools = (0..jobs).map(|_| pool()).collect::<Result<Vec<_>, _>>();
    let pools = pools.map_err(|error| StudyError::Study { rule: format!("threads: {error}") })?;
    std::thread::scope(|scope| {
        for pool in &pools {
            scope.spawn(|| pool.install(work));
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, trained)| trained).collect()
}

/// What a panicking thread held is as it left it; its panic ends the process anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl<'a> Shared<'a> {
    fn progress(&self) -> std::sync::MutexGuard<'_, Progress<'a>> {
        lock(&self.progress)
    }
}
