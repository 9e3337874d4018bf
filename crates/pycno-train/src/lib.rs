//! Training, from scratch or after pruning: a student, a [`BatchSource`] and an [`Objective`] in, a trained student out;
//! the loop does not know what it minimizes.
//!
//! The body runs under autodiff, the head does not: the objective sees plain hidden states, and the activations
//! inside that it asks for, and returns their gradients and the head's, so that logits never exist all at once. A run that is killed and
//! started again ends with the same bits.
//!
//! Start reading at [`train`], then [`objective`].
#![forbid(unsafe_code)]

mod checkpoint;
mod config;
mod error;
mod masks;
pub mod objective;
mod optimizer;
mod parameters;
pub mod schedule;
pub mod source;
mod tap;
mod training;

/// Version of the training loop; raised whenever a change of it moves a trained model's bits or the files a stage
/// leaves.
pub const VERSION: u32 = 1;

pub use config::{LearningRate, NormLimit, Phase, Share, SpikeLimit, TrainConfig, WeightDecay};
pub use error::TrainError;
pub use objective::{Gradients, LanguageModel, Objective, StudentOutputs};
pub use schedule::Schedule;
pub use source::{BatchRequest, BatchSource};
pub use tap::Tap;
pub use training::{
    HeldOut, StepEvent, TrainContext, TrainedStudent, Training, held_out_loss, train,
    train_branches,
};
