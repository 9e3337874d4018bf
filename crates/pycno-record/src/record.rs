//! The record of a study: who was weighed, how, and what came out.
//!
//! No wall time is in here: the same study gives the same bytes. Times are events.

use std::collections::BTreeMap;

use pycno_density::{Comparison, Density};
use pycno_units::{BitsPerByte, Bytes, NatsPerToken, ParamCount, Score, Seed, TokenCount};
use serde::{Deserialize, Serialize};

/// Everything the report shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this format; see [`crate::FORMAT`].
    pub format: u32,
    /// The question.
    pub study: StudyHead,
    /// What it was computed with.
    pub provenance: Provenance,
    /// Texts read, by role.
    pub data: Vec<DataUse>,
    /// The ruler.
    pub ruler: RulerUse,
    /// Teacher first, then students in the study's order.
    pub models: Vec<ModelRecord>,
}

/// Name and question of a study.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudyHead {
    /// Short name, as in `runs/<name>`.
    pub name: String,
    /// The question in a sentence.
    pub question: String,
    /// The one seed.
    pub seed: Seed,
}

/// What a result depends on beside the data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of pycno.
    pub pycno: String,
    /// Git commit it was built from, or `unknown`.
    pub commit: String,
    /// Whether the tree had uncommitted changes.
    pub dirty: bool,
    /// Burn's version.
    pub burn: String,
    /// Backend and device.
    pub device: String,
    /// Hash of the resolved study.
    pub config_hash: String,
    /// The resolved study, as TOML.
    pub config: String,
    /// The command that repeats the run.
    pub command: String,
}

/// A text and what it was used for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataUse {
    /// `calibration`, `train`, or the name of a task.
    pub role: String,
    /// Where it came from, as the study names it.
    pub source: String,
    /// SHA-256 of the file or files.
    pub sha256: String,
    /// Sequences or items used.
    pub count: usize,
    /// Tokens in them.
    pub tokens: TokenCount,
}

/// The ruler a study used.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RulerUse {
    /// Name, such as `pythia`.
    pub name: String,
    /// Hash of the ruler file.
    pub hash: String,
    /// Where its figures come from.
    pub source: String,
    /// One curve a task, and one named `mean`.
    pub curves: BTreeMap<String, RulerCurve>,
}

/// Score against size, for the plot.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RulerCurve {
    /// Reference models: non-embedding size and score.
    pub points: Vec<(ParamCount, Score)>,
    /// The fitted law, sampled over sizes.
    pub law: Vec<(ParamCount, Score)>,
    /// The law's floor.
    pub floor: Score,
    /// The law's ceiling.
    pub ceiling: Score,
    /// Root mean square residual, percent points.
    pub residual: f64,
}

/// Teacher or student.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The frozen model everything is compared with.
    Teacher,
    /// A smaller model made from it.
    Student,
}

/// One weighed model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecord {
    /// Name in the study.
    pub name: String,
    /// Teacher or student.
    pub role: Role,
    /// The student it was made from; `None` for the teacher and for what comes from it directly.
    pub from: Option<String>,
    /// How it was made, in words: one line a stage.
    pub made_by: Vec<String>,
    /// Sizes.
    pub sizes: Sizes,
    /// Hash of the weights.
    pub weights_hash: String,
    /// Scores, in the study's order of tasks.
    pub tasks: Vec<TaskScore>,
    /// How recovery went, for a recovered student.
    pub recovery: Option<Recovery>,
    /// Density over all tasks of the ruler, and on each.
    pub weighing: Weighing,
}

/// A model's size, every way density may divide by.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// All parameters.
    pub total: ParamCount,
    /// Without embedding and head: density's denominator.
    pub non_embedding: ParamCount,
    /// Non-embedding parameters that are not zero.
    pub non_zero: ParamCount,
    /// Layers.
    pub n_layers: usize,
    /// Bytes of the weights as exported.
    pub bytes: Bytes,
}

/// One task's outcome.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskScore {
    /// Task name.
    pub task: String,
    /// Version of the task's definition.
    pub version: u32,
    /// Which metric `score` is: `acc`, `acc_norm`, ...
    pub metric: String,
    /// Items scored.
    pub n: usize,
    /// Items of the whole task; larger than `n` under a limit.
    pub n_available: usize,
    /// The score; `None` for a task that only has a loss.
    pub score: Option<Score>,
    /// Its standard error, percent points.
    pub stderr: Option<f64>,
    /// Other metrics of the same items, percent.
    pub also: BTreeMap<String, f64>,
    /// Loss of the right answer.
    pub gold_loss: NatsPerToken,
    /// The same in bits per byte of the answer.
    pub gold_bits: BitsPerByte,
    /// Hash of the per-item results.
    pub items_hash: String,
    /// Hash of the prompts, equal for models that saw the same items.
    pub prompts_hash: String,
}

/// A recovery's course.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// What was minimized.
    pub objective: String,
    /// Tokens trained on.
    pub tokens: TokenCount,
    /// One entry a step.
    pub steps: Vec<RecoveryStep>,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryStep {
    /// Step, counted from 1.
    pub step: u64,
    /// Tokens up to and including this step.
    pub tokens: TokenCount,
    /// The objective's value.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
}

/// A model's density, overall and by task.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weighing {
    /// Mean score over the ruler's tasks and its density.
    pub mean_score: Score,
    /// Density of the mean score.
    pub overall: Density,
    /// Density by task.
    pub by_task: BTreeMap<String, Density>,
    /// Student against teacher on the mean score; `None` for the teacher.
    pub against_teacher: Option<Comparison>,
    /// Student against teacher, by task.
    pub by_task_against_teacher: BTreeMap<String, Comparison>,
}
