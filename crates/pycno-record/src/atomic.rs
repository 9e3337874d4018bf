//! Files and folders that are there whole or not at all, also after a power cut.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use crate::RecordError;

/// Writes a file whole: a temporary one beside it is written, synced and renamed over `path`, then
/// the folder is synced. A reader sees the old bytes or the new ones.
///
/// # Errors
///
/// [`RecordError::Io`] naming the path; `path` is then as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let folder = parent(path);
    let mut builder = tempfile::Builder::new();
    readable(builder.prefix(".tmp-"));
    let mut aside = builder.tempfile_in(&folder).map_err(RecordError::io("write into", &folder))?;
    aside.write_all(bytes).map_err(RecordError::io("write", path))?;
    aside.as_file().sync_all().map_err(RecordError::io("sync", path))?;
    aside.persist(path).map_err(|e| RecordError::io("write", path)(e.error))?;
    sync(&folder)
}

/// Where a folder is prepared before [`publish_dir`]: beside its place, named after this process.
pub fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Gives a finished folder its final name: everything in `aside` is synced, then the folder is
/// renamed to `path`, then their parents are synced. Both must be on one file system.
///
/// # Errors
///
/// [`RecordError::Exists`] if `path` is taken; [`RecordError::Io`] otherwise, and `aside` stays.
pub fn publish_dir(aside: &Path, path: &Path) -> Result<(), RecordError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(RecordError::Exists { path: path.to_owned() });
    }
    sync_tree(aside)?;
    fs::rename(aside, path).map_err(RecordError::io("rename a finished folder to", path))?;
    sync(&parent(path))
}

/// Syncs every file below `folder`, and the folders after what they hold.
fn sync_tree(folder: &Path) -> Result<(), RecordError> {
    for entry in fs::read_dir(folder).map_err(RecordError::io("list", folder))? {
        let path = entry.map_err(RecordError::io("list", folder))?.path();
        if path.is_dir() { sync_tree(&path)? } else { sync(&path)? }
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), RecordError> {
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(()); // only Unix lets a folder be opened and synced
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(RecordError::io("sync", path))
}

/// The folder of a path; a bare name lies in the working folder.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A temporary file is private by default; a record is as readable as the umask allows.
#[cfg(unix)]
fn readable(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable(_: &mut tempfile::Builder<'_, '_>) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_file(&path, b"old, and longer").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_write_that_fails_leaves_the_target_and_no_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), b"x").unwrap();
        let error = write_file(&path, b"new").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
        assert!(write_file(&folder.path().join("no/such/folder"), b"").is_err());
    }

    #[test]
    fn a_folder_is_published_once() {
        let folder = tempfile::tempdir().unwrap();
        let (aside, path) = (folder.path().join("aside"), folder.path().join("stage"));
        fs::create_dir_all(aside.join("deep")).unwrap();
        fs::write(aside.join("deep/x"), b"x").unwrap();
        publish_dir(&aside, &path).unwrap();
        assert_eq!(names(folder.path()), ["stage"]);
        assert_eq!(fs::read(path.join("deep/x")).unwrap(), b"x");

        fs::create_dir(&aside).unwrap();
        let error = publish_dir(&aside, &path).unwrap_err();
        assert!(matches!(error, RecordError::Exists { .. }), "{error}");
        assert_eq!(names(folder.path()), ["aside", "stage"]);
    }
}
