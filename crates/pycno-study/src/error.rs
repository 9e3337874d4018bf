//! What can stop a study.

use std::path::PathBuf;

use pycno_units::Bytes;

/// A study that cannot be read, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A file of a finished stage that is not what the stage left.
    #[error("{} is not what was computed: it changed or went since; delete {} and run again", path.display(), stage.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// The folder of the stage.
        stage: PathBuf,
    },
    /// The backend exists but is not in this build.
    #[error("this build has no {backend} backend; build with --features {backend}")]
    BackendNotBuilt {
        /// The backend's name.
        backend: &'static str,
    },
    /// Texts of two roles overlap, or cannot be read.
    #[error(transparent)]
    Data {
        /// Which rule.
        #[from]
        source: pycno_data::DataError,
    },
    /// The study names files in the data folder, and none was given.
    #[error(
        "{wanted} lies in the data folder, but none is given: set PYCNO_DATA or pass --data DIR"
    )]
    DataFolder {
        /// What was looked for.
        wanted: String,
    },
    /// Weighing failed.
    #[error(transparent)]
    Density {
        /// Why.
        #[from]
        source: pycno_density::DensityError,
    },
    /// Evaluation failed.
    #[error("evaluating {model}")]
    Eval {
        /// Which model.
        model: String,
        /// Why.
        source: Box<pycno_eval::EvalError>,
    },
    /// A place for a student that is taken.
    #[error("{} is there already; a student goes into a new folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works on this run.
    #[error("another process is writing {}; wait for it or choose another --run folder", path.display())]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Model {
        /// Why.
        #[from]
        source: pycno_model::ModelError,
    },
    /// A criterion that measures, without a text to measure on.
    #[error(
        "criterion {criterion} measures activations; name a text to measure them on (--calibration), or what an earlier pruning measured (--statistics)"
    )]
    NoCalibration {
        /// The criterion.
        criterion: &'static str,
    },
    /// The backend is in this build, but not that device on this machine.
    #[error("this machine has no device {name}; found here: {}", if found.is_empty() { "none of this backend" } else { found.as_str() })]
    NoDevice {
        /// The device's name.
        name: String,
        /// Names of those there are, or why none can be listed.
        found: String,
    },
    /// An override does not fit the study.
    #[error("--set {item}: {reason}")]
    Override {
        /// As written.
        item: String,
        /// Why it does not fit.
        reason: String,
    },
    /// A study file that is not one.
    #[error("{} is not a study", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and rule.
        source: Box<toml::de::Error>,
    },
    /// A family file that is not one.
    #[error("{} is not a family of models", path.display())]
    ParseFamily {
        /// The file.
        path: PathBuf,
        /// Line, column and rule.
        source: Box<toml::de::Error>,
    },
    /// A file that is no plan of a pruning, or of none of this model.
    #[error("cannot prune by the plan {}", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: pycno_prune::PruneError,
    },
    /// More memory than there is.
    #[error("{what} takes {needs} of memory, and this machine has {has}")]
    Memory {
        /// The work.
        what: String,
        /// What it keeps in memory, activations not counted.
        needs: Bytes,
        /// What there is.
        has: Bytes,
    },
    /// A file that holds no statistics of the model.
    #[error("{} does not hold the statistics of this model", path.display())]
    Statistics {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: pycno_prune::PruneError,
    },
    /// Pruning failed.
    #[error("pruning {student}")]
    Prune {
        /// The student.
        student: String,
        /// Why.
        source: pycno_prune::PruneError,
    },
    /// A file or folder of the run or the study.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A record or stage file.
    #[error(transparent)]
    Record {
        /// Why.
        #[from]
        source: pycno_record::RecordError,
    },
    /// A shape that no config can express.
    #[error("student {student} cannot be saved")]
    Save {
        /// The student.
        student: String,
        /// Why not.
        source: pycno_model::ModelError,
    },
    /// A stage's file is not what its stage writes.
    #[error("{} is damaged; delete its folder and run again", path.display())]
    Stage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A rule over the whole study.
    #[error("{rule}")]
    Study {
        /// The rule and what was found.
        rule: String,
    },
    /// A task that cannot be read.
    #[error("task {task}")]
    Task {
        /// As written.
        task: String,
        /// Why.
        source: Box<pycno_eval::EvalError>,
    },
    /// A model whose tokenizer cannot be read.
    #[error("tokenizer of {model}")]
    Tokenizer {
        /// The model, as written.
        model: String,
        /// Why not.
        source: Box<pycno_data::DataError>,
    },
    /// Sequences beyond the positions that a model was made for.
    #[error(
        "{what} must be at most {max}, the positions of the model (max_position_embeddings), got {length}"
    )]
    TooLong {
        /// The setting.
        what: &'static str,
        /// Positions of the model.
        max: usize,
        /// Tokens per sequence.
        length: usize,
    },
    /// Training failed.
    #[error("training {student}")]
    Train {
        /// The student.
        student: String,
        /// Why.
        source: pycno_train::TrainError,
    },
    /// A device name no backend has.
    #[error(
        "{text:?} is no device; expected flex, ndarray, wgpu[:N|:cpu], vulkan[:N|:cpu], metal[:N] or cuda[:N]"
    )]
    UnknownDevice {
        /// As written.
        text: String,
    },
    /// A model that is not shipped.
    #[error("{text:?} is no model; shipped are {}", known.join(", "))]
    UnknownModel {
        /// As written.
        text: String,
        /// Names shipped.
        known: Vec<String>,
    },
    /// A ruler that is not shipped.
    #[error("{text:?} is no ruler; shipped are {}; a path ends in .toml", known.join(", "))]
    UnknownRuler {
        /// As written.
        text: String,
        /// Names shipped.
        known: Vec<String>,
    },
    /// The resolved study cannot be written as TOML.
    #[error("cannot write the resolved study")]
    Write {
        /// Why not.
        source: toml::ser::Error,
    },
    /// A file of the run cannot be written.
    #[error("cannot write {}", path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
