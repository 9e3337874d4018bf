//! Tensor operations that more than one part of `pycno` needs, each with its formula, shapes and source.
//!
//! Start at [`rope`] for the rotary convention and at [`attention`] for grouped queries.
#![forbid(unsafe_code)]

pub mod attention;
pub mod rope;
