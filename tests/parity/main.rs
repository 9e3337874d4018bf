//! Our forward pass against stock `transformers`, and checkpoints through files and back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cached;
mod divergences;
mod files;
mod fixture;
mod logits;
mod stories;
mod students;
mod training;
