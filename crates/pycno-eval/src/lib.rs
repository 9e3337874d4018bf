//! Scores a decoder on tasks: the same numbers as lm-evaluation-harness, whatever the batch size.
//!
//! A [`Task`] is data (a TOML file that says where the items are and how a prompt is made of them),
//! [`items::load`] reads its items, [`evaluate`] asks the model for the log-likelihood of every answer
//! and keeps a journal, so that a killed run goes on where it was, and [`TaskOutcome`] holds the
//! result of every item beside the means.
//!
//! ```
//! let task = pycno_eval::task::builtin("arc_easy")?;
//! assert_eq!(task.chance, Some(25.0));
//! assert!(pycno_eval::task::builtin("arc_hard").is_err());
//! # Ok::<(), pycno_eval::EvalError>(())
//! ```
//!
//! Start reading at [`run`], then [`request`] for the rules of encoding.
#![forbid(unsafe_code)]

mod batch;
mod error;
#[cfg(test)]
mod fixture;
pub mod items;
mod journal;
pub mod metrics;
pub mod request;
pub mod run;
pub mod score;
pub mod task;
mod tree;

pub use error::EvalError;
pub use items::{Item, Selection, TaskIdentity, TaskItems};
pub use metrics::{ItemResult, TaskOutcome, task_score};
pub use run::{EvalOptions, Journal, Progress, VERSION, evaluate};
pub use task::{Metric, Task, TaskKind};
