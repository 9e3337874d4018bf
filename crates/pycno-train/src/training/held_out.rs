//! The loss on text that is not trained on.

use pycno_data::Batch;
use pycno_kernels::head::{CHUNK_ROWS, Targets, cross_entropy_head};
use pycno_model::Decoder;

use crate::{TrainError, source::check_sequences};

/// Sequences of a forward pass.
const ROWS: usize = 16;

/// Text to watch a run by.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut<'a> {
    /// Sequences, of one length each.
    pub sequences: &'a [Vec<u32>],
    /// Steps between two looks; the last step is always one.
    pub every: u64,
}

impl HeldOut<'_> {
    pub(super) const fn is_due(&self, step: u64, last: u64) -> bool {
        step == last || (self.every > 0 && step.is_multiple_of(self.every))
    }
}

/// Mean negative log-likelihood of the next token over all sequences, nats.
///
/// # Errors
///
/// [`TrainError`] for sequences of several lengths, or tokens the model does not know.
pub fn held_out_loss(model: &Decoder, sequences: &[Vec<u32>]) -> Result<f64, TrainError> {
    let head = model.head();
    check_sequences(sequences, head.vocab())?;
    let mut sum = 0.0;
    for rows in sequences.chunks(ROWS) {
        let batch = Batch::plain(rows.to_vec());
        let hidden = model.hidden(batch.inputs(&head.device()));
        let [rows, seq, d_model] = hidden.dims();
        let hidden = hidden.reshape([rows * seq, d_model]);
        let targets = batch.targets();
        let found = cross_entropy_head(&hidden, &head, Targets::plain(&targets), CHUNK_ROWS);
        sum += found.loss * (rows * seq) as f64;
    }
    let predicted: usize = sequences.iter().map(|sequence| sequence.len() - 1).sum();
    Ok(sum / predicted.max(1) as f64)
}
