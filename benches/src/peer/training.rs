//! Steps of the training loop, on text alone or guided by a teacher.

use std::{
    io::{BufRead, Write},
    num::NonZeroUsize,
    path::Path,
    time::Instant,
};

use anyhow::Context;
use burn::tensor::Device;
use pycno_distill::{Divergence, HeadPair, Temperature};
use pycno_model::{Decoder, hf};
use pycno_train::{
    Gradients, LanguageModel, Objective, Phase, Share, StudentOutputs, TrainConfig, TrainError,
    Training,
};
use pycno_units::{Seed, TokenCount};
use serde_json::json;

use crate::peer::{
    channel::{Channel, Done},
    work::{What, Work},
};

/// Steps that no bench reaches.
const MANY: TokenCount = TokenCount(1 << 40);

/// Takes one step of the training loop whenever asked; the sequences of the batch are the same each time.
///
/// # Errors
///
/// If the inputs are missing, a step fails, and as [`Channel::serve`].
pub fn serve<R: BufRead, W: Write>(
    work: &Work,
    folder: &Path,
    channel: &mut Channel<R, W>,
) -> anyhow::Result<()> {
    let device = Device::flex();
    let model = work.model().with_context(|| format!("{} has no model", work.name))?;
    let student = hf::read(&folder.join(model))?;
    let data = work.ids(folder)?;
    let config = steady(data.len())?;
    let objective = objective(work, folder, &device)?;
    let training = Training::new(&student, &data, &*objective, &config, (&device, Seed(4)))?;
    drop(student);
    // A step takes the run and gives it back; between two calls it lies here.
    let mut place = Some(training);
    channel.serve(work.warm_up, &mut || {
        let training = place.take().context("an earlier step failed")?;
        let start = Instant::now();
        let (training, event) = training.step()?;
        let seconds = start.elapsed().as_secs_f64();
        place = Some(training);
        Ok(Done { seconds, check: json!(event.loss) })
    })
}

/// The loop's defaults with a learning rate that does not change, and the batch in one piece, as the other
/// sides take it.
///
/// # Errors
///
/// For a batch of no sequences.
pub(crate) fn steady(batch: usize) -> anyhow::Result<TrainConfig> {
    let batch = NonZeroUsize::new(batch).context("a batch of no sequences")?;
    let none = Phase::Share(Share::try_from(0.0)?);
    Ok(TrainConfig {
        batch,
        micro_batch: batch,
        warmup: none,
        decay: none,
        ..TrainConfig::new(MANY)
    })
}

fn objective(work: &Work, folder: &Path, device: &Device) -> anyhow::Result<Box<dyn Objective>> {
    let What::KdStep { teacher, .. } = &work.what else {
        return Ok(Box::new(LanguageModel::default()));
    };
    let teacher = Decoder::new(&hf::read(&folder.join(teacher))?, device)?;
    Ok(Box::new(Guided::new(teacher)))
}

/// Forward KL from a live teacher, composed as `pycno-study` does.
pub(crate) struct Guided {
    /// On the student's device.
    teacher: Decoder,
    /// What is minimized.
    divergence: Divergence,
}

impl Guided {
    /// Forward KL at temperature 1.
    pub(crate) fn new(teacher: Decoder) -> Self {
        let temperature = Temperature::default();
        Self { teacher, divergence: Divergence::ForwardKl { temperature } }
    }
}

impl Objective for Guided {
    fn name(&self) -> &'static str {
        "forward-kl"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let hidden = self.teacher.hidden(outputs.batch.inputs(&self.teacher.device()));
        let [rows, seq, d_model] = hidden.dims();
        let pair = HeadPair {
            student_hidden: outputs.hidden,
            student_head: outputs.head,
            teacher_hidden: hidden.reshape([rows * seq, d_model]),
            teacher_head: self.teacher.head(),
            weights: outputs.batch.target_weights(),
        };
        Ok(self.divergence.gradients(&pair).into())
    }
}
