//! Language models of the llama family: one [`Decoder`] described by a [`ModelSpec`], checkpoints in
//! (Hugging Face folders, GGUF files) and out (Hugging Face folders).
//!
//! A [`Checkpoint`] is a value: a spec and named `f32` tensors on the host, in Hugging Face's names and
//! layout. Readers make one, surgery turns one into another, [`Decoder::new`] runs one.
//! Start reading at [`spec`], then [`decoder`].
#![deny(unsafe_code)]

pub mod checkpoint;
pub mod decoder;
mod dtype;
mod error;
pub mod gguf;
pub mod hf;
mod init;
mod layer;
mod map;
pub mod names;
pub mod source;
pub mod spec;

pub use checkpoint::{Checkpoint, HostTensor};
pub use decoder::{Cache, Decoder};
pub use dtype::ComputeDtype;
pub use error::ModelError;
pub use init::initial;
pub use layer::{Observer, Site};
pub use pycno_kernels::vector_extension;
pub use spec::{LayerSpec, Llama3Scaling, ModelSpec, ParamCounts, RopeSpec};
