//! What one law cannot hold together.

use pycno_units::TokenCount;

/// Runs or tasks that do not belong in one law.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MixedError {
    /// A mean over tasks one of which is a mean itself.
    #[error("task {task} is a mean over tasks: it is not averaged with others")]
    MeanOfMeans {
        /// The task that is a mean.
        task: String,
    },
    /// A run of another token count in a law of size alone.
    #[error(
        "a law of size alone holds at one token count, {expected}, but run {run} was trained on {found} tokens"
    )]
    OtherTokens {
        /// The run.
        run: String,
        /// The token count of the ruler.
        expected: TokenCount,
        /// That of the run.
        found: TokenCount,
    },
}
