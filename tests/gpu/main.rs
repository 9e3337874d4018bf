//! A second backend against flex: logits, gradients, steps of training, decoding with a cache.
//!
//! On the first GPU that `wgpu` finds, else on a software one (Mesa's lavapipe). Shapes are small: a
//! backend times its kernels for each new shape, which takes a software GPU minutes for large ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cached;
mod decoder;
mod device;
mod gradients;
mod logits;
mod train;
