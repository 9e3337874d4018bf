//! One stage alone, without a study: prune one model, score one model.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use pycno_data::{Role, Slice, corpus, pack};
use pycno_eval::{Journal, Selection};
use pycno_model::{
    Checkpoint, Decoder,
    hf::{self, SaveDtype},
    source::Source,
};
use pycno_prune::{Calibration, MeasuredOn, Pruned, SizeChange, Statistics, fingerprint};
use pycno_record::{TaskScore, atomic};
use pycno_units::Seed;

use crate::{
    Environment, StudyError, Watcher,
    beside::Beside,
    config::{PruneSection, SEQUENCE_LENGTH},
    files::write_json,
    memory,
    pruning::Pruning,
    scores, shipped, statistics,
    texts::{expect_fits, tokenizer},
    watcher::batches,
};

/// What to prune, how, and where it goes.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// The model.
    pub teacher: Source,
    /// What leaves, by which criterion or plan; the path of a plan starts where the program runs.
    pub prune: PruneSection,
    /// Text to measure activations on; criteria that look at weights alone need none.
    pub calibration: Option<PathBuf>,
    /// Statistics that an earlier pruning of this model left, in place of a text.
    pub statistics: Option<PathBuf>,
    /// Sequences to measure on.
    pub sequences: usize,
    /// Tokens per sequence; `None` for [`SEQUENCE_LENGTH`], or the model's positions if these are fewer.
    pub length: Option<usize>,
    /// Type of the student's weights; `None` for the teacher's.
    pub dtype: Option<SaveDtype>,
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
/// after, and how many weights of the student its masks hold at zero.
///
/// # Errors
///
/// A [`StudyError`] of the step that failed; the folder is then not made.
pub fn prune(
    request: &PruneRequest,
    environment: &Environment,
    watch: &mut dyn Watcher,
) -> Result<(SizeChange, usize), StudyError> {
    let out = &request.out;
    if out.symlink_metadata().is_ok() {
        return Err(StudyError::Exists { path: out.clone() });
    }
    let pruning = Pruning::resolve(&request.prune, environment, Path::new(""))?;
    let checkpoint = shipped::open(&request.teacher, &environment.remote())?;
    let decided_by = pruning.decided_by();
    let mut calibration = Calibrating {
        request,
        decided_by,
        checkpoint: &checkpoint,
        environment,
        watch,
        measured: None,
    };
    let failed = |source| pruning.refused(&request.student(), source);
    let Pruned { student, plan } =
        pruning.carry_out(&checkpoint, &mut calibration).map_err(failed)?;
    let dtype = request.dtype.unwrap_or_else(|| SaveDtype::of(&checkpoint));
    let measured = calibration.measured;
    let beside = Beside::new(out)?;
    let aside = beside.join("student");
    hf::write(&student, &aside, dtype)?;
    if let Some(measured) = measured {
        atomic::write_file(&aside.join(statistics::FILE), measured.to_json().as_bytes())?;
    }
    atomic::write_file(&aside.join("plan.json"), plan.to_json().as_bytes())?;
    atomic::publish_dir(&aside, out)?;
    let sizes = plan.sizes(&checkpoint.spec).map_err(failed)?;
    Ok((sizes, student.removed_weights()))
}

impl PruneRequest {
    fn student(&self) -> String {
        self.out.display().to_string()
    }
}

/// What a criterion may ask of a model that is pruned without a study: as an earlier pruning measured it, or
/// measured now on the text given.
struct Calibrating<'a> {
    request: &'a PruneRequest,
    decided_by: &'static str,
    checkpoint: &'a Checkpoint,
    environment: &'a Environment,
    watch: &'a mut dyn Watcher,
    /// What was measured now.
    measured: Option<Statistics>,
}

impl Calibration for Calibrating<'_> {
    fn statistics(&mut self) -> Result<Statistics, Box<dyn Error + Send + Sync>> {
        if let Some(path) = &self.request.statistics {
            return Ok(self.earlier(path)?);
        }
        let measured = self.measure()?;
        Ok(self.measured.insert(measured).clone())
    }
}

impl Calibrating<'_> {
    fn earlier(&self, path: &Path) -> Result<Statistics, StudyError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
        let statistics = Statistics::parse(&text).and_then(|statistics| {
            statistics.expect_checkpoint(&fingerprint(self.checkpoint))?;
            Ok(statistics)
        });
        statistics.map_err(|source| StudyError::Statistics { path: path.to_owned(), source })
    }

    fn measure(&mut self) -> Result<Statistics, StudyError> {
        let Self { request, decided_by, checkpoint, environment, watch, .. } = self;
        let text = request
            .calibration
            .as_ref()
            .ok_or(StudyError::NoCalibration { criterion: decided_by })?;
        let most = checkpoint.spec.max_positions;
        let length = request.length.unwrap_or(SEQUENCE_LENGTH.min(most));
        expect_fits("--length", length, &checkpoint.spec)?;
        let tokenizer = tokenizer(&request.teacher.to_string(), &checkpoint.files)?;
        let packed = pack(&corpus::read(text)?, &tokenizer, length)?;
        let slice = Slice { offset_sequences: 0, sequences: request.sequences };
        let calibration = packed.slice(Role::Calibration, slice)?;
        let decoder = opened(&request.teacher, checkpoint, (*environment, *watch))?;
        let provenance = MeasuredOn {
            checkpoint: fingerprint(checkpoint),
            calibration: calibration.manifest.hash.clone(),
        };
        watch.begin("statistics", calibration.sequences.len() as u64);
        let mut advance = |done| watch.advance(done, "sequences");
        let statistics = statistics::measure(&decoder, provenance, &calibration, &mut advance)
            .map_err(|source| StudyError::Prune { student: request.student(), source })?;
        watch.end();
        Ok(statistics)
    }
}

/// A model's weights in `f32` on the device; says how much memory they take.
fn opened(
    source: &Source,
    checkpoint: &Checkpoint,
    (environment, watch): (&Environment, &mut dyn Watcher),
) -> Result<Decoder, StudyError> {
    let needs = memory::to_run(&checkpoint.spec);
    let what = format!("{source}, its weights in f32,");
    memory::expect_room(&what, needs, environment.device)?;
    watch.begin(&format!("weights in f32, {needs}"), 1);
    let decoder = Decoder::new(checkpoint, &environment.device.open()?)?;
    watch.end();
    Ok(decoder)
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
    let tokenizer = tokenizer(&order.model.to_string(), &checkpoint.files)?;
    let decoder = opened(&order.model, &checkpoint, (environment, watch))?;
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
