//! What can be wrong with a text, a tokenizer or a split.

use std::path::PathBuf;

use crate::manifest::Role;

/// A data file, tokenizer or split that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A text of the lab that there is none of.
    #[error(
        "the lab has no text {name:?}, expected lab:train or, with a count of tokens, such as lab:train/16M"
    )]
    LabText {
        /// As written.
        name: String,
    },
    /// A file or folder that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Bytes that are not UTF-8.
    #[error("{} line {line}: expected UTF-8 text", path.display())]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// Line of the first bad byte, counted from 1.
        line: usize,
        /// Which byte.
        source: std::str::Utf8Error,
    },
    /// JSON that does not parse; the message of `source` counts lines from `line` on.
    #[error("{} line {line}: expected JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line where the value starts, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// JSON of another shape than a corpus has.
    #[error("{} entry {entry}: expected {expected}, found {found}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line of a `.jsonl` file or element of a `.json` array, counted from 1; 0 is the whole file.
        entry: usize,
        /// What a corpus holds there.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A file whose name does not say how to read it.
    #[error("{}: expected a .txt, .jsonl or .json file, or a folder of these", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A corpus without any text.
    #[error("{}: expected at least one document with text, found none", path.display())]
    NoDocuments {
        /// The file or folder.
        path: PathBuf,
    },
    /// A checkpoint without `tokenizer.json`.
    #[error("expected a tokenizer.json beside the weights, found [{}]", found.join(", "))]
    NoTokenizer {
        /// The files there are.
        found: Vec<String>,
    },
    /// A tokenizer that cannot be read, or that fails on a text; a panic of the library is one too.
    #[error("tokenizer.json: cannot {action}")]
    Tokenizer {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: tokenizers::Error,
    },
    /// A file beside `tokenizer.json` that does not parse.
    #[error("{file}: expected a JSON object")]
    TokenizerFile {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A key of such a file that says something else than it should.
    #[error("{file}: {key}: expected {expected}, found {found}")]
    TokenizerKey {
        /// The file.
        file: &'static str,
        /// The key.
        key: String,
        /// The rule.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A special token that the vocabulary lacks.
    #[error("{file}: {key} is {token:?}, which the vocabulary does not hold")]
    SpecialToken {
        /// The file.
        file: &'static str,
        /// `bos_token` or `eos_token`.
        key: &'static str,
        /// The token's text.
        token: String,
    },
    /// A token whose id in one file is not that in another.
    #[error(
        "token {token:?} must have the id {expected} that the files beside tokenizer.json give it, got {found:?}"
    )]
    AddedToken {
        /// The token's text.
        token: String,
        /// Its id in those files.
        expected: u32,
        /// Its id in `tokenizer.json`, or the next free one.
        found: Option<u32>,
    },
    /// Documents cannot be joined.
    #[error("packing joins documents by the end-of-sequence token, and this tokenizer names none")]
    NoEos,
    /// A sequence length without inputs and targets.
    #[error("a sequence needs at least 2 tokens, got a length of {seq}")]
    SequenceLength {
        /// The length asked for.
        seq: usize,
    },
    /// A slice beyond the end of its corpus.
    #[error(
        "{role} asks for {sequences} sequences from {offset} on, but {source_name} holds {available} of {seq} tokens"
    )]
    Slice {
        /// Who asks.
        role: Role,
        /// The corpus.
        source_name: String,
        /// First sequence.
        offset: usize,
        /// Number of sequences, at least 1.
        sequences: usize,
        /// Sequences there are.
        available: usize,
        /// Tokens per sequence.
        seq: usize,
    },
    /// One sequence in two roles.
    #[error(
        "{first} and {second} must not share tokens: sequence {first_at} of {first_source} equals \
         sequence {second_at} of {second_source}"
    )]
    SameSequence {
        /// One role.
        first: Role,
        /// Its corpus.
        first_source: String,
        /// Index within the role, counted from 0.
        first_at: usize,
        /// The other role.
        second: Role,
        /// Its corpus.
        second_source: String,
        /// Index within the role, counted from 0.
        second_at: usize,
    },
    /// One stretch of one file in two roles.
    #[error(
        "{first} and {second} must not share tokens: both read {first_file} (also named \
         {second_file}) from token {at}"
    )]
    SameRange {
        /// One role.
        first: Role,
        /// The file, as that role names it.
        first_file: String,
        /// The other role.
        second: Role,
        /// The file, as the other role names it.
        second_file: String,
        /// First shared token of the file.
        at: u64,
    },
    /// Batches from nothing.
    #[error("batches need at least one sequence and one row per batch, got {sequences} and {rows}")]
    NoBatches {
        /// Sequences given.
        sequences: usize,
        /// Rows a batch.
        rows: usize,
    },
}
