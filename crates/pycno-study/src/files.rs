//! Stages' JSON files.

use std::{fs, path::Path};

use pycno_record::atomic;
use serde::{Serialize, de::DeserializeOwned};

use crate::StudyError;

/// A value as the bytes of a JSON file; `path` is for messages.
pub(crate) fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, StudyError> {
    serde_json::to_vec_pretty(value)
        .map_err(|source| StudyError::Stage { path: path.to_owned(), source })
}

/// Writes a value as JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StudyError> {
    Ok(atomic::write_file(path, &json(path, value)?)?)
}

/// Reads a stage's JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let bytes =
        fs::read(path).map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes)
        .map_err(|source| StudyError::Stage { path: path.to_owned(), source })
}
