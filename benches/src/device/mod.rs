//! The same work on any device: a forward pass, a step of training, decoding with a cache, and the matrix
//! product that bounds them.

mod output;
mod setup;
mod shape;
mod work;

pub use output::write;
pub use setup::{DeviceSetup, Setup};
pub use shape::Shape;
pub use work::{Row, Work, measure};
