//! The works of `--bench device`, on any device: what one repetition does ([`Inputs`], [`ready`]), what a run
//! was made with ([`Setup`]), and the summary of criterion's estimates ([`Summary`]).

mod estimate;
mod setup;
mod shape;
mod summary;
mod work;

pub use estimate::Estimate;
pub use setup::{DeviceSetup, Setup, run_name};
pub use shape::Shape;
pub use summary::{Row, Summary};
pub use work::{Inputs, Repetition, Work, ready, time};
