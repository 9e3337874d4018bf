//! What is timed, and how.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use burn::tensor::{Device, Tensor, TensorData};
use pycno_data::batch::ids_tensor;
use pycno_kernels::head::{CHUNK_ROWS, token_losses};
use pycno_model::{Checkpoint, Decoder};
use pycno_study::DeviceName;
use pycno_train::{LanguageModel, TrainConfig, Training};
use pycno_units::{Flops, Seed, TokenCount};

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
    /// Tokens a run; 0 for a product.
    pub tokens: usize,
    /// Floating-point operations a run.
    pub flops: Flops,
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
pub fn measure(name: DeviceName, shape: &Shape, work: Work, repeats: usize) -> anyhow::Result<Row> {
    let device = name.open()?;
    let checkpoint = shape.checkpoint();
    let mut times = match work {
        Work::Product => product(shape, &device, repeats),
        Work::Forward => forward(shape, &checkpoint, &device, repeats)?,
        Work::TrainStep => train_steps(shape, &checkpoint, &device, repeats)?,
        Work::Decode => decode(shape, &checkpoint, &device, repeats)?,
    };
    let first = times.remove(0);
    times.sort_unstable();
    let quickest = *times.first().context("repeats must be above 0")?;
    let slowest = times.last().copied().unwrap_or(quickest);
    let median = times[times.len() / 2];
    let (shape, tokens, flops) = (shape.name, shape.tokens(work), shape.flops(work));
    Ok(Row { device: name, shape, work, tokens, flops, first, median, quickest, slowest })
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
    let d_model = shape.model.d_model;
    let sequences = shape.sequences();
    let inputs: Vec<&[u32]> = sequences.iter().map(|row| &row[..shape.seq]).collect();
    let targets: Vec<u32> = sequences.iter().flat_map(|row| row[1..].iter().copied()).collect();
    let ids = ids_tensor(&inputs, device);
    Ok(timed(repeats, || {
        let hidden = decoder.hidden(ids.clone()).reshape([-1, d_model.cast_signed()]);
        let _forced = token_losses(&hidden, &decoder.head_weight(), &targets, CHUNK_ROWS);
    }))
}

fn train_steps(
    shape: &Shape,
    checkpoint: &Checkpoint,
    device: &Device,
    repeats: usize,
) -> anyhow::Result<Vec<Duration>> {
    let steps = repeats as u64 + 1;
    let config = TrainConfig {
        batch: shape.batch.try_into()?,
        micro_batch: shape.batch.try_into()?,
        ..TrainConfig::new(TokenCount(steps * (shape.batch * shape.seq) as u64))
    };
    let (sequences, objective) = (shape.sequences(), LanguageModel::default());
    let mut training =
        Training::new(checkpoint, &sequences, &objective, &config, (device, Seed(1)))?;
    let mut times = Vec::new();
    for _ in 0..steps {
        let start = Instant::now();
        (training, _) = training.step()?;
        // The update of the weights may still be under way.
        device.sync()?;
        times.push(start.elapsed());
    }
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
            let last = hidden.narrow(1, next.len() - 1, 1).reshape([1, shape.model.d_model]);
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
            let row = measure(DeviceName::FLEX, &Shape::tiny(), work, 3).unwrap();
            assert!(row.quickest <= row.median && row.median <= row.slowest, "{row:?}");
            assert!(row.median > Duration::ZERO && row.flops.0 > 0.0, "{row:?}");
        }
    }

    #[test]
    fn without_repeats_there_is_no_median() {
        assert!(measure(DeviceName::FLEX, &Shape::tiny(), Work::Product, 0).is_err());
    }

    #[test]
    fn a_greedy_pick_is_the_largest_logit() {
        let logits = Tensor::<2>::from_data([[0.5, -1.0, 3.0, 2.0]], &Device::flex());
        assert_eq!(greedy(logits), 2);
    }
}
