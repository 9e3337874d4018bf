//! A folder beside the place of a result, in which that is made: it goes when this process is done, and one that a
//! killed process left goes when the same result is made again.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

use pycno_record::atomic;

use crate::StudyError;

/// Locked by its process as long as that lives.
const LOCK: &str = "lock";

/// The folder; removed when dropped.
pub(crate) struct Beside {
    folder: PathBuf,
    _lock: File,
}

impl Beside {
    /// Makes one beside a path, and removes those that killed processes left there.
    pub(crate) fn new(path: &Path) -> Result<Self, StudyError> {
        let folder = atomic::aside(path);
        let failed = |source| StudyError::WriteFile { path: folder.clone(), source };
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        abandoned(path).for_each(|old| {
            // What cannot be removed is in nobody's way.
            let _kept = fs::remove_dir_all(old);
        });
        fs::create_dir(&folder).map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    /// A place in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _kept = fs::remove_dir_all(&self.folder);
    }
}

/// Folders of the same path whose process is gone.
fn abandoned(path: &Path) -> impl Iterator<Item = PathBuf> {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let ours = entries.filter(move |entry| {
        entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
    });
    ours.map(|entry| entry.path())
        .filter(|folder| File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_process_and_takes_along_what_a_killed_one_left() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("student");
        let (killed, other) = (place.path().join(".student.1"), place.path().join(".students.1"));
        for folder in [&killed, &other] {
            fs::create_dir(folder).unwrap();
            File::create(folder.join(LOCK)).unwrap();
        }
        let living = place.path().join(".student.2");
        fs::create_dir(&living).unwrap();
        let lock = File::create(living.join(LOCK)).unwrap();
        lock.lock().unwrap();
        let beside = Beside::new(&path).unwrap();
        fs::write(beside.join("x"), "1").unwrap();
        assert!(!killed.exists() && other.exists() && living.exists());
        drop(beside);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
