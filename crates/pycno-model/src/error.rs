//! What can go wrong between a file and a model.

use std::path::PathBuf;

/// A checkpoint that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Tensors of a checkpoint do not match its spec.
    #[error(
        "tensors do not match the config: missing [{}], unexpected [{}], misshapen [{}]",
        missing.join(", "), unexpected.join(", "), misshapen.join(", ")
    )]
    Tensors {
        /// Names the spec needs and the checkpoint lacks.
        missing: Vec<String>,
        /// Names the checkpoint has and the spec does not know.
        unexpected: Vec<String>,
        /// `name: expected [..], found [..]`.
        misshapen: Vec<String>,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
