//! The training loop.

mod branch;
mod gradients;
mod guard;
mod held_out;
mod identity;
mod run;

use std::{collections::BTreeMap, path::Path};

use burn::tensor::Device;
use pycno_model::Checkpoint;
use pycno_record::TrainingStep;
use pycno_units::{Seed, TokenCount};

use crate::{BatchSource, Objective, TrainConfig, TrainError, checkpoint};

use self::identity::run_hash;
pub use self::{
    branch::train_branches,
    held_out::{HeldOut, held_out_loss},
    run::Training,
};

/// A student after its training, from scratch or after pruning.
#[derive(Clone, Debug)]
pub struct TrainedStudent {
    /// The student with its new weights.
    pub student: Checkpoint,
    /// One entry a step, those before a restart included.
    pub steps: Vec<TrainingStep>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEvent {
    /// Step, counted from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Tokens up to and including this step.
    pub tokens: TokenCount,
    /// The objective's value before the step.
    pub loss: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// Whether the loss was a spike, so that nothing was learned from the batch.
    pub skipped: bool,
    /// What else was measured: by the objective, and `held_out_loss` where it was due.
    pub metrics: BTreeMap<String, f64>,
}

/// Where and how a run takes place. There is no clock: who wants tokens per second takes the time in
/// `on_step`.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct TrainContext<'a> {
    /// Where to compute.
    pub device: Device,
    /// Decides what the source of batches draws: of packed text the order of its sequences.
    pub seed: Seed,
    /// Folder of this run's checkpoints; what is found there is continued.
    pub checkpoint_dir: &'a Path,
    /// Text to watch the run by; absent: none.
    pub held_out: Option<HeldOut<'a>>,
    /// Called after every step.
    pub on_step: &'a mut dyn FnMut(&StepEvent),
}

/// Trains a student on batch after batch of a source, until the budget of tokens is used up.
///
/// All sequences have one length `seq`; the body reads the first `seq - 1` tokens of each, and every
/// position predicts its next token. Continues from the latest checkpoint in `checkpoint_dir`, bit
/// for bit on the CPU; a finished run returns at once.
///
/// # Errors
///
/// [`TrainError`] if batches, taps or settings do not fit, a checkpoint cannot be read or written or belongs to
/// another run, the objective fails, loss or gradient stop being finite, or losses spike in a row.
pub fn train(
    student: &Checkpoint,
    source: &dyn BatchSource,
    objective: &dyn Objective,
    config: &TrainConfig,
    ctx: TrainContext<'_>,
) -> Result<TrainedStudent, TrainError> {
    let TrainContext { device, seed, checkpoint_dir: folder, held_out, on_step } = ctx;
    let training = Training::new(student, source, objective, config, (&device, seed))?;
    let hash = run_hash(student, source, (objective.name(), config, seed))?;
    let mut segment =
        Segment { folder, hash, every: config.checkpoint_every.get(), held_out, on_step };
    let training = segment.resumed(training, &device)?;
    let steps = training.steps();
    Ok(segment.advance(training, steps)?.trained(student))
}

/// A part of a run, from checkpoint to checkpoint.
struct Segment<'a, 'b> {
    folder: &'b Path,
    hash: String,
    every: u64,
    held_out: Option<HeldOut<'a>>,
    on_step: &'b mut dyn FnMut(&StepEvent),
}

impl Segment<'_, '_> {
    /// Takes up the latest checkpoint, if there is one.
    fn resumed<'t>(
        &self,
        mut training: Training<'t>,
        device: &Device,
    ) -> Result<Training<'t>, TrainError> {
        let saved = checkpoint::load(self.folder, &self.hash, training.student(), device)?;
        if let Some(saved) = saved {
            training.state = saved;
        }
        Ok(training)
    }

    /// Takes steps up to the given one, which leaves a checkpoint.
    fn advance<'t>(
        &mut self,
        mut training: Training<'t>,
        to: u64,
    ) -> Result<Training<'t>, TrainError> {
        for step in training.taken() + 1..=to {
            let mut event;
            (training, event) = training.step()?;
            if let Some(held_out) = self.held_out.filter(|held_out| held_out.is_due(step, to)) {
                let loss = held_out_loss(training.student(), held_out.sequences)?;
                event.metrics.insert("held_out_loss".to_owned(), loss);
            }
            (self.on_step)(&event);
            if step % self.every == 0 || step == to {
                checkpoint::save(self.folder, &self.hash, &training.state)?;
            }
        }
        Ok(training)
    }
}

#[cfg(test)]
mod tests;
