//! Pruning: one entry, [`prune()`], and four words that say what it does: structure, criterion, allocation, update
//! ([`PruneConfig`]).
//!
//! A criterion rates parts or single weights from the checkpoint and what a [`Calibration`] measured of it
//! ([`Statistics`]). Whole parts leave by a [`PrunePlan`], which [`slice()`] applies; single weights become zero and the
//! student's masks say which. An importance knows no sparsity, a plan is data: it can be saved, composed and replayed.
//! For every plan the masked model and the sliced one are the same function. Beside them stands [`sparsegpt()`], which
//! prunes the single weights of one layer by the [`Gram`] matrix of its inputs.
//!
//! ```
//! use pycno_prune::PruneConfig;
//!
//! let config: PruneConfig =
//!     toml::from_str(r#"criterion = "minitron"
//!                       structure = { ffn = 1024, kv_groups = 2 }"#).unwrap();
//! assert_eq!(config.to_string(), "minitron (kv-groups keep 2, ffn keep 1024)");
//!
//! let error = toml::from_str::<PruneConfig>(r#"criterion = "magnitude"
//!                                              structure = "layers"
//!                                              keep = 3"#).unwrap_err();
//! let message = "structure of criterion magnitude must be one of weights, keep:of, got layers";
//! assert!(error.to_string().contains(message));
//! ```
//!
//! Start reading at [`prune()`], then [`criterion`] and its smallest file, `magnitude`.
#![forbid(unsafe_code)]

mod axis;
mod config;
pub mod criterion;
mod document;
mod error;
mod fingerprint;
#[cfg(test)]
mod fixture;
mod gram;
pub mod importance;
mod observe;
mod once;
mod plan;
mod prune;
mod select;
mod sparsegpt;
pub mod statistics;
mod structure;
pub mod surgery;
mod weights;

pub use axis::Axis;
pub use config::{Allocation, PruneConfig, Update};
pub use criterion::{BlockInfluence, Criterion, Magnitude, Method, Minitron, Needs, Random};
pub use error::PruneError;
pub use fingerprint::fingerprint;
pub use gram::Gram;
pub use importance::Importance;
pub use plan::{LayerPlan, PLAN_FORMAT, PlanStep, PrunePlan, SizeChange, compose};
pub use prune::{Calibration, Pruned, Uncalibrated, prune, replay};
pub use sparsegpt::{SparseGptOptions, SparseLayer, SparsityPattern, sparsegpt};
pub use statistics::{LayerStatistics, MeasuredOn, Statistics};
pub use structure::{Amount, Pattern, Sparsity, Structure, StructureKind};
pub use surgery::{mask, slice};
