//! A run in memory: what stays the same, what a step changes.

use burn::tensor::Device;
use pycno_data::Batch;
use pycno_model::{Checkpoint, Decoder};
use pycno_record::TrainingStep;
use pycno_units::{Seed, TokenCount};

use super::{StepEvent, TrainedStudent, gradients::batch_gradients, guard};
use crate::{
    BatchRequest, BatchSource, Objective, Schedule, TrainConfig, TrainError,
    checkpoint::State,
    masks::GradientMasks,
    optimizer::{Optimizer, Rates, clip_scale, global_norm},
    source::check_batch,
};

/// A run in memory, step by step; [`train`](super::train) is this with checkpoints.
#[expect(missing_debug_implementations, reason = "holds an objective")]
pub struct Training<'a> {
    run: Run<'a>,
    pub(super) state: State,
}

impl<'a> Training<'a> {
    /// Puts a student on a device, before its first step; the seed decides what the source draws.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if batches, taps or settings do not fit, or the student is not a model.
    pub fn new(
        student: &Checkpoint,
        source: &'a dyn BatchSource,
        objective: &'a dyn Objective,
        config: &TrainConfig,
        (device, seed): (&Device, Seed),
    ) -> Result<Self, TrainError> {
        let seq = source.sequence_len(&student.spec)?;
        objective.taps().into_iter().try_for_each(|tap| tap.check(&student.spec))?;
        let decoder =
            Decoder::new(student, device).map_err(|source| TrainError::Student { source })?;
        let run = Run {
            schedule: config.schedule(seq)?,
            source,
            seed: seed.split("batches"),
            seq,
            objective,
            config: config.clone(),
            masks: GradientMasks::new(student, &decoder, device),
        };
        let state = State { student: decoder, optimizer: Optimizer::default(), steps: Vec::new() };
        Ok(Self { run, state })
    }

    /// Takes the next step; one after the last of the schedule has a learning rate of 0.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if the objective fails, loss or gradient stop being finite, or too many losses in a
    /// row are spikes; the run is lost then.
    pub fn step(self) -> Result<(Self, StepEvent), TrainError> {
        let step = self.taken() + 1;
        let (state, event) = self.run.step(self.state, step)?;
        Ok((Self { run: self.run, state }, event))
    }

    /// The student as it is now.
    pub const fn student(&self) -> &Decoder {
        &self.state.student
    }

    /// Steps taken.
    pub fn taken(&self) -> u64 {
        self.state.steps.len() as u64
    }

    /// Steps of the whole run.
    pub const fn steps(&self) -> u64 {
        self.run.schedule.steps()
    }

    pub(super) const fn schedule(&self) -> Schedule {
        self.run.schedule
    }

    /// The same run without its decay.
    pub(super) fn without_decay(self) -> Self {
        let schedule = self.run.schedule.without_decay();
        Self { run: Run { schedule, ..self.run }, ..self }
    }

    /// A run of another budget that goes on from here.
    pub(super) fn branch(&self, tokens: TokenCount) -> Result<Self, TrainError> {
        let config = TrainConfig { tokens, ..self.run.config.clone() };
        let schedule = config.schedule(self.run.seq)?;
        let masks = self.run.masks.clone();
        let run = Run { schedule, config, masks, ..self.run };
        Ok(Self { run, state: self.state.clone() })
    }

    /// What became of the student.
    pub(super) fn trained(self, student: &Checkpoint) -> TrainedStudent {
        let State { student: trained, steps, .. } = self.state;
        TrainedStudent {
            student: Checkpoint { tensors: trained.tensors(), ..student.clone() },
            steps,
        }
    }
}

/// What stays the same from step to step.
struct Run<'a> {
    schedule: Schedule,
    source: &'a dyn BatchSource,
    /// The source's.
    seed: Seed,
    seq: usize,
    objective: &'a dyn Objective,
    config: TrainConfig,
    masks: GradientMasks,
}

impl Run<'_> {
    /// The batch of a step, counted from 1.
    fn batch(&self, step: u64, student: &Decoder) -> Result<Batch, TrainError> {
        let (rows, seed) = (self.config.batch.get(), self.seed);
        let batch = self.source.batch(&BatchRequest { step: step - 1, rows, seed, student })?;
        check_batch(&batch, step, (self.seq, student.spec().vocab))?;
        Ok(batch)
    }

    fn step(&self, state: State, step: u64) -> Result<(State, StepEvent), TrainError> {
        let State { mut student, mut optimizer, mut steps } = state;
        let batch = self.batch(step, &student)?;
        let found = batch_gradients(&student, &batch, self.objective, &self.config)?;
        let (gradient_norm, gradients) = global_norm(self.masks.apply(found.gradients));
        let loss = found.loss;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::Diverged { step, loss, gradient_norm });
        }
        let learning_rate = self.schedule.at(step);
        let skipped = guard::is_spike(loss, &steps, self.config.spike)?;
        if !skipped {
            let rates = Rates {
                learning_rate,
                weight_decay: self.config.weight_decay,
                gradient_scale: clip_scale(gradient_norm, self.config.clip),
            };
            student = optimizer.step(student, gradients, rates);
        }
        let tokens = TokenCount(step * self.config.tokens_a_step(self.seq));
        steps.push(TrainingStep { step, tokens, loss, learning_rate, gradient_norm, skipped });
        let event = StepEvent {
            step,
            steps: self.schedule.steps(),
            tokens,
            loss,
            learning_rate,
            gradient_norm,
            skipped,
            metrics: found.metrics,
        };
        Ok((State { student, optimizer, steps }, event))
    }
}
