//! What a run leaves behind. The report reads nothing else.
#![forbid(unsafe_code)]

pub mod record;

/// Version of the record format written by this build.
pub const FORMAT: u32 = 1;

pub use record::{
    DataUse, ModelRecord, Provenance, Record, Recovery, RecoveryStep, Role, RulerCurve, RulerUse,
    Sizes, StudyHead, TaskScore, Weighing,
};
