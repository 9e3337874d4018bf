//! The run's folder: finished stages by hash, work in progress aside, one writer at a time.
//!
//! A stage is identified by a hash of its config, its inputs' hashes and the record format, so a
//! finished one is never computed again and a stale one is never used.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use pycno_record::atomic;
use serde::{Serialize, de::DeserializeOwned};

use crate::StudyError;

/// What a stage is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StageId {
    label: String,
    hash: String,
}

/// A run's folder, locked for this process.
#[derive(Debug)]
pub struct RunStore {
    root: PathBuf,
    // Held open: the lock goes when the process does, killed or not.
    _lock: File,
}

impl StageId {
    /// Hashes what the stage's result depends on; `label` is for people.
    ///
    /// # Errors
    ///
    /// [`StudyError::Study`] if the config cannot be written as JSON (a `NaN` in it).
    pub fn new(label: &str, config: &impl Serialize, inputs: &[&str]) -> Result<Self, StudyError> {
        let text = serde_json::to_string(&(pycno_record::FORMAT, label, config, inputs))
            .map_err(|error| StudyError::Study { rule: format!("stage {label}: {error}") })?;
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        Ok(Self { label: label.to_owned(), hash })
    }

    /// The hash, for stages that build on this one.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The folder's name: label and the first 12 digits of the hash.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.label, &self.hash[..12])
    }
}

impl RunStore {
    /// Opens or makes a run's folder and locks it.
    ///
    /// # Errors
    ///
    /// [`StudyError::Locked`] if another process has it, [`StudyError::WriteFile`] if it cannot be made.
    pub fn open(root: &Path) -> Result<Self, StudyError> {
        for folder in [root.join("stages"), root.join("work")] {
            fs::create_dir_all(&folder)
                .map_err(|source| StudyError::WriteFile { path: folder, source })?;
        }
        let path = root.join("lock");
        let lock = File::create(&path)
            .map_err(|source| StudyError::WriteFile { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StudyError::Locked { path: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StudyError::WriteFile { path, source }),
        }
    }

    /// The run's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a finished stage, or `None`.
    pub fn finished(&self, id: &StageId) -> Option<PathBuf> {
        let path = self.root.join("stages").join(id.folder());
        path.is_dir().then_some(path)
    }

    /// A folder for a stage in progress; what a killed run left in it is still there.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be made.
    pub fn work(&self, id: &StageId) -> Result<PathBuf, StudyError> {
        let path = self.root.join("work").join(id.folder());
        fs::create_dir_all(&path)
            .map_err(|source| StudyError::WriteFile { path: path.clone(), source })?;
        Ok(path)
    }

    /// Makes a prepared folder the finished stage, in one step, and drops the rest of its work.
    ///
    /// # Errors
    ///
    /// [`StudyError::Record`] or [`StudyError::WriteFile`] on a full or failing disk; nothing half-made stays.
    pub fn publish(&self, id: &StageId, prepared: &Path) -> Result<PathBuf, StudyError> {
        let done = self.root.join("stages").join(id.folder());
        atomic::publish_dir(prepared, &done)?;
        let work = self.root.join("work").join(id.folder());
        if work.is_dir() {
            fs::remove_dir_all(&work)
                .map_err(|source| StudyError::WriteFile { path: work, source })?;
        }
        Ok(done)
    }

    /// An empty folder to prepare a stage's result in.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be emptied or made.
    pub fn prepare(&self, id: &StageId) -> Result<PathBuf, StudyError> {
        let prepared = self.work(id)?.join("prepared");
        let failed = |source| StudyError::WriteFile { path: prepared.clone(), source };
        if prepared.is_dir() {
            fs::remove_dir_all(&prepared).map_err(failed)?;
        }
        fs::create_dir_all(&prepared).map_err(failed)?;
        Ok(prepared)
    }

    /// Publishes a stage whose result is one file.
    ///
    /// # Errors
    ///
    /// As [`RunStore::publish`].
    pub fn publish_file(
        &self,
        id: &StageId,
        file: &str,
        bytes: &[u8],
    ) -> Result<PathBuf, StudyError> {
        let prepared = self.prepare(id)?;
        atomic::write_file(&prepared.join(file), bytes)?;
        self.publish(id, &prepared)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_found_only_under_the_same_config_and_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::open(folder.path()).unwrap();
        let id = StageId::new("eval", &("limit", 5), &["abc"]).unwrap();
        assert!(store.finished(&id).is_none());
        let done = store.publish_file(&id, "x.json", b"[1, 2]").unwrap();
        assert_eq!(store.finished(&id), Some(done.clone()));
        assert_eq!(read_json::<Vec<u32>>(&done.join("x.json")).unwrap(), [1, 2]);
        for other in [
            StageId::new("eval", &("limit", 6), &["abc"]).unwrap(),
            StageId::new("eval", &("limit", 5), &["abd"]).unwrap(),
        ] {
            assert!(store.finished(&other).is_none());
        }
    }

    #[test]
    fn a_second_writer_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let _first = RunStore::open(folder.path()).unwrap();
        let error = RunStore::open(folder.path()).unwrap_err();
        assert!(matches!(error, StudyError::Locked { .. }), "{error}");
    }
}
