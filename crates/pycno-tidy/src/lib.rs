//! The rules about the tree that a compiler does not hold, as functions from a text to its breaches.
//!
//! A rule is pure: it takes a [`TextFile`] and says what is wrong in it, so each is tested on a planted
//! breach. `tests/` runs them over the working tree. Start at [`tree`], then [`layers`].
//!
//! ```
//! use pycno_tidy::{TextFile, words};
//!
//! let file = TextFile::new("crates/x/src/lib.rs", "let n_heads = 4;\n");
//! assert!(words::breaches(&file).is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod adapters;
pub mod ascii;
mod breach;
pub mod code;
pub mod difference;
pub mod experiment;
pub mod facade;
pub mod head;
pub mod layers;
pub mod length;
pub mod manifest;
pub mod origin;
pub mod safety;
pub mod shortcuts;
pub mod tree;
pub mod types;
pub mod words;

pub use breach::Breach;
pub use tree::TextFile;
