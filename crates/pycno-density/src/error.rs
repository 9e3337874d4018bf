//! What can go wrong when a ruler is made, read or laid against a model.

/// A broken rule of this crate. Scores outside a law are not errors but [`crate::Effective`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DensityError {
    /// A fit with fewer points than a law needs.
    #[error("a fit needs at least {needed} reference points, got {found}")]
    TooFewPoints {
        /// Points needed.
        needed: usize,
        /// Points given.
        found: usize,
    },
    /// A fit whose points share too few sizes to tell three constants.
    #[error("a fit needs reference models of at least {needed} sizes, got {found}")]
    TooFewSizes {
        /// Different sizes needed.
        needed: usize,
        /// Different sizes given.
        found: usize,
    },
    /// A size that is zero, negative, infinite or `NaN`.
    #[error("a size must be a positive finite count, got {params}")]
    Size {
        /// The size found.
        params: f64,
    },
    /// Points without any rise: no law can be told from them.
    #[error("reference scores must differ, all are {percent} percent")]
    EqualScores {
        /// The one score.
        percent: f64,
    },
    /// Points that never leave chance.
    #[error("a reference score must exceed the floor {floor} percent, the largest is {largest}")]
    NothingAboveFloor {
        /// Chance level.
        floor: f64,
        /// Largest reference score.
        largest: f64,
    },
    /// A law with impossible constants.
    #[error("{constant} of a law must be {allowed}, got {found}")]
    Constant {
        /// Which constant.
        constant: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// What was found.
        found: f64,
    },
    /// No start of a fit converged.
    #[error("none of {starts} starts of the fit converged")]
    NoConvergence {
        /// Starts tried.
        starts: usize,
    },
    /// A ruler file that does not parse.
    #[error("the ruler file does not parse")]
    Syntax {
        /// What the TOML reader found, with the line.
        #[source]
        source: toml::de::Error,
    },
    /// A ruler that cannot be written.
    #[error("the ruler cannot be written as TOML")]
    Write {
        /// What the TOML writer found.
        #[source]
        source: toml::ser::Error,
    },
    /// A ruler file of another format version.
    #[error("ruler format {supported} is supported, got {found}")]
    Format {
        /// The version this crate reads.
        supported: u32,
        /// The version found.
        found: u32,
    },
    /// A ruler whose constants, floors or points are not those it was made with.
    #[error("hash mismatch: the ruler says {stated}, its content gives {computed}")]
    Hash {
        /// Hash in the file.
        stated: String,
        /// Hash of the content.
        computed: String,
    },
    /// Two tasks or two models of one suite with the same name.
    #[error("names in a ruler must be unique, got {name:?} twice")]
    Duplicate {
        /// The repeated name.
        name: String,
    },
    /// A task that the ruler does not hold.
    #[error("the ruler measures {known:?}, got task {task:?}")]
    UnknownTask {
        /// The task asked for.
        task: String,
        /// The tasks there are.
        known: Vec<String>,
    },
    /// A mean or a bootstrap over no task at all.
    #[error("at least one task must be named, got none")]
    NoTasks,
    /// A model that was not scored on exactly the tasks of the bootstrap.
    #[error("items must be given for the tasks {expected:?}, got {found:?}")]
    Tasks {
        /// Tasks of the bootstrap.
        expected: Vec<String>,
        /// Tasks given.
        found: Vec<String>,
    },
    /// Items scored by another metric than the ruler's.
    #[error("task {task:?} is measured by {expected:?} on this ruler, got {found:?}")]
    Metric {
        /// The task.
        task: String,
        /// Metric of the ruler.
        expected: String,
        /// Metric of the items.
        found: String,
    },
    /// A task without items.
    #[error("task {task:?} needs at least one item, got none")]
    NoItems {
        /// The task.
        task: String,
    },
    /// An item score outside `[0, 1]`.
    #[error("item {index} of task {task:?} must score in [0, 1], got {found}")]
    Item {
        /// The task.
        task: String,
        /// Position of the item.
        index: usize,
        /// The score found.
        found: f64,
    },
    /// As many strata as items are needed.
    #[error("task {task:?} has {items} items, got {strata} strata")]
    Strata {
        /// The task.
        task: String,
        /// Number of items.
        items: usize,
        /// Number of strata.
        strata: usize,
    },
    /// A bootstrap without draws.
    #[error("a bootstrap needs at least {needed} draws, got {found}")]
    Draws {
        /// Draws needed.
        needed: usize,
        /// Draws asked for.
        found: usize,
    },
    /// Two models not weighed with the same draws on the same items.
    #[error(
        "a paired comparison needs the same {what} for both models, got {teacher} and {student}"
    )]
    NotPaired {
        /// What differs.
        what: &'static str,
        /// Of the teacher.
        teacher: String,
        /// Of the student.
        student: String,
    },
}
