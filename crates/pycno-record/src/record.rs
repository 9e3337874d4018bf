//! The record of a study: who was weighed, how, and what came out.
//!
//! No wall time is in here: the same study gives the same bytes. Times are events.

use std::collections::BTreeMap;

use pycno_density::{Comparison, Density};
use pycno_units::{BitsPerByte, Bytes, NatsPerToken, ParamCount, Score, Seed, TokenCount};
use serde::{Deserialize, Serialize};

use crate::ModelStep;

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
    /// Element type of statistics, teacher and evaluation: `f32`, `f16` or `bf16`.
    pub dtype: String,
    /// The processor's vector extension that sums on the CPU were done with; they round differently on `avx2` and
    /// on `avx512`.
    pub vector_extension: String,
    /// The GPU, by the name its driver reports; `None` on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
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
    /// Tokens in them; `None` for a task, whose items are texts.
    pub tokens: Option<TokenCount>,
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
pub enum ModelRole {
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
    pub role: ModelRole,
    /// The student it was made from; `None` for the teacher and for what comes from it directly.
    pub from: Option<String>,
    /// How it came to be, first step first.
    pub steps: Vec<ModelStep>,
    /// Sizes.
    pub sizes: ModelSizes,
    /// Hash of the weights.
    pub weights_hash: String,
    /// Scores, in the study's order of tasks.
    pub tasks: Vec<TaskScore>,
    /// How training went, for a student that was trained: from scratch or after pruning.
    #[serde(alias = "recovery")]
    pub training: Option<TrainingCurve>,
    /// Density over all tasks of the ruler, and on each.
    pub weighing: Weighing,
}

impl ModelRecord {
    /// Whether its first weights were its own: then it was made from no other model.
    pub fn is_from_scratch(&self) -> bool {
        ModelStep::begin_from_scratch(&self.steps)
    }
}

/// A model's size, every way density may divide by.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSizes {
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
    /// Other metrics of the same items: percent, a `perplexity`, `bits_known` of the right answer, or `bits_kept`
    /// of all that these items were drawn from.
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

/// How a training run went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCurve {
    /// What was minimized.
    pub objective: String,
    /// Tokens trained on.
    pub tokens: TokenCount,
    /// One entry a step.
    pub steps: Vec<TrainingStep>,
}

/// One optimizer step.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingStep {
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
    /// Whether the loss was a spike, so that nothing was learned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
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

#[cfg(test)]
pub(crate) mod tests {
    use pycno_density::{Effective, Interval};

    use super::*;

    fn score() -> Score {
        Score::from_percent(41.25).unwrap()
    }

    fn task() -> TaskScore {
        TaskScore {
            task: "arc_easy".to_owned(),
            version: 1,
            metric: "acc".to_owned(),
            n: 200,
            n_available: 2376,
            score: Some(score()),
            stderr: Some(3.49),
            also: BTreeMap::from([("acc_norm".to_owned(), 39.5)]),
            gold_loss: NatsPerToken(2.5),
            gold_bits: BitsPerByte(0.9),
            items_hash: "aa".to_owned(),
            prompts_hash: "bb".to_owned(),
        }
    }

    fn training() -> TrainingCurve {
        let step = TrainingStep {
            step: 1,
            tokens: TokenCount(4096),
            loss: 1.0 / 3.0,
            learning_rate: 1e-4,
            gradient_norm: 1.5,
            skipped: false,
        };
        let objective = "forward-kl".to_owned();
        TrainingCurve { objective, tokens: TokenCount(4096), steps: vec![step] }
    }

    fn weighing() -> Weighing {
        let density = Density {
            effective: Effective::Extrapolated { params: ParamCount(3e8), factor: 2.5 },
            density: Some(0.1 + 0.2),
            interval: Interval { low: Some(0.4), high: None, level: 0.95, undefined: 0.125 },
            over_runs: None,
            sensitivity: Some(0.11),
        };
        Weighing {
            mean_score: score(),
            overall: density,
            by_task: BTreeMap::from([("arc_easy".to_owned(), density)]),
            against_teacher: None,
            by_task_against_teacher: BTreeMap::new(),
        }
    }

    fn model() -> ModelRecord {
        ModelRecord {
            name: "base".to_owned(),
            role: ModelRole::Teacher,
            from: None,
            steps: vec![ModelStep::Loaded { source: "hub".to_owned() }],
            sizes: ModelSizes {
                total: ParamCount(134_515_008.0),
                non_embedding: ParamCount(106_203_456.0),
                non_zero: ParamCount(106_203_456.0),
                n_layers: 30,
                bytes: Bytes(269_030_016),
            },
            weights_hash: "cc".to_owned(),
            tasks: vec![task()],
            training: Some(training()),
            weighing: weighing(),
        }
    }

    fn ruler() -> RulerUse {
        let curve = RulerCurve {
            points: vec![(ParamCount(7e7), score())],
            law: vec![(ParamCount(7e7), score())],
            floor: Score::from_percent(25.0).unwrap(),
            ceiling: Score::from_percent(100.0).unwrap(),
            residual: 0.8,
        };
        RulerUse {
            name: "pythia".to_owned(),
            hash: "ff".to_owned(),
            source: "public evaluations".to_owned(),
            curves: BTreeMap::from([("mean".to_owned(), curve)]),
        }
    }

    /// A small record with every optional part present.
    pub(crate) fn sample() -> Record {
        Record {
            format: crate::FORMAT,
            study: StudyHead {
                name: "sample".to_owned(),
                question: "Does it come back?".to_owned(),
                seed: Seed(u64::MAX),
            },
            provenance: Provenance {
                pycno: "0.1.0".to_owned(),
                commit: "unknown".to_owned(),
                dirty: true,
                burn: "0.22.1".to_owned(),
                device: "flex".to_owned(),
                dtype: "f32".to_owned(),
                vector_extension: "avx2".to_owned(),
                gpu: Some("a GPU".to_owned()),
                config_hash: "dd".to_owned(),
                config: "[study]\n".to_owned(),
                command: "pycno run study.toml".to_owned(),
            },
            data: vec![DataUse {
                role: "calibration".to_owned(),
                source: "texts \"a\"\n".to_owned(),
                sha256: "ee".to_owned(),
                count: 128,
                tokens: Some(TokenCount(32_768)),
            }],
            ruler: ruler(),
            models: vec![model()],
        }
    }

    #[test]
    fn roles_are_written_in_lower_case() {
        assert_eq!(serde_json::to_string(&ModelRole::Student).unwrap(), "\"student\"");
    }
}
