//! What can be wrong with a distillation's settings.

/// A setting out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistillError {
    /// A temperature that is not a positive number.
    #[error("temperature must be finite and above 0, got {found}")]
    Temperature {
        /// The value found.
        found: f64,
    },
}
