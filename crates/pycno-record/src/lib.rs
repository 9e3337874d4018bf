//! What a run leaves behind: the record the report reads, and the events by step.
//!
//! A record is one JSON file, written whole or not at all, and equal records are equal bytes:
//!
//! ```no_run
//! # fn main() -> Result<(), pycno_record::RecordError> {
//! # let path = std::path::Path::new("runs/quickstart/record.json");
//! let record = pycno_record::read(path)?;
//! pycno_record::write(&record, path)?;
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`Record`]. Events ([`Event`]) hold what changes from run to run, times above
//! all; they are never part of a record.
#![forbid(unsafe_code)]

pub mod atomic;
mod error;
mod events;
mod finite;
pub mod record;
mod steps;
mod store;

/// Version of the record format written by this build.
///
/// Version 1 is the first. A reader takes every version up to its own; a later one is refused with
/// [`RecordError::Format`], which names the version needed. Adding, renaming or dropping a field
/// raises it, from the first release on.
pub const FORMAT: u32 = 1;

pub use error::RecordError;
pub use events::{Event, EventLog, read_events};
pub use record::{
    DataUse, ModelRecord, ModelRole, ModelSizes, Provenance, Record, RulerCurve, RulerUse,
    StudyHead, TaskScore, TrainingCurve, TrainingStep, Weighing,
};
pub use steps::{ModelStep, Named, Remains};
pub use store::{read, write};
