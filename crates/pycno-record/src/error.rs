//! What can go wrong with a record, an event log or a published folder.

use std::{io, path::PathBuf};

/// Why a record or an event log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// Not a record: not JSON, cut short, an unknown key, a missing one or a value out of range.
    #[error("{} is not a pycno record", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// A record of a format this build does not know.
    #[error(
        "{} has record format {found}, expected 1 to {known}: reading it needs a pycno of format \
         {found}", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format, which is the one a reader needs.
        found: u64,
        /// The newest format this build reads.
        known: u32,
    },
    /// A number that JSON cannot hold.
    #[error("expected a finite number at `{at}`, got {value}")]
    NotFinite {
        /// Its place, such as `models[1].training.steps[7].loss`.
        at: String,
        /// The number.
        value: f64,
    },
    /// A value that has no JSON form.
    #[error("could not turn a value into JSON")]
    Serialize {
        /// What it says.
        source: serde_json::Error,
    },
    /// A line of an event log, other than a torn last one, that is no event.
    #[error("{} line {line} is not an event", path.display())]
    Event {
        /// The log.
        path: PathBuf,
        /// Its line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A folder was to be published where something already is.
    #[error("expected nothing at {}, found a file or folder", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
}

impl RecordError {
    /// Adds action and path to an [`io::Error`].
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
