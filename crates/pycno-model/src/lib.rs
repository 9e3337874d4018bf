//! Decoder-only language models: one [`Decoder`] described by a [`ModelSpec`], checkpoints in (Hugging Face
//! folders, GGUF files) and out (Hugging Face folders).
//!
//! A [`Checkpoint`] is a value: a spec and tensors, by [`TensorId`], that stay in their file until they are read. Readers make one, surgery
//! turns one into another, [`Decoder::new`] runs one. Families of models differ by their spec; how each writes its
//! config and names its tensors is known in one file below [`hf`].
//! Start reading at [`spec`], then [`tensors`] and [`decoder`].
#![deny(unsafe_code)]

pub mod checkpoint;
pub mod decoder;
mod dtype;
mod encoding;
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
pub mod tensor;
pub mod tensors;

pub use checkpoint::Checkpoint;
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
pub use tensor::HostTensor;
pub use tensors::{Dim, Part, TensorId, TensorInfo};
