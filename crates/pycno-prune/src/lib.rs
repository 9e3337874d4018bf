//! Structured pruning in four steps, each a value: [`Statistics`] of a dense model, importances, a
//! [`PrunePlan`], and [`slice()`] (or [`mask`]) that applies a plan to a checkpoint. Beside them
//! [`sparsegpt()`], which prunes the single weights of a layer by the [`Gram`] matrix of its inputs.
//!
//! An importance knows no sparsity, a mask knows no method, a plan is data: it can be saved, composed
//! and replayed. For every plan the masked model and the sliced one are the same function.
//!
//! ```
//! use pycno_prune::{PruneConfig, PruneError, Sparsity};
//!
//! let json = r#"{ "method": "block-influence", "keep_layers": 22 }"#;
//! let config: PruneConfig = serde_json::from_str(json).unwrap();
//! assert_eq!(config, PruneConfig::BlockInfluence { keep_layers: 22 });
//!
//! let error = Sparsity::new(1.5).unwrap_err();
//! assert_eq!(error.to_string(), "sparsity must lie in [0, 1), got 1.5");
//! ```
//!
//! Start reading at [`plan()`], then [`block_influence`] for the smallest method.
#![forbid(unsafe_code)]

pub mod block_influence;
mod config;
mod document;
mod error;
mod fingerprint;
#[cfg(test)]
mod fixture;
mod gram;
pub mod importance;
pub mod minitron;
mod observe;
mod plan;
mod rule;
mod sparsegpt;
pub mod statistics;
pub mod surgery;

pub use config::{PruneConfig, Sparsity, Width};
pub use error::PruneError;
pub use fingerprint::fingerprint;
pub use gram::Gram;
pub use importance::Importance;
pub use plan::{LayerPlan, PLAN_FORMAT, PlanStep, PrunePlan, SizeChange, compose};
pub use rule::plan;
pub use sparsegpt::{SparseGptOptions, SparseLayer, SparsityPattern, sparsegpt};
pub use statistics::{LayerStatistics, MeasuredOn, Statistics};
pub use surgery::{mask, slice};
