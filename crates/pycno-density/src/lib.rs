//! The density core: scores in, effective sizes out. No tensors, no files.
#![forbid(unsafe_code)]

pub mod outcome;

pub use outcome::{Comparison, Density, Effective, Interval, Verdict};
