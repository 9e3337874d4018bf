//! What a finished stage holds, by hash, so that a file that changed since is not taken for a result.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{
    StudyError,
    files::{read_json, write_json},
};

/// BLAKE3 of every other file of a stage, by its path from the stage's folder.
const CONTENTS: &str = "contents.json";

/// Writes down what a folder holds.
///
/// # Errors
///
/// [`StudyError::Read`] or [`StudyError::Record`] on a failing disk.
pub(crate) fn seal(folder: &Path) -> Result<(), StudyError> {
    let mut contents = BTreeMap::new();
    gather(folder, Path::new(""), &mut contents)?;
    write_json(&folder.join(CONTENTS), &contents)
}

/// Checks that every file is as it was left. Stages of builds that wrote down nothing are believed.
///
/// # Errors
///
/// [`StudyError::Altered`] with the file and what to delete.
pub(crate) fn check(folder: &Path) -> Result<(), StudyError> {
    let path = folder.join(CONTENTS);
    if !path.exists() {
        return Ok(());
    }
    let contents: BTreeMap<String, String> = read_json(&path)?;
    for (name, expected) in contents {
        let path = folder.join(&name);
        if hash(&path).is_ok_and(|found| found == expected) {
            continue;
        }
        return Err(StudyError::Altered { path, stage: folder.to_owned() });
    }
    Ok(())
}

fn gather(
    folder: &Path,
    inner: &Path,
    contents: &mut BTreeMap<String, String>,
) -> Result<(), StudyError> {
    let place = folder.join(inner);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StudyError::Read { path, source }
    };
    for entry in fs::read_dir(&place).map_err(failed(&place))? {
        let inner: PathBuf = inner.join(entry.map_err(failed(&place))?.file_name());
        let path = folder.join(&inner);
        if path.is_dir() {
            gather(folder, &inner, contents)?;
        } else {
            contents
                .insert(inner.to_string_lossy().into_owned(), hash(&path).map_err(failed(&path))?);
        }
    }
    Ok(())
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_or_went_is_named_with_what_to_delete() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("model")).unwrap();
        let file = folder.path().join("model/weights");
        fs::write(&file, b"abc").unwrap();
        check(folder.path()).unwrap();
        seal(folder.path()).unwrap();
        check(folder.path()).unwrap();
        fs::write(folder.path().join("model/note.txt"), b"mine").unwrap();
        check(folder.path()).unwrap();
        for spoil in [|file: &Path| fs::write(file, b"abd"), |file: &Path| fs::remove_file(file)] {
            spoil(&file).unwrap();
            let message = check(folder.path()).unwrap_err().to_string();
            assert!(message.contains("weights") && message.contains("delete"), "{message}");
        }
    }
}
