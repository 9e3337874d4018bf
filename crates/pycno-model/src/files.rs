//! Small files of a model, read whole.

use std::{fs, io, path::Path};

use pycno_units::without_byte_order_mark;
use serde::de::DeserializeOwned;

use crate::ModelError;

/// How a file begins that stands for another until `git lfs pull` has brought that.
const POINTER: &[u8] = b"version https://git-lfs";

/// A file's bytes; `None` if there is none of that name.
///
/// # Errors
///
/// [`ModelError::Io`], and [`ModelError::Malformed`] for a pointer of Git LFS.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => refuse_pointer(path, &bytes).map(|()| Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// A JSON file, with or without a byte order mark.
///
/// # Errors
///
/// As [`read_if_there`], and [`ModelError::Json`].
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let bytes = fs::read(path).map_err(ModelError::io("read", path))?;
    refuse_pointer(path, &bytes)?;
    parse_json(path, &bytes)
}

/// The same from bytes; `path` is for messages.
pub(crate) fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ModelError> {
    let parsed = serde_json::from_slice(without_byte_order_mark(bytes));
    parsed.map_err(|source| ModelError::Json { path: path.to_owned(), source })
}

/// Refuses what only stands for a file: a clone without Git LFS leaves that.
pub(crate) fn refuse_pointer(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    if !bytes.starts_with(POINTER) {
        return Ok(());
    }
    let expected = "the file itself (git lfs pull brings it)";
    Err(ModelError::malformed(path, "content", expected, "a pointer of Git LFS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_named_and_byte_order_marks_are_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert!(read_if_there(&path).unwrap().is_none());
        fs::write(&path, "\u{feff}[1,\r\n2]\r\n").unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), [1, 2]);
        fs::write(&path, "version https://git-lfs.example/spec/v1\noid sha256:0\nsize 9\n")
            .unwrap();
        for error in [read_json::<Vec<u8>>(&path).unwrap_err(), read_if_there(&path).unwrap_err()] {
            let message = error.to_string();
            assert!(message.contains("x.json") && message.contains("git lfs pull"), "{message}");
        }
    }
}
