//! Inputs of the benches, made outside the timed loops, and our side of the bench beside other libraries
//! ([`peer`]). Recorded runs lie in `benches/runs/`.
#![forbid(unsafe_code)]

pub mod peer;
mod surface;

pub use surface::noisy_surface;
