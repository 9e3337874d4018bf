//! What one repetition of a work does, and how repetitions are timed.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use burn::tensor::{Device, Tensor, TensorData};
use pycno_data::{Batch, batch::ids_tensor};
use pycno_kernels::head::{CHUNK_ROWS, token_losses};
use pycno_model::{Checkpoint, Decoder};
use pycno_prune::{MeasuredOn, Statistics};
use pycno_train::{LanguageModel, Objective, Training};
use pycno_units::Seed;

use super::Shape;
use crate::peer::training::{Guided, steady};

/// What is timed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// A product of square matrices: the ceiling of the others.
    Product,
    /// Hidden states of every token; they stay on the device.
    Forward,
    /// The log-likelihood of every next token, back on the host.
    LogLikelihood,
    /// Forward, backward, clipping, AdamW.
    TrainStep,
    /// The same on forward KL from a teacher of the same shape, which runs in the step.
    DistillStep,
    /// The prompt at once, then token by token with a cache, each picked on the host.
    Decode,
    /// One batch of calibration for pruning, its sums back on the host.
    Statistics,
}

impl Work {
    /// All of them, the ceiling first.
    pub const ALL: [Self; 7] = [
        Self::Product,
        Self::Forward,
        Self::LogLikelihood,
        Self::TrainStep,
        Self::DistillStep,
        Self::Decode,
        Self::Statistics,
    ];

    /// Name in criterion's ids and in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Forward => "forward",
            Self::LogLikelihood => "log-likelihood",
            Self::TrainStep => "train-step",
            Self::DistillStep => "distill-step",
            Self::Decode => "decode",
            Self::Statistics => "statistics",
        }
    }
}

/// One repetition of a work. When it returns, the device may still be computing.
pub type Repetition<'a> = Box<dyn FnMut() -> anyhow::Result<()> + 'a>;

/// What the works of a shape read, on one device.
#[expect(missing_debug_implementations, reason = "holds objectives")]
pub struct Inputs {
    shape: Shape,
    device: Device,
    student: Checkpoint,
    sequences: Vec<Vec<u32>>,
    text: LanguageModel,
    guided: Guided,
}

impl Inputs {
    /// Makes random models and sequences, the same for every device.
    ///
    /// # Errors
    ///
    /// If the device refuses the teacher.
    pub fn new(shape: Shape, device: Device) -> anyhow::Result<Self> {
        let [student, teacher] = shape.checkpoints();
        let teacher = Decoder::new(&teacher, &device)?;
        let guided = Guided::new(teacher);
        let (sequences, text) = (shape.sequences(), LanguageModel::default());
        Ok(Self { shape, device, student, sequences, text, guided })
    }

    /// The model and how much it is given to do.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What computes.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    fn batch(&self) -> Batch {
        Batch::plain(self.sequences.clone())
    }
}

/// Makes a work ready: weights and tokens go to the device, nothing is computed yet.
///
/// # Errors
///
/// If the device refuses the model, or the training its settings.
pub fn ready(work: Work, inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    Ok(match work {
        Work::Product => product(inputs),
        Work::Forward => forward(inputs)?,
        Work::LogLikelihood => log_likelihood(inputs)?,
        Work::TrainStep => steps(inputs, &inputs.text)?,
        Work::DistillStep => steps(inputs, &inputs.guided)?,
        Work::Decode => decode(inputs)?,
        Work::Statistics => statistics(inputs)?,
    })
}

/// The time of `repetitions` in a row, from an idle device to an idle device.
///
/// # Errors
///
/// If a repetition fails or the device does not answer.
pub fn time(
    device: &Device,
    repetitions: u64,
    repeat: &mut Repetition<'_>,
) -> anyhow::Result<Duration> {
    device.sync()?;
    let start = Instant::now();
    for _ in 0..repetitions {
        repeat()?;
    }
    device.sync()?;
    Ok(start.elapsed())
}

fn product(inputs: &Inputs) -> Repetition<'_> {
    let n = inputs.shape.square;
    let values: Vec<f32> = (0..n * n).map(|i| (i % 17) as f32 - 8.0).collect();
    let x = Tensor::<2>::from_data(TensorData::new(values, [n, n]), &inputs.device);
    Box::new(move || {
        drop(x.clone().matmul(x.clone()));
        Ok(())
    })
}

fn forward(inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    let decoder = Decoder::new(&inputs.student, &inputs.device)?;
    let ids = inputs.batch().inputs(&inputs.device);
    Ok(Box::new(move || {
        drop(decoder.hidden(ids.clone()));
        Ok(())
    }))
}

fn log_likelihood(inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    let decoder = Decoder::new(&inputs.student, &inputs.device)?;
    let d_model = inputs.shape.model.d_model.cast_signed();
    let (ids, targets) = (inputs.batch().inputs(&inputs.device), inputs.batch().targets());
    Ok(Box::new(move || {
        let hidden = decoder.hidden(ids.clone()).reshape([-1, d_model]);
        token_losses(&hidden, &decoder.head(), &targets, CHUNK_ROWS);
        Ok(())
    }))
}

fn steps<'a>(inputs: &'a Inputs, objective: &'a dyn Objective) -> anyhow::Result<Repetition<'a>> {
    let config = steady(inputs.shape.batch)?;
    let (student, sequences) = (&inputs.student, &inputs.sequences);
    let context = (&inputs.device, Seed(1));
    // A step takes the run and gives it back; between two of them it lies here.
    let mut place = Some(Training::new(student, sequences, objective, &config, context)?);
    Ok(Box::new(move || {
        let training = place.take().context("an earlier step failed")?;
        place = Some(training.step()?.0);
        Ok(())
    }))
}

fn decode(inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    let Inputs { shape, device, .. } = inputs;
    let decoder = Decoder::new(&inputs.student, device)?;
    let sequence = inputs.sequences.first().context("a shape with sequences")?;
    let prompt = sequence[..shape.prompt].to_vec();
    Ok(Box::new(move || {
        let mut cache = decoder.cache();
        let mut next = prompt.clone();
        for _ in 0..shape.prompt {
            let hidden = decoder.step(ids_tensor(&[&next], device), &mut cache);
            let last = hidden.narrow(1, next.len() - 1, 1).reshape([1, shape.model.d_model]);
            next = vec![greedy(decoder.logits(last))?];
        }
        Ok(())
    }))
}

/// The likeliest token, picked on the host as a caller of any sampler would.
fn greedy(logits: Tensor<2>) -> anyhow::Result<u32> {
    logits.argmax(1).into_data().iter::<u32>().next().context("a row of logits")
}

fn statistics(inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    let decoder = Decoder::new(&inputs.student, &inputs.device)?;
    let ids = inputs.batch().inputs(&inputs.device);
    let of = |what: &str| format!("bench {what}");
    let provenance = MeasuredOn { checkpoint: of("checkpoint"), calibration: of("calibration") };
    let mut sums = Statistics::new(decoder.spec(), provenance);
    Ok(Box::new(move || Ok(sums.observe(&decoder, ids.clone())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_repeats_itself_on_the_cpu() {
        let device = Device::flex();
        let inputs = Inputs::new(Shape::tiny(), device.clone()).unwrap();
        for work in Work::ALL {
            let mut repeat = ready(work, &inputs).unwrap();
            let [one, two] = [1, 2].map(|n| time(&device, n, &mut repeat).unwrap());
            assert!(one > Duration::ZERO && two > Duration::ZERO, "{work:?}");
        }
    }

    #[test]
    fn a_greedy_pick_is_the_largest_logit() {
        let logits = Tensor::<2>::from_data([[0.5, -1.0, 3.0, 2.0]], &Device::flex());
        assert_eq!(greedy(logits).unwrap(), 2);
    }
}
