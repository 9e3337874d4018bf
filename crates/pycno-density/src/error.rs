//! What can go wrong when a ruler is made, read or laid against a model, and around it.

use time::Date;

/// A broken rule of this crate. Scores outside a law are not errors but [`crate::Effective`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DensityError {
    /// A fit whose points share too few sizes or token counts to tell its constants.
    #[error("a fit needs at least {needed} different {what}, got {found}")]
    TooFewLevels {
        /// Sizes or token counts.
        what: &'static str,
        /// Different ones needed.
        needed: usize,
        /// Different ones given.
        found: usize,
    },
    /// Points without any fall: no law can be told from them.
    #[error("reference losses must differ, all are {loss}")]
    EqualLosses {
        /// The one loss.
        loss: f64,
    },
    /// A ceiling that is fixed over a floor that is not.
    #[error("a fixed ceiling needs a fixed floor, got a fitted one")]
    CeilingWithoutFloor,
    /// The start that should choose a basin ends nowhere.
    #[error(
        "the start [a, alpha, b, beta] = {start:?} must end in a minimum, it does not converge"
    )]
    NoBasin {
        /// The start.
        start: [f64; 4],
    },
    /// A loss that no size reaches.
    #[error("a loss must exceed what an infinitely large model has, {least}, got {loss}")]
    UnreachableLoss {
        /// The loss asked for.
        loss: f64,
        /// Loss of an infinitely large model at the same tokens.
        least: f64,
    },
    /// A law of one step read at another token count than its own.
    #[error("this law holds at {tokens} tokens alone, got {asked}")]
    OneTokenCount {
        /// Token count of the law.
        tokens: u64,
        /// Token count asked for.
        asked: u64,
    },
    /// A question about loss or tokens to a law that knows sizes alone.
    #[error("{what} needs a law of two steps, over the loss; this one has one, from size to score")]
    OneStep {
        /// What was asked for.
        what: &'static str,
    },
    /// A planned count that no number holds.
    #[error("{what} must be {allowed}, got exp({logarithm})")]
    BeyondCounts {
        /// What was planned.
        what: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// Natural logarithm of the count.
        logarithm: f64,
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
    /// A mean over tasks that are measured in different ways.
    #[error("a mean needs tasks fitted by one recipe on the same suites, got {tasks:?}")]
    MixedRecipes {
        /// The tasks.
        tasks: Vec<String>,
    },
    /// Runs or tasks that one law cannot hold together.
    #[error(transparent)]
    Mixed(#[from] crate::MixedError),
    /// A task whose recipe and published constants are of different kinds.
    #[error("task {task:?} must have constants of its recipe's kind")]
    KindOfLaw {
        /// The task.
        task: String,
    },
    /// A standard error that is negative, infinite or `NaN`.
    #[error(
        "the standard error of task {task:?} must be a finite number of percent points, got {found}"
    )]
    Stderr {
        /// The task.
        task: String,
        /// The error found.
        found: f64,
    },
    /// Text that is no CSV table.
    #[error("the text is no table")]
    Table {
        /// What the CSV reader found, with the line.
        #[source]
        source: csv::Error,
    },
    /// A column that is missing or unknown.
    #[error(
        "column {name:?} {what}; a table of runs has run, suite, cluster, params, tokens, loss:TASK \
         and score:TASK"
    )]
    Column {
        /// The column.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A cell that is not what its column holds.
    #[error("line {line}, column {column:?}: expected {expected}, got {found:?}")]
    Cell {
        /// Line of the file, from 1.
        line: u64,
        /// Column.
        column: String,
        /// What is allowed.
        expected: &'static str,
        /// The text found.
        found: String,
    },
    /// Scores that look like shares.
    #[error(
        "scores are percent, but no score of task {task:?} exceeds {largest}: these look like shares, not percent"
    )]
    Shares {
        /// The task.
        task: String,
        /// Its largest score.
        largest: f64,
    },
    /// Another basin asked of a ruler whose fits have one.
    #[error("another basin needs a loss law with two minima, ruler {ruler:?} has none")]
    OneBasin {
        /// The ruler.
        ruler: String,
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
    /// A row whose density or price is none.
    #[error("the {what} of {name:?} must be positive and finite, got {found}")]
    Row {
        /// Density or price.
        what: &'static str,
        /// The model.
        name: String,
        /// The value found.
        found: f64,
    },
    /// Fewer points than a fit, a trend or a comparison needs.
    #[error("{what} needs at least {needed} points, got {found}")]
    TooFew {
        /// What was to be fitted.
        what: &'static str,
        /// Points needed.
        needed: usize,
        /// Points there are.
        found: usize,
    },
    /// A trend whose points share one date.
    #[error("the points of a trend must have different dates, all are of {date}")]
    OneDate {
        /// The one date.
        date: Date,
    },
    /// A period of a comparison with fewer points than leave a residual.
    #[error("the period {period} {split} needs at least {needed} points, got {found}")]
    ShortPeriod {
        /// `before` or `from`.
        period: &'static str,
        /// The date between the periods.
        split: Date,
        /// Points needed.
        needed: usize,
        /// Points there are.
        found: usize,
    },
    /// A date asked of a trend that does not rise.
    #[error("a trend must rise, its slope is {slope} per day")]
    NoGrowth {
        /// The slope.
        slope: f64,
    },
    /// A forecast that no floating-point number holds.
    #[error("a forecast must be a floating-point number, got exp({logarithm})")]
    BeyondNumbers {
        /// Natural logarithm of the forecast.
        logarithm: f64,
    },
    /// A forecast date outside the calendar.
    #[error("a date must lie in the years -9999 to 9999, got {days} days after {origin}")]
    Calendar {
        /// Days from the origin.
        days: f64,
        /// Where the days are counted from.
        origin: Date,
    },
    /// A quantity outside its range.
    #[error("{what} must be {allowed}, got {found}")]
    Quantity {
        /// Which quantity.
        what: &'static str,
        /// What is allowed.
        allowed: &'static str,
        /// What was found.
        found: f64,
    },
    /// A way of counting a size that needs a figure not known of the model.
    #[error("a size counted as {rule} needs the model's {figure}, which is not known")]
    UnknownFigure {
        /// How the size was to be counted.
        rule: String,
        /// What is missing.
        figure: &'static str,
    },
    /// A part of a model that is larger than the whole.
    #[error("{part} parameters must not exceed the total of {total}, got {found}")]
    PartOfSize {
        /// Which part.
        part: &'static str,
        /// All parameters.
        total: f64,
        /// Parameters of the part.
        found: f64,
    },
    /// More items with different outcomes than items.
    #[error("at most {items} items can have different outcomes, got {lost} lost, {gained} gained")]
    Flips {
        /// All items.
        items: u64,
        /// Right before, wrong after.
        lost: u64,
        /// Wrong before, right after.
        gained: u64,
    },
    /// A value of a paired item that is infinite or `NaN`.
    #[error("item {index} of the {model} must have a finite value, got {found}")]
    PairedValue {
        /// `teacher` or `student`.
        model: &'static str,
        /// Position of the item.
        index: usize,
        /// The value found.
        found: f64,
    },
    /// A p-value outside `[0, 1]`.
    #[error("p-value {index} must lie in [0, 1], got {found}")]
    PValue {
        /// Its position.
        index: usize,
        /// The value found.
        found: f64,
    },
}
