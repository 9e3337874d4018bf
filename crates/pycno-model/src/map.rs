//! The one place that maps a file into memory; every reader of large files shares it.

use std::{fs::File, path::Path};

use memmap2::Mmap;

use crate::ModelError;

/// Maps a file for reading.
///
/// # Errors
///
/// [`ModelError::Io`] if the file cannot be opened or mapped.
pub(crate) fn map(path: &Path) -> Result<Mmap, ModelError> {
    let failed = |source| ModelError::Io { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    map_file(&file).map_err(failed)
}

#[expect(unsafe_code, reason = "weights of many gigabytes are read without a second copy")]
fn map_file(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only, and readers copy out of it before they return. A file cut short by
    // another process meanwhile ends this one with a signal; weights are not edited in place.
    unsafe { Mmap::map(file) }
}
