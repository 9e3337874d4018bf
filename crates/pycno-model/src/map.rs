//! The one place that maps a file into memory; every reader of large files shares it.

use std::{
    fs::File,
    ops::{Deref, Range},
    path::Path,
};

use memmap2::Mmap;

use crate::ModelError;

/// A file's bytes, on disk or held.
pub(crate) enum FileBytes {
    /// On disk; the system keeps in memory what is read.
    Mapped(Mmap),
    /// Of a file that is not on disk.
    Held(Vec<u8>),
}

/// Fewer bytes than these stay in memory: most of the pages they lie on hold others too.
const LEAST: usize = 1 << 16;

impl FileBytes {
    /// Lets the system take back the memory of bytes that have been read; they are read from the file again if need be.
    pub(crate) fn release(&self, bytes: Range<usize>) {
        match self {
            Self::Mapped(map) if bytes.len() >= LEAST => release(map, bytes),
            Self::Mapped(_) | Self::Held(_) => {}
        }
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "a model's pages would stay resident until it is dropped")]
fn release(map: &Mmap, bytes: Range<usize>) {
    // SAFETY: the map is a read-only one of a file, so that a page that was let go reads as it did before.
    let released = unsafe {
        map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, bytes.start, bytes.len())
    };
    // A system that refuses keeps the pages, which costs memory and nothing else.
    drop(released);
}

#[cfg(not(unix))]
fn release(_: &Mmap, _: Range<usize>) {}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// Maps a file for reading.
///
/// # Errors
///
/// [`ModelError::Io`] if the file cannot be opened or mapped.
pub(crate) fn map(path: &Path) -> Result<FileBytes, ModelError> {
    let failed = |source| ModelError::Io { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    map_file(&file).map(FileBytes::Mapped).map_err(failed)
}

#[expect(unsafe_code, reason = "weights of many gigabytes are read without a second copy")]
fn map_file(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is read-only, and nothing of this process writes to a file of weights in place. A file that
    // another process cuts short meanwhile ends this one with a signal: ARCHITECTURE.md says so to users.
    unsafe { Mmap::map(file) }
}
