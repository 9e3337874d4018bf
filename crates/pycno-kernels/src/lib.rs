//! Tensor operations that more than one part of `pycno` needs, each with its formula, shapes and source.
//!
//! Start at [`rope`] for the rotary convention, at [`attention`] for grouped queries and at [`head`] for
//! losses that never build all logits.
#![forbid(unsafe_code)]

pub mod adamw;
pub mod attention;
pub mod head;
mod host;
#[cfg(test)]
mod noise;
pub mod norm;
pub mod rope;
