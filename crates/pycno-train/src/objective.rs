//! What training minimizes.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use pycno_data::Batch;
use pycno_kernels::head::{CHUNK_ROWS, Head, HeadLoss, Targets, cross_entropy_head};

use crate::{Tap, TrainError};

/// What the student made of a batch, up to its head. Tensors are plain: no tape runs.
#[derive(Clone, Debug)]
pub struct StudentOutputs<'a> {
    /// Final hidden states of [`Batch::inputs`], sequence after sequence:
    /// `[batch * (seq - 1), d_model]`.
    pub hidden: Tensor<2>,
    /// What turns them into logits; its weight is `[d_model, vocab]`.
    pub head: Head,
    /// The activations of [`Objective::taps`], one by one, of the same rows: `[batch * (seq - 1), width]`.
    pub taps: Vec<Tensor<2>>,
    /// The tokens; [`Batch::targets`] has one per row of `hidden`, [`Batch::target_weights`] what it counts.
    pub batch: &'a Batch,
}

/// A loss and its gradients; both are means over the rows, by the weights of their targets, which the loop relies on to
/// weigh micro-batches.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Mean over rows, nats.
    pub loss: f64,
    /// As [`StudentOutputs::hidden`].
    pub grad_hidden: Tensor<2>,
    /// By the weight of [`StudentOutputs::head`].
    pub grad_head: Tensor<2>,
    /// As [`StudentOutputs::taps`].
    pub grad_taps: Vec<Tensor<2>>,
    /// Other means over the rows, by name, for the event log.
    pub metrics: BTreeMap<String, f64>,
}

/// A loss on a student's hidden states, and on activations inside it, with its gradients.
pub trait Objective {
    /// Name for records; part of a run's identity, so settings belong into it.
    fn name(&self) -> &str;

    /// Activations it wants to see beside the final hidden states, the same every time.
    fn taps(&self) -> Vec<Tap> {
        Vec::new()
    }

    /// Computes loss and gradients of a batch, deterministically.
    ///
    /// # Errors
    ///
    /// [`TrainError::Objective`] if it cannot.
    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError>;
}

/// Cross-entropy of the next token: training on text, without a teacher.
#[derive(Clone, Copy, Debug)]
pub struct LanguageModel {
    /// Rows of logits alive at a time.
    pub chunk_rows: usize,
}

impl Default for LanguageModel {
    fn default() -> Self {
        Self { chunk_rows: CHUNK_ROWS }
    }
}

impl Objective for LanguageModel {
    fn name(&self) -> &'static str {
        "language-model"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let (ids, weights) = (outputs.batch.targets(), outputs.batch.target_weights());
        let targets = Targets { ids: &ids, weights: weights.as_deref() };
        let found = cross_entropy_head(&outputs.hidden, &outputs.head, targets, self.chunk_rows);
        Ok(found.into())
    }
}

impl From<HeadLoss> for Gradients {
    fn from(found: HeadLoss) -> Self {
        let HeadLoss { loss, grad_hidden, grad_head } = found;
        Self { loss, grad_hidden, grad_head, grad_taps: Vec::new(), metrics: BTreeMap::new() }
    }
}
