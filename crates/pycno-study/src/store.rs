//! Finished stages by key, work in progress aside. Studies share a store: what one has computed, another finds.
//!
//! `stages/KIND-HASH` is a finished stage with its `key.json` and the hashes of its files (`contents.json`, checked
//! whenever it is used); it is renamed into place whole and never changed.
//! `work/KIND-HASH` is one in progress; what a killed process left there is taken up again. Whoever is at it holds a
//! lock on `locks/KIND-HASH`, an empty file that stays, since removing a file that others may be about to lock would
//! let two of them in.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use pycno_record::atomic;

use crate::{StageKey, StudyError, contents};

/// What was hashed to name a stage, beside its result.
const KEY: &str = "key.json";

/// A folder of stages that any number of processes may use at once.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A stage's result, or the right to make it.
#[derive(Debug)]
pub enum Claimed<'a> {
    /// The folder of the finished stage.
    Finished(PathBuf),
    /// No other process makes it while this is held.
    Claim(Claim<'a>),
}

/// The right to make one stage.
#[derive(Debug)]
pub struct Claim<'a> {
    store: &'a Store,
    key: &'a StageKey,
    // Held open: the lock goes when the process does, killed or not.
    _lock: File,
}

impl Store {
    /// Opens or makes a store.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if its folders cannot be made.
    pub fn open(root: &Path) -> Result<Self, StudyError> {
        for name in ["stages", "work", "locks"] {
            make_folder(&root.join(name))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The folder of a finished stage, or `None`.
    ///
    /// # Errors
    ///
    /// [`StudyError::Altered`] if a file of the stage is not what it left.
    pub fn finished(&self, key: &StageKey) -> Result<Option<PathBuf>, StudyError> {
        let path = self.stage(key);
        if !path.is_dir() {
            return Ok(None);
        }
        contents::check(&path)?;
        Ok(Some(path))
    }

    /// Finds a stage's result or claims it; `waiting` is called once before waiting for another process that
    /// is making it.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be locked, [`StudyError::Altered`] if a file of the finished stage is not
    /// what it left.
    pub fn claim<'a>(
        &'a self,
        key: &'a StageKey,
        waiting: impl FnOnce(),
    ) -> Result<Claimed<'a>, StudyError> {
        if let Some(folder) = self.finished(key)? {
            return Ok(Claimed::Finished(folder));
        }
        let lock = self.lock(key, waiting)?;
        // Whoever had the lock before may have finished the stage.
        Ok(match self.finished(key)? {
            Some(folder) => Claimed::Finished(folder),
            None => Claimed::Claim(Claim { store: self, key, _lock: lock }),
        })
    }

    fn lock(&self, key: &StageKey, waiting: impl FnOnce()) -> Result<File, StudyError> {
        let path = self.root.join("locks").join(key.folder());
        let failed = |source| StudyError::WriteFile { path: path.clone(), source };
        let lock = File::create(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(lock)
    }

    fn stage(&self, key: &StageKey) -> PathBuf {
        self.root.join("stages").join(key.folder())
    }
}

impl Claim<'_> {
    /// A folder for work in progress; what a killed process left in it is still there.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be made.
    pub fn work(&self) -> Result<PathBuf, StudyError> {
        let path = self.store.root.join("work").join(self.key.folder());
        make_folder(&path)?;
        Ok(path)
    }

    /// An empty folder to prepare the result in.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be emptied or made.
    pub fn prepare(&self) -> Result<PathBuf, StudyError> {
        let prepared = self.work()?.join("prepared");
        remove_folder(&prepared)?;
        make_folder(&prepared)?;
        Ok(prepared)
    }

    /// Makes the prepared folder the finished stage, in one step, and drops the rest of its work.
    ///
    /// # Errors
    ///
    /// [`StudyError::Record`] or [`StudyError::WriteFile`] on a full or failing disk; nothing half-made stays.
    pub fn publish(self, prepared: &Path) -> Result<PathBuf, StudyError> {
        atomic::write_file(&prepared.join(KEY), self.key.document().as_bytes())?;
        contents::seal(prepared)?;
        let done = self.store.stage(self.key);
        atomic::publish_dir(prepared, &done)?;
        self.forget()?;
        Ok(done)
    }

    /// Publishes a stage whose result is one file.
    ///
    /// # Errors
    ///
    /// As [`Claim::publish`].
    pub fn publish_file(self, file: &str, bytes: &[u8]) -> Result<PathBuf, StudyError> {
        let prepared = self.prepare()?;
        atomic::write_file(&prepared.join(file), bytes)?;
        self.publish(&prepared)
    }

    /// Drops the work in progress.
    ///
    /// # Errors
    ///
    /// [`StudyError::WriteFile`] if it cannot be removed.
    pub fn forget(self) -> Result<(), StudyError> {
        remove_folder(&self.store.root.join("work").join(self.key.folder()))
    }
}

fn make_folder(path: &Path) -> Result<(), StudyError> {
    fs::create_dir_all(path)
        .map_err(|source| StudyError::WriteFile { path: path.to_owned(), source })
}

fn remove_folder(path: &Path) -> Result<(), StudyError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StudyError::WriteFile { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use pycno_model::ComputeDtype;

    use super::*;
    use crate::{DeviceName, Numerics, StageKind};

    fn key(limit: usize) -> StageKey {
        let numerics = Numerics::of(DeviceName::FLEX, ComputeDtype::F32);
        StageKey::new((StageKind::Eval, 1), &("limit", limit), &[], &numerics).unwrap()
    }

    #[track_caller]
    fn claimed<'a>(store: &'a Store, key: &'a StageKey) -> Claim<'a> {
        match store.claim(key, || panic!("nobody else is here")).unwrap() {
            Claimed::Claim(claim) => claim,
            Claimed::Finished(path) => panic!("{} is there", path.display()),
        }
    }

    #[test]
    fn a_stage_is_made_once_and_found_by_every_store_at_the_same_place() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::open(folder.path()).unwrap(), key(5));
        assert_eq!(store.finished(&key).unwrap(), None);
        let done = claimed(&store, &key).publish_file("x.json", b"[1, 2]").unwrap();
        assert_eq!(fs::read(done.join("x.json")).unwrap(), b"[1, 2]");
        assert_eq!(fs::read_to_string(done.join(KEY)).unwrap(), key.document());

        let other = Store::open(folder.path()).unwrap();
        assert_eq!(other.finished(&key).unwrap(), Some(done));
        assert!(matches!(other.claim(&key, || ()).unwrap(), Claimed::Finished(_)));
        assert_eq!(other.finished(&self::key(6)).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 0);
    }

    #[test]
    fn work_in_progress_is_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::open(folder.path()).unwrap(), key(5));
        let claim = claimed(&store, &key);
        fs::write(claim.work().unwrap().join("journal"), b"half").unwrap();
        drop(claim);
        let again = claimed(&store, &key);
        assert_eq!(fs::read(again.work().unwrap().join("journal")).unwrap(), b"half");
        again.forget().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("work")).unwrap().count(), 0);
    }

    #[test]
    fn who_comes_second_waits_and_finds_the_result() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key) = (Store::open(folder.path()).unwrap(), key(5));
        let claim = claimed(&store, &key);
        let (waited, publish) = (AtomicBool::new(false), std::sync::Barrier::new(2));
        let waiting = || {
            waited.store(true, Ordering::SeqCst);
            publish.wait();
        };
        let second = || matches!(store.claim(&key, waiting).unwrap(), Claimed::Finished(_));
        std::thread::scope(|scope| {
            let second = scope.spawn(second);
            publish.wait();
            claim.publish_file("x.json", b"1").unwrap();
            assert!(second.join().unwrap());
        });
        assert!(waited.load(Ordering::SeqCst));
    }
}
