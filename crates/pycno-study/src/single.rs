//! One stage alone, without a study: prune one model, score one model.

use std::path::{Path, PathBuf};

use pycno_data::{Role, Slice, Tokenizer, corpus, pack};
use pycno_eval::{Journal, Selection};
use pycno_model::{
    Checkpoint, Decoder, ParamCounts,
    hf::{self, SaveDtype},
    source::Source,
};
use pycno_prune::{MeasuredOn, PruneConfig, Statistics, fingerprint, plan, slice};
use pycno_record::{TaskScore, atomic};
use pycno_units::Seed;

use crate::{
    Environment, StudyError, Watcher, files::write_json, scores, shipped, statistics,
    watcher::batches,
};

/// What to prune, how, and where it goes.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// The model.
    pub teacher: Source,
    /// The method.
    pub config: PruneConfig,
    /// Text to measure activations on.
    pub calibration: PathBuf,
    /// Sequences to measure on.
    pub sequences: usize,
    /// Tokens per sequence.
    pub length: usize,
    /// Folder of the student; must not exist.
    pub out: PathBuf,
}

/// What to score, and where the items' results go.
#[derive(Clone, Debug)]
pub struct EvalRequest {
    /// The model.
    pub model: Source,
    /// Names or files of tasks.
    pub tasks: Vec<String>,
    /// At most so many items per task, or windows of a text.
    pub limit: Option<usize>,
    /// Chooses the items under a limit.
    pub seed: Seed,
    /// Folder for per-item results; a killed evaluation goes on from there.
    pub out: Option<PathBuf>,
}

/// Prunes one model, saves it as a Hugging Face folder with its plan, and gives the sizes before and
/// after.
///
/// # Errors
///
/// A [`StudyError`] of the step that failed; the folder is then not made.
pub fn prune(
    order: &PruneRequest,
    environment: &Environment,
    watch: &mut dyn Watcher,
) -> Result<(ParamCounts, ParamCounts), StudyError> {
    let failed = |source| StudyError::Prune { student: order.out.display().to_string(), source };
    if order.out.exists() {
        return Err(StudyError::Exists { path: order.out.clone() });
    }
    let checkpoint = shipped::open(&order.teacher, &environment.remote())?;
    let statistics = measure(order, &checkpoint, environment, watch)?;
    let plan = plan(&order.config, &statistics, &checkpoint.spec).map_err(failed)?;
    let student = slice(&checkpoint, &plan).map_err(failed)?;
    let aside = atomic::aside(&order.out);
    hf::write(&student, &aside, SaveDtype::F32)?;
    atomic::write_file(&aside.join("plan.json"), plan.to_json().as_bytes())?;
    atomic::publish_dir(&aside, &order.out)?;
    Ok((checkpoint.param_counts(), student.param_counts()))
}

fn measure(
    order: &PruneRequest,
    checkpoint: &Checkpoint,
    environment: &Environment,
    watch: &mut dyn Watcher,
) -> Result<Statistics, StudyError> {
    let failed = |source| StudyError::Prune { student: order.out.display().to_string(), source };
    let tokenizer = Tokenizer::from_files(&checkpoint.files)?;
    let packed = pack(&corpus::read(&order.calibration)?, &tokenizer, order.length)?;
    let slice = Slice { offset_sequences: 0, sequences: order.sequences };
    let calibration = packed.slice(Role::Calibration, slice)?;
    let device = environment.device.open()?;
    let decoder = Decoder::new(checkpoint, &device)?;
    let provenance = MeasuredOn {
        checkpoint: fingerprint(checkpoint),
        calibration: calibration.manifest.hash.clone(),
    };
    watch.begin("statistics", calibration.sequences.len() as u64);
    let mut advance = |done| watch.advance(done, "sequences");
    let statistics =
        statistics::measure(&decoder, provenance, &calibration, &mut advance).map_err(failed)?;
    watch.end();
    Ok(statistics)
}

/// Scores one model.
///
/// # Errors
///
/// A [`StudyError`] of the step that failed.
pub fn eval(
    order: &EvalRequest,
    environment: &Environment,
    watch: &mut dyn Watcher,
) -> Result<Vec<TaskScore>, StudyError> {
    let selection = Selection { limit: order.limit, seed: order.seed };
    let tasks = environment.tasks(&order.tasks, Path::new(""), selection)?;
    let checkpoint = shipped::open(&order.model, &environment.remote())?;
    let tokenizer = Tokenizer::from_files(&checkpoint.files)?;
    let decoder = Decoder::new(&checkpoint, &environment.device.open()?)?;
    if let Some(out) = &order.out {
        std::fs::create_dir_all(out)
            .map_err(|source| StudyError::WriteFile { path: out.clone(), source })?;
    }
    let journal = order
        .out
        .as_ref()
        .map(|out| Journal { path: out.join("journal.jsonl"), key: fingerprint(&checkpoint) });
    watch.begin("eval", 0);
    let name = order.model.to_string();
    let outcomes =
        scores::asked((&name, &decoder), (&tokenizer, &tasks), journal, &mut batches(watch))?;
    watch.end();
    if let Some(out) = &order.out {
        write_json(&out.join("outcomes.json"), &outcomes)?;
    }
    scores::task_scores(&name, &outcomes)
}
