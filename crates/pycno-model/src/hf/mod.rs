//! Hugging Face folders of several [`FAMILIES`]: `config.json`, `model.safetensors` (or shards with an index), tokenizer files.

pub mod config;
mod family;
#[cfg(test)]
mod fixture;
mod header;
mod keys;
mod known;
mod masks;
pub(crate) mod read;
mod stream;
mod write;

pub(crate) use family::llama_name;
pub use family::{FAMILIES, ModelFamily};
pub use read::{from_files, read};
pub use write::{SaveDtype, write};
