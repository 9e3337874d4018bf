//! What is timed, and how.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use burn::tensor::{Device, Tensor, TensorData};
use pycno_data::batch::ids_tensor;
use pycno_kernels::head::{CHUNK_ROWS, token_losses};
use pycno_model::{Checkpoint, Decoder};
use pycno_study::DeviceName;
use pycno_train::{LanguageModel, TrainConfig, TrainContext, train};
use pycno_units::{Seed, TokenCount};

use super::Shape;

/// What is timed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// A product of square matrices: the ceiling of the others.
    Product,
    /// Hidden states and the log-likelihood of every next token, back on the host.
    Forward,
    /// Forward, backward, clipping, AdamW.
    TrainStep,
    /// The prompt at once, then token by token with a cache, each picked on the host.
    Decode,
}

/// One line of the result.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// On what.
    pub device: DeviceName,
    /// Of what model.
    pub shape: &'static str,
    /// What.
    pub work: Work,
    /// Tokens a run; of a product, the side of its matrices.
    pub tokens: usize,
    /// Multiplications and additions a run.
    pub flops: f64,
    /// The first run: kernels are compiled and tuned in it.
    pub first: Duration,
    /// Median of the others.
    pub median: Duration,
    /// Quickest of the others.
    pub quickest: Duration,
    /// Slowest of the others.
    pub slowest: Duration,
}

impl Work {
    /// All of them, the ceiling first.
    pub const ALL: [Self; 4] = [Self::Product, Self::Forward, Self::TrainStep, Self::Decode];

    /// Name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Product => "matrix product",
            Self::Forward => "forward",
            Self::TrainStep => "train step",
            Self::Decode => "cached decode",
        }
    }
}

/// Times some work: a first run and `repeats` more.
///
/// # Errors
///
/// If the device does not open, or the model or the training refuses.
pub fn measure(name: DeviceName, shape: Shape, work: Work, repeats: usize) -> anyhow::Result<Row> {
    let device = name.open()?;
    let checkpoint = shape.checkpoint();
    let (tokens, flops) = size(&shape, work);
    let mut times = match work {
        Work::Product => product(&shape, &device, repeats),
        Work::Forward => forward(&shape, &checkpoint, &device, repeats)?,
        Work::TrainStep => train_steps(&shape, &checkpoint, device, repeats)?,
        Work::Decode => decode(&shape, &checkpoint, &device, repeats)?,
    };
    let first = times.remove(0);
    times.sort_unstable();
    let quickest = *times.first().context("repeats must be above 0")?;
    let slowest = times.last().copied().unwrap_or(quickest);
    let median = times[times.len() / 2];
    Ok(Row { device: name, shape: shape.name, work, tokens, flops, first, median, quickest, slowest })
}

/// Tokens and operations of a run.
fn size(shape: &Shape, work: Work) -> (usize, f64) {
    let batch = shape.flops(shape.batch, shape.seq);
    match work {
        Work::Product => (shape.square, 2.0 * (shape.square as f64).powi(3)),
        Work::Forward => (shape.batch * shape.seq, batch),
        // A gradient by the inputs and one by the weights.
        Work::TrainStep => (shape.batch * shape.seq, 3.0 * batch),
        Work::Decode => (shape.prompt, shape.flops(1, 2 * shape.prompt)),
    }
}

/// Times of `1 + repeats` runs, each with its result forced.
fn timed(repeats: usize, mut run: impl FnMut()) -> Vec<Duration> {
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..=repeats).map(once).collect()
}

fn product(shape: &Shape, device: &Device, repeats: usize) -> Vec<Duration> {
    let n = shape.square;
    let values: Vec<f32> = (0..n * n).map(|i| (i % 17) as f32 - 8.0).collect();
    let x = Tensor::<2>::from_data(TensorData::new(values, [n, n]), device);
    timed(repeats, || {
        // One value alone comes back, so that the way to the host is not what is timed.
        let _forced = x.clone().matmul(x.clone()).narrow(0, 0, 1).narrow(1, 0, 1).into_data();
    })
}

fn forward(
    shape: &Shape,
    checkpoint: &Checkpoint,
    device: &Device,
    repeats: usize,
) -> anyhow::Result<Vec<Duration>> {
    let decoder = Decoder::new(checkpoint, device)?;
    let sequences = shape.sequences();
    let inputs: Vec<&[u32]> = sequences.iter().map(|row| &row[..shape.seq]).collect();
    let targets: Vec<u32> = sequences.iter().flat_map(|row| row[1..].iter().copied()).collect();
    let ids = ids_tensor(&inputs, device);
    Ok(timed(repeats, || {
        let hidden = decoder.hidden(ids.clone()).reshape([-1, shape.d_model.cast_signed()]);
        let _forced = token_losses(&hidden, &decoder.head_weight(), &targets, CHUNK_ROWS);
    }))
}

/// Times between the ends of steps. The loop reads loss and norm of every step on the host, so a step
/// cannot run ahead of the clock by more than its update.
fn train_steps(
    shape: &Shape,
    checkpoint: &Checkpoint,
    device: Device,
    repeats: usize,
) -> anyhow::Result<Vec<Duration>> {
    let folder = tempfile::tempdir()?;
    let steps = repeats as u64 + 1;
    let config = TrainConfig {
        batch: shape.batch.try_into()?,
        micro_batch: shape.batch.try_into()?,
        // Nothing is saved before the last step is timed.
        checkpoint_every: steps.try_into()?,
        ..TrainConfig::new(TokenCount(steps * (shape.batch * shape.seq) as u64))
    };
    let (mut times, mut last) = (Vec::new(), Instant::now());
    let mut on_step = |_: &_| {
        times.push(last.elapsed());
        last = Instant::now();
    };
    let context = TrainContext {
        device,
        seed: Seed(1),
        checkpoint_dir: folder.path(),
        on_step: &mut on_step,
    };
    train(checkpoint, &shape.sequences(), &LanguageModel::default(), &config, context)?;
    Ok(times)
}

fn decode(
    shape: &Shape,
    checkpoint: &Checkpoint,
    device: &Device,
    repeats: usize,
) -> anyhow::Result<Vec<Duration>> {
    let decoder = Decoder::new(checkpoint, device)?;
    let prompt = shape.sequences().remove(0)[..shape.prompt].to_vec();
    Ok(timed(repeats, || {
        let mut cache = decoder.cache();
        let mut next = prompt.clone();
        for _ in 0..shape.prompt {
            let hidden = decoder.step(ids_tensor(&[&next], device), &mut cache);
            let last = hidden.narrow(1, next.len() - 1, 1).reshape([1, shape.d_model]);
            next = vec![greedy(decoder.logits(last))];
        }
    }))
}

/// The likeliest token, picked on the host as a caller of any sampler would.
fn greedy(logits: Tensor<2>) -> u32 {
    let best = logits.argmax(1).into_data().iter::<u32>().next();
    best.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_runs_once_on_the_cpu() {
        for work in Work::ALL {
            let row = measure(DeviceName::FLEX, Shape::SMALL, work, 3).unwrap();
            assert!(row.quickest <= row.median && row.median <= row.slowest, "{row:?}");
            assert!(row.median > Duration::ZERO && row.tokens > 0 && row.flops > 0.0, "{row:?}");
        }
    }

    #[test]
    fn without_repeats_there_is_no_median() {
        assert!(measure(DeviceName::FLEX, Shape::SMALL, Work::Product, 0).is_err());
    }

    #[test]
    fn a_greedy_pick_is_the_largest_logit() {
        let logits = Tensor::<2>::from_data([[0.5, -1.0, 3.0, 2.0]], &Device::flex());
        assert_eq!(greedy(logits), 2);
    }
}
