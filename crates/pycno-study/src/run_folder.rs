//! A run's folder: one process at a time, and a link by label to every stage it used.

use std::{
    fs::{self, File, TryLockError},
    path::{Component, Path, PathBuf},
};

use crate::StudyError;

/// A run's folder, locked for this process.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    // Held open: the lock goes when the process does, killed or not.
    _lock: File,
}

impl RunFolder {
    /// Opens or makes a run's folder and locks it.
    ///
    /// # Errors
    ///
    /// [`StudyError::Locked`] if another process has it, [`StudyError::WriteFile`] if it cannot be made.
    pub fn open(root: &Path) -> Result<Self, StudyError> {
        let stages = root.join("stages");
        fs::create_dir_all(&stages)
            .map_err(|source| StudyError::WriteFile { path: stages, source })?;
        let path = root.join("lock");
        let lock = File::create(&path)
            .map_err(|source| StudyError::WriteFile { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StudyError::Locked { path: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StudyError::WriteFile { path, source }),
        }
    }

    /// Leaves `stages/LABEL`, a link to a stage's folder in the store, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be made.
    pub fn link(&self, label: &str, stage: &Path) -> Result<(), StudyError> {
        let path = self.root.join("stages").join(label);
        let failed = |source| StudyError::WriteFile { path: path.clone(), source };
        let target = seen_from(&self.root.join("stages"), stage).map_err(failed)?;
        if fs::read_link(&path).is_ok_and(|old| old == target) {
            return Ok(());
        }
        let aside = self.root.join("stages").join(format!(".{label}"));
        let _ = fs::remove_file(&aside); // what a killed process left, if anything
        link(&target, &aside).map_err(failed)?;
        fs::rename(&aside, &path).map_err(failed)
    }
}

/// A path relative to a folder, so that a run and its store can be moved together.
fn seen_from(folder: &Path, path: &Path) -> std::io::Result<PathBuf> {
    let (folder, path) = (folder.canonicalize()?, path.canonicalize()?);
    let shared = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Ok(up.chain(path.components().skip(shared)).collect())
}

#[cfg(unix)]
fn link(target: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn link(target: &Path, at: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let _first = RunFolder::open(folder.path()).unwrap();
        let error = RunFolder::open(folder.path()).unwrap_err();
        assert!(matches!(error, StudyError::Locked { .. }), "{error}");
    }

    #[test]
    fn a_label_leads_to_the_stage_it_was_last_linked_to_wherever_both_are_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (runs, store) = (folder.path().join("runs"), folder.path().join("runs/store"));
        for name in ["old", "new"] {
            fs::create_dir_all(store.join(name)).unwrap();
            fs::write(store.join(name).join("which"), name).unwrap();
        }
        let run = RunFolder::open(&runs.join("study")).unwrap();
        for name in ["old", "new", "new"] {
            run.link("teacher-eval", &store.join(name)).unwrap();
        }
        let moved = folder.path().join("moved");
        fs::rename(&runs, &moved).unwrap();
        let found = fs::read_to_string(moved.join("study/stages/teacher-eval/which")).unwrap();
        assert_eq!(found, "new");
        assert_eq!(fs::read_dir(moved.join("study/stages")).unwrap().count(), 1);
    }
}
