//! Inputs of the benches, made outside the timed loops, and our side of the bench beside other libraries
//! ([`peer`]) and the same work on any device ([`device`]). Recorded runs lie in `benches/runs/`.
#![forbid(unsafe_code)]

pub mod device;
pub mod peer;
mod surface;

pub use surface::noisy_surface;
