//! Texts on their way into a model: tokenizers, corpora, packed sequences, disjoint roles, batches.
//!
//! A [`Corpus`] is read from disk, [`packing::pack`] turns it into sequences of one length, a
//! [`Slice`] of those gets a [`Role`] and a hashed [`Manifest`], and [`disjoint`] refuses roles that
//! share tokens. [`Batches`] hands a shard out in a seeded order, by position, so that resuming is exact.
//!
//! ```
//! use pycno_data::order;
//! use pycno_units::Seed;
//!
//! let mut seen = order(5, Seed(1));
//! assert_ne!(seen, order(5, Seed(2)));
//! seen.sort_unstable();
//! assert_eq!(seen, [0, 1, 2, 3, 4]);
//! ```
//!
//! Start reading at [`packing`], then [`manifest`].
#![forbid(unsafe_code)]

pub mod batch;
pub mod corpus;
mod document;
mod error;
mod guard;
pub mod hash;
pub mod lab;
pub mod manifest;
pub mod packing;
mod specials;
pub mod tokenizer;

pub use batch::{Batch, Batches, order};
pub use corpus::{Corpus, CorpusFile};
pub use error::DataError;
pub use manifest::{FileSpan, Manifest, Role, disjoint};
pub use packing::{Packed, Shard, Slice, pack};
pub use tokenizer::Tokenizer;
