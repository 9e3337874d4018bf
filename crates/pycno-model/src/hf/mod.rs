//! Hugging Face folders: `config.json`, `model.safetensors` (or shards with an index), tokenizer files.

pub mod config;
#[cfg(test)]
mod fixture;
mod header;
mod keys;
pub(crate) mod read;
mod write;

pub use read::{from_files, read};
pub use write::{SaveDtype, write};
