//! Inputs of the benches, made outside the timed loops. Recorded runs lie in `benches/runs/`.
#![forbid(unsafe_code)]

mod surface;

pub use surface::noisy_surface;
