//! What can stop a training run.

use std::path::PathBuf;

use pycno_data::DataError;
use pycno_model::ModelError;
use pycno_units::TokenCount;
use safetensors::SafeTensorError;

/// A training run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting out of its range.
    #[error("{what} must {rule}, got {found}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What is allowed, as `be above 0`.
        rule: &'static str,
        /// The value found.
        found: f64,
    },
    /// Sequences that do not fit together.
    #[error(
        "sequences must all have the length of the first, {expected}, and at least 2 tokens; sequence {index} has {found}"
    )]
    Sequence {
        /// Length of the first.
        expected: usize,
        /// Which one is wrong, counted from 0.
        index: usize,
        /// Its length.
        found: usize,
    },
    /// A token the student has no embedding for.
    #[error("sequence {index} holds token {token}, but the vocabulary has {vocab}")]
    Token {
        /// Which sequence, counted from 0.
        index: usize,
        /// The token.
        token: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// No sequences, or no sequences per batch.
    #[error("no batches to train on")]
    Batches {
        /// Why not.
        source: DataError,
    },
    /// The student is not a model.
    #[error("cannot run the student")]
    Student {
        /// Why not.
        source: ModelError,
    },
    /// An activation that an objective cannot have.
    #[error("no tap {tap}: {reason}")]
    Tap {
        /// As it was written.
        tap: String,
        /// Why not, and what there is.
        reason: String,
    },
    /// Token weights of a batch that nothing can be learned by.
    #[error(
        "step {step}: expected a weight for every token, none negative, not all 0, found {found}"
    )]
    TokenWeights {
        /// Step, counted from 1.
        step: u64,
        /// What is wrong with them.
        found: &'static str,
    },
    /// The objective failed.
    #[error("objective {objective}: {reason}")]
    Objective {
        /// Its name.
        objective: String,
        /// What it says.
        reason: String,
    },
    /// Loss or gradient stopped being a number; the checkpoint on disk is from before.
    #[error(
        "step {step} diverged: loss {loss}, gradient norm {gradient_norm}, expected finite numbers"
    )]
    Diverged {
        /// Step, counted from 1.
        step: u64,
        /// The loss.
        loss: f64,
        /// The global norm.
        gradient_norm: f64,
    },
    /// Losses far above all before, one after another.
    #[error(
        "step {step} is spike {in_a_row} in a row: loss {loss}, the median before was {median}; lower the learning rate"
    )]
    Spikes {
        /// Step, counted from 1.
        step: u64,
        /// The loss.
        loss: f64,
        /// What losses were like.
        median: f64,
        /// Spikes up to this one.
        in_a_row: usize,
    },
    /// A budget whose end the stable run has gone past.
    #[error(
        "a run of {tokens} tokens leaves the stable one at step {end}, which has taken {taken}"
    )]
    Branch {
        /// The budget.
        tokens: TokenCount,
        /// Where it leaves.
        end: u64,
        /// Steps taken.
        taken: u64,
    },
    /// A checkpoint whose bytes are not those that were written.
    #[error("checkpoint {} is damaged: its content hashes to {found}, expected {expected}; remove it to start over", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The hash in its head.
        expected: String,
        /// That of its content.
        found: String,
    },
    /// A checkpoint file or its folder cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, ..
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A checkpoint that is no safetensors file.
    #[error("cannot {action} checkpoint {}", path.display())]
    Format {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SafeTensorError,
    },
    /// A checkpoint whose head lacks what a run needs.
    #[error("checkpoint {} must hold {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is missing or misshapen.
        expected: String,
    },
    /// A checkpoint of another student, text, objective or config.
    #[error("checkpoint {} belongs to run {found}, not to {expected}: the student, the text, the objective or the settings changed; remove it to start over", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// This run's hash.
        expected: String,
        /// The hash in the file.
        found: String,
    },
}
