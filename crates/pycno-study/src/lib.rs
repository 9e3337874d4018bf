//! Studies: a question in a TOML file, answered by a teacher, a tree of students and a ruler.
//!
//! [`run()`] is the whole pipeline in one function: teacher, texts, students, scores, record. Every
//! stage is a function of its [`StageKey`], and a finished one is never computed again, by this study or by another
//! with the same [`Store`]; so a killed run goes on where it was and ends in the same bytes.
//!
//! ```
//! use std::path::Path;
//!
//! let error = pycno_study::parse("[study]\nname = \"x\"\n", Path::new("study.toml"));
//! assert_eq!(error.unwrap_err().to_string(), "study.toml is not a study");
//! ```
//!
//! Start reading at [`run()`], then `students` for how a student is made.
#![forbid(unsafe_code)]

mod beside;
mod check;
pub mod config;
mod contents;
mod device;
mod earlier;
mod environment;
mod error;
pub mod family;
mod files;
pub mod memory;
mod model;
mod overrides;
mod plan;
mod provenance;
mod pruning;
mod record;
mod resolve;
mod run;
mod run_folder;
mod scores;
pub mod shipped;
pub mod single;
mod stage;
mod stage_key;
mod statistics;
mod steps;
mod store;
mod students;
mod texts;
mod training;
mod watcher;
mod weigh;

pub use config::{StudyConfig, StudyFile, parse};
pub use device::{Computes, DeviceClass, DeviceName, FoundDevice, backends, devices};
pub use environment::Environment;
pub use error::StudyError;
pub use family::{FamilyFile, Trained, train_family};
pub use overrides::settings;
pub use plan::{PlannedModel, plan};
pub use provenance::{BURN, commit};
pub use run::{RunContext, run};
pub use run_folder::RunFolder;
pub use single::{EvalRequest, PruneRequest};
pub use stage_key::{Numerics, StageKey, StageKind};
pub use store::{Claim, Claimed, Store};
pub use watcher::{Silent, Watcher};
