//! The training loop.

use std::{collections::BTreeMap, path::Path};

use burn::{
    module::Module,
    optim::{GradientsAccumulator, GradientsParams},
    tensor::{Device, Tensor},
};
use pycno_data::{Batch, Batches, hash::sha256_hex};
use pycno_kernels::surrogate;
use pycno_model::{Checkpoint, Decoder};
use pycno_record::RecoveryStep;
use pycno_units::{Seed, TokenCount};
use sha2::{Digest, Sha256};

use crate::{
    Gradients, Objective, Schedule, StudentOutputs, TrainConfig, TrainError,
    checkpoint::{self, State},
    optimizer::{Optimizer, Rates, clip_scale, global_norm},
    parameters,
};

/// How a checkpoint of this version stores its matrices; another's is refused.
const LAYOUT: &str = "weights [d_out, d_in]";

/// A student after its recovery.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The student with its new weights.
    pub student: Checkpoint,
    /// One entry a step, those before a restart included.
    pub steps: Vec<RecoveryStep>,
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
    /// What else the objective measured.
    pub metrics: BTreeMap<String, f64>,
}

/// Where and how a run takes place. There is no clock: who wants tokens a second takes the time in
/// `on_step`.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct TrainContext<'a> {
    /// Where to compute.
    pub device: Device,
    /// Decides the order of the sequences.
    pub seed: Seed,
    /// Folder of this run's checkpoints; what is found there is continued.
    pub checkpoint_dir: &'a Path,
    /// Called after every step.
    pub on_step: &'a mut dyn FnMut(&StepEvent),
}

/// Trains a student on packed sequences, in a seeded order, epoch after epoch until the budget of
/// tokens is used up.
///
/// All sequences have one length `seq`; the body reads the first `seq - 1` tokens of each, and every
/// position predicts its next token. Continues from the latest checkpoint in `checkpoint_dir`, bit
/// for bit on the CPU; a finished run returns at once.
///
/// # Errors
///
/// [`TrainError`] if data or settings do not fit, a checkpoint cannot be read or written or belongs to
/// another run, the objective fails, or loss or gradient stop being finite.
pub fn train(
    student: &Checkpoint,
    data: &[Vec<u32>],
    objective: &dyn Objective,
    config: &TrainConfig,
    ctx: TrainContext<'_>,
) -> Result<Recovered, TrainError> {
    let TrainContext { device, seed, checkpoint_dir, on_step } = ctx;
    let mut training = Training::new(student, data, objective, config, (&device, seed))?;
    let hash = run_hash(student, data, (objective.name(), config, seed))?;
    let saved = checkpoint::load(checkpoint_dir, &hash, &training.state.student, &device)?;
    training.state = saved.unwrap_or(training.state);
    let steps = training.run.schedule.steps();
    for step in training.state.steps.len() as u64 + 1..=steps {
        let event;
        (training, event) = training.step()?;
        on_step(&event);
        if step % config.checkpoint_every == 0 || step == steps {
            checkpoint::save(checkpoint_dir, &hash, &training.state)?;
        }
    }
    let State { student: trained, steps, .. } = training.state;
    Ok(Recovered { student: Checkpoint { tensors: trained.tensors(), ..student.clone() }, steps })
}

/// A run in memory, step by step; [`train`] is this with checkpoints.
#[expect(missing_debug_implementations, reason = "holds an objective")]
pub struct Training<'a> {
    run: Run<'a>,
    state: State,
}

impl<'a> Training<'a> {
    /// Puts a student on a device, before its first step; the seed decides the order of the sequences.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if data or settings do not fit, or the student is not a model.
    pub fn new(
        student: &Checkpoint,
        data: &[Vec<u32>],
        objective: &'a dyn Objective,
        config: &'a TrainConfig,
        (device, seed): (&Device, Seed),
    ) -> Result<Self, TrainError> {
        let seq = check_data(data, student.spec.vocab)?;
        let run = Run {
            schedule: config.schedule(seq)?,
            batches: Batches::new(data.to_vec(), config.batch.get(), seed.split("batches"))
                .map_err(|source| TrainError::Batches { source })?,
            tokens_a_step: config.tokens_a_step(seq),
            objective,
            config,
        };
        let student =
            Decoder::new(student, device).map_err(|source| TrainError::Student { source })?;
        Ok(Self {
            run,
            state: State { student, optimizer: Optimizer::default(), steps: Vec::new() },
        })
    }

    /// Takes the next step; one after the last of the schedule has a learning rate of 0.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if the objective fails, or loss or gradient stop being finite; the run is lost then.
    pub fn step(self) -> Result<(Self, StepEvent), TrainError> {
        let step = self.state.steps.len() as u64 + 1;
        let (state, event) = self.run.step(self.state, step)?;
        Ok((Self { run: self.run, state }, event))
    }

    /// The student as it is now.
    pub const fn student(&self) -> &Decoder {
        &self.state.student
    }
}

/// What stays the same from step to step.
struct Run<'a> {
    schedule: Schedule,
    batches: Batches,
    tokens_a_step: u64,
    objective: &'a dyn Objective,
    config: &'a TrainConfig,
}

impl Run<'_> {
    fn step(&self, state: State, step: u64) -> Result<(State, StepEvent), TrainError> {
        let State { student, mut optimizer, mut steps } = state;
        let batch = self.batches.step(step - 1);
        let found = batch_gradients(&student, &batch, self.objective, self.config)?;
        let (gradient_norm, gradients) = global_norm(found.gradients);
        let loss = found.loss;
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::Diverged { step, loss, gradient_norm });
        }
        let learning_rate = self.schedule.at(step);
        let rates = Rates {
            learning_rate,
            weight_decay: self.config.weight_decay,
            gradient_scale: clip_scale(gradient_norm, self.config.clip),
        };
        let student = optimizer.step(student, gradients, rates);
        let tokens = TokenCount(step * self.tokens_a_step);
        steps.push(RecoveryStep { step, tokens, loss, learning_rate, gradient_norm });
        let event = StepEvent {
            step,
            steps: self.schedule.steps(),
            tokens,
            loss,
            learning_rate,
            gradient_norm,
            metrics: found.metrics,
        };
        Ok((State { student, optimizer, steps }, event))
    }
}

/// Loss and gradients of a batch, by parameter path.
pub(crate) struct BatchGradients {
    pub(crate) loss: f64,
    pub(crate) gradients: BTreeMap<String, Tensor<1>>,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Goes through a batch in micro-batches and adds up their shares.
pub(crate) fn batch_gradients(
    student: &Decoder,
    batch: &Batch,
    objective: &dyn Objective,
    config: &TrainConfig,
) -> Result<BatchGradients, TrainError> {
    let mut sum = GradientsAccumulator::new();
    let (mut loss, mut metrics) = (0.0, BTreeMap::new());
    for ids in batch.ids.chunks(config.micro_batch.get()) {
        let share = ids.len() as f64 / batch.ids.len() as f64;
        let part = Batch { ids: ids.to_vec() };
        let (found, gradients) = micro_gradients(student, &part, objective, share)?;
        loss += share * found.loss;
        for (name, value) in found.metrics {
            *metrics.entry(name).or_insert(0.0) += share * value;
        }
        sum.accumulate(student, gradients);
    }
    Ok(BatchGradients { loss, gradients: parameters::gradients(student, sum.grads()), metrics })
}

/// What a micro-batch measured, beside its gradients.
struct Measured {
    loss: f64,
    metrics: BTreeMap<String, f64>,
}

/// One forward and backward pass: the body under autodiff, the head by the objective.
fn micro_gradients(
    student: &Decoder,
    batch: &Batch,
    objective: &dyn Objective,
    share: f64,
) -> Result<(Measured, GradientsParams), TrainError> {
    let head = student.head_weight();
    let device = head.device();
    let tracked = student.clone().train();
    let hidden = tracked.hidden(batch.inputs(&device));
    let [rows, seq, d_model] = hidden.dims();
    let plain = hidden.clone().inner().reshape([rows * seq, d_model]);
    let outputs = StudentOutputs { hidden: plain, head, batch };
    let Gradients { loss, d_hidden, d_head, metrics } = objective.gradients(outputs)?;
    let d_hidden = scaled(d_hidden, share).reshape([rows, seq, d_model]);
    let mut tape = surrogate(hidden, d_hidden).backward();
    let mut gradients = GradientsParams::from_module(&mut tape, &tracked);
    let (id, d_head) = student.head_gradient(scaled(d_head, share));
    // A tied head is the embedding, which has a gradient already.
    let d_head = match gradients.remove::<2>(id) {
        Some(d_embedding) => d_embedding + d_head,
        None => d_head,
    };
    gradients.register(id, d_head);
    Ok((Measured { loss, metrics }, gradients))
}

/// A whole batch needs no pass over its gradients.
fn scaled(x: Tensor<2>, share: f64) -> Tensor<2> {
    if share < 1.0 { x * share } else { x }
}

/// Checks that sequences have one length and known tokens; gives the length.
fn check_data(data: &[Vec<u32>], vocab: usize) -> Result<usize, TrainError> {
    let expected = data.first().map_or(2, Vec::len);
    for (index, sequence) in data.iter().enumerate() {
        let found = sequence.len();
        if found != expected || found < 2 {
            return Err(TrainError::Sequence { expected, index, found });
        }
        if let Some(token) = sequence.iter().copied().find(|token| *token as usize >= vocab) {
            return Err(TrainError::Token { index, token, vocab });
        }
    }
    Ok(expected)
}

/// Names a run by all that decides its outcome: student, text, objective, settings, seed.
fn run_hash(
    student: &Checkpoint,
    data: &[Vec<u32>],
    settings: (&str, &TrainConfig, Seed),
) -> Result<String, TrainError> {
    let mut hash = Sha256::new();
    hash.update(LAYOUT);
    let text = |x: serde_json::Result<String>| {
        x.map_err(|source| TrainError::Io {
            action: "write",
            path: "run hash".into(),
            source: source.into(),
        })
    };
    hash.update(text(serde_json::to_string(&settings))?);
    hash.update(text(serde_json::to_string(&student.spec))?);
    for (name, tensor) in &student.tensors {
        hash.update(name);
        for part in tensor.data().chunks(1 << 12) {
            hash.update(bytes(part.iter().map(|x| x.to_le_bytes())));
        }
    }
    for sequence in data {
        hash.update(bytes(sequence.iter().map(|x| x.to_le_bytes())));
    }
    Ok(sha256_hex(&hash.finalize()))
}

fn bytes(values: impl Iterator<Item = [u8; 4]>) -> Vec<u8> {
    values.flatten().collect()
}

#[cfg(test)]
mod tests;
