//! Tensor operations that more than one part of `pycno` needs, each with its formula, shapes and source.
//!
//! On the host (Burn's flex backend, `f32`) they are fused: loops over slices on all threads, with a
//! gradient written by hand. Elsewhere, and as the oracle in the tests, the same formulas are composed of
//! Burn's operations. A model need not know which it gets.
//!
//! Start at [`mod@linear`] and [`rms_norm`] for the pattern, then [`attention`], and [`head`] for losses that
//! never build all logits.
#![deny(unsafe_code)]
#![expect(clippy::inline_always, reason = "only loops with all they call inside become vectors")]

pub mod adamw;
pub mod attention;
#[cfg(test)]
mod check;
pub mod composed;
mod extension;
pub mod gated;
pub mod head;
mod host;
pub mod linear;
mod matmul;
pub mod memory;
#[cfg(test)]
mod noise;
pub mod norm;
pub mod rms_norm;
pub mod rope;
mod simd;
mod surrogate;
mod tile;

pub use attention::KvCache;
pub use host::fusable;
pub use simd::vector_extension;
pub use surrogate::surrogate;
