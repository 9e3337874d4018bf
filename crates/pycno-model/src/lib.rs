//! Decoder-only language models: one [`Decoder`] described by a [`ModelSpec`], checkpoints in (Hugging Face
//! folders, GGUF files) and out (Hugging Face folders).
//!
//! A [`Checkpoint`] is a value: a spec and `f32` tensors on the host, by [`TensorId`]. Readers make one, surgery
//! turns one into another, [`Decoder::new`] runs one. Families of models differ by their spec; how each writes its
//! config and names its tensors is known in one file below [`hf`].
//! Start reading at [`spec`], then [`tensors`] and [`decoder`].
#![deny(unsafe_code)]

pub mod checkpoint;
pub mod decoder;
mod dtype;
mod error;
mod files;
pub mod gguf;
pub mod hf;
mod init;
mod layer;
mod map;
mod masks;
pub mod source;
pub mod spec;
pub mod tensors;

pub use checkpoint::{Checkpoint, HostTensor};
pub use decoder::{Cache, Decoder};
pub use dtype::ComputeDtype;
pub use error::ModelError;
pub use init::initial;
pub use layer::{Observer, Site};
pub use masks::{Mask, Masks};
pub use pycno_kernels::{gated::Activation, vector_extension};
pub use spec::{
    AttentionSpec, FfnSpec, LayerSpec, Llama3Scaling, ModelSpec, NormPlacement, NormSpec,
    ParamCounts, RopeScaling, RopeSpec,
};
pub use tensors::{Dim, Part, TensorId, TensorInfo};
