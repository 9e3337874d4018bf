//! What can be wrong with a task, its items or an evaluation.

use std::path::PathBuf;

use pycno_data::DataError;
use pycno_units::UnitsError;

/// A task that cannot be read or scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A name no task of this build has.
    #[error("unknown task {name:?}, expected one of {}", known.join(", "))]
    UnknownTask {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A task file that does not parse.
    #[error("cannot parse task {file}")]
    TaskFile {
        /// File or name.
        file: String,
        /// Line, column and the keys it knows.
        source: Box<toml::de::Error>,
    },
    /// A task whose version, chance or window is out of range.
    #[error("task {task}: {field} must be {expected}, got {found}")]
    TaskField {
        /// The task.
        task: String,
        /// The key.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was written.
        found: String,
    },
    /// A prompt template with unbalanced braces.
    #[error("a template has names in braces, such as \"{{query}}\", got {template:?}")]
    Template {
        /// The template.
        template: String,
    },
    /// The items of a task are not there.
    #[error(
        "task {task} needs {file}, not found at {}; PYCNO_DATA names the folder that holds it",
        path.display()
    )]
    MissingData {
        /// The task.
        task: String,
        /// The file, relative to the data folder.
        file: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An item that is not what its task says.
    #[error("{} line {line}: expected {expected}, found {found}", path.display())]
    Item {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the task needs there.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A line that is not JSON.
    #[error("{} line {line}: expected a JSON object", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A task without items.
    #[error("task {task}: expected at least one item in {}", path.display())]
    NoItems {
        /// The task.
        task: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of the lab's world that there is none of.
    #[error("task {task}: the lab has no {name:?}, expected one of {known}")]
    LabFile {
        /// The task.
        task: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Items that have no JSON to hash.
    #[error("task {task}: cannot hash its items")]
    Hash {
        /// The task.
        task: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A limit of no items.
    #[error("task {task}: a limit must be at least 1, got 0")]
    LimitZero {
        /// The task.
        task: String,
    },
    /// A text or tokenizer that cannot be read.
    #[error("task {task}: cannot read or encode its texts")]
    Data {
        /// The task.
        task: String,
        /// Why not.
        source: DataError,
    },
    /// An empty context without a token to stand for it.
    #[error(
        "task {task} item {item}: the context is empty and the tokenizer has neither BOS nor EOS"
    )]
    NoPrefix {
        /// The task.
        task: String,
        /// The item.
        item: String,
    },
    /// A continuation without tokens.
    #[error("task {task} item {item}: the continuation {text:?} has no tokens of its own")]
    EmptyContinuation {
        /// The task.
        task: String,
        /// The item.
        item: String,
        /// The text.
        text: String,
    },
    /// A continuation the model has too few positions for.
    #[error("task {task} item {item}: at most {max} tokens can be scored at once, got {found}")]
    TooLong {
        /// The task.
        task: String,
        /// The item.
        item: String,
        /// Positions of the model.
        max: usize,
        /// Tokens of the continuation.
        found: usize,
    },
    /// A text shorter than one window.
    #[error("task {task}: a window takes {need} tokens, the text has {found}")]
    TextTooShort {
        /// The task.
        task: String,
        /// Tokens of one window and its last target.
        need: usize,
        /// Tokens there are.
        found: usize,
    },
    /// A token the model has no embedding for.
    #[error("task {task} item {item}: token {token} is outside the model's vocabulary of {vocab}")]
    Vocabulary {
        /// The task.
        task: String,
        /// The item.
        item: String,
        /// The token.
        token: u32,
        /// Rows of the embedding.
        vocab: usize,
    },
    /// A loss that is NaN or infinite.
    #[error("task {task} item {item}: the model's loss must be finite, got {nats}")]
    NotFinite {
        /// The task.
        task: String,
        /// The item.
        item: String,
        /// The loss in nats.
        nats: f64,
    },
    /// A journal of another evaluation.
    #[error(
        "{}: expected the journal of plan {expected}, found one of plan {found}", path.display()
    )]
    OtherJournal {
        /// The journal.
        path: PathBuf,
        /// Hash of this evaluation's plan.
        expected: String,
        /// Hash in the file.
        found: String,
    },
    /// A journal line that cannot be what was written.
    #[error("{} line {line}: expected {expected}", path.display())]
    JournalLine {
        /// The journal.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What stands there in a journal.
        expected: String,
    },
    /// A score that is none.
    #[error("task {task}: the score is out of range")]
    Score {
        /// The task.
        task: String,
        /// Why.
        source: UnitsError,
    },
}
