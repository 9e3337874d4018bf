//! The same work on any device: a forward pass, a step of training, decoding with a cache, and the matrix
//! product that bounds them.

mod llama;
mod output;
mod setup;
mod work;

pub use llama::Shape;
pub use output::write;
pub use setup::{DeviceSetup, Setup};
pub use work::{Row, Work, measure};
