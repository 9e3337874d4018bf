//! Where the batches of a run come from.

use pycno_data::{Batch, Batches, DataError};
use pycno_model::{Decoder, ModelSpec};
use pycno_units::Seed;

use crate::TrainError;

/// What a run asks a source of batches for.
#[derive(Clone, Copy, Debug)]
pub struct BatchRequest<'a> {
    /// The step, counted from 0.
    pub step: u64,
    /// Sequences wanted.
    pub rows: usize,
    /// Decides whatever is drawn; the same at every step.
    pub seed: Seed,
    /// The student before the step, so that it may be trained on what it says itself.
    pub student: &'a Decoder,
}

/// A source of batches. What it gives is a function of the request alone, so that a run that was killed goes on with
/// the same bits.
pub trait BatchSource {
    /// Checks before the first step that the batches will fit a student, and gives the tokens of their sequences,
    /// by which the schedule counts.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if they do not fit.
    fn sequence_len(&self, student: &ModelSpec) -> Result<usize, TrainError>;

    /// Hands the bytes of all that decides the batches beside the request to `add`: a checkpoint is continued on the
    /// same batches only.
    fn identify(&self, add: &mut dyn FnMut(&[u8]));

    /// The batch of a step.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if there is none.
    fn batch(&self, request: &BatchRequest<'_>) -> Result<Batch, TrainError>;
}

/// Packed text is a source as it is: sequences of one length, epoch after epoch, in an order of each epoch's own
/// ([`Batches`]).
impl BatchSource for Vec<Vec<u32>> {
    fn sequence_len(&self, student: &ModelSpec) -> Result<usize, TrainError> {
        if self.is_empty() {
            return Err(TrainError::Batches {
                source: DataError::NoBatches { sequences: 0, rows: 1 },
            });
        }
        check_sequences(self, student.vocab)
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        for sequence in self {
            add(&sequence.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
        }
    }

    fn batch(&self, request: &BatchRequest<'_>) -> Result<Batch, TrainError> {
        let BatchRequest { step, rows, seed, .. } = *request;
        let batches = Batches::new(self, rows, seed);
        Ok(batches.map_err(|source| TrainError::Batches { source })?.step(step))
    }
}

/// Checks that sequences have one length and known tokens; gives the length.
pub(crate) fn check_sequences(sequences: &[Vec<u32>], vocab: usize) -> Result<usize, TrainError> {
    let expected = sequences.first().map_or(2, Vec::len);
    for (index, sequence) in sequences.iter().enumerate() {
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

/// Checks what a source gave for a step, counted from 1: sequences of `seq` known tokens, with weights that count
/// something.
pub(crate) fn check_batch(
    batch: &Batch,
    step: u64,
    (seq, vocab): (usize, usize),
) -> Result<(), TrainError> {
    let found = check_sequences(&batch.ids, vocab)?;
    if found != seq {
        return Err(TrainError::Sequence { expected: seq, index: 0, found });
    }
    let refused = |found| Err(TrainError::TokenWeights { step, found });
    let Some(weights) = &batch.weights else { return Ok(()) };
    if weights.len() != batch.ids.len() || weights.iter().any(|row| row.len() != seq) {
        return refused("weights of another shape");
    }
    if weights.iter().flatten().any(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return refused("a weight that is negative or no number");
    }
    if batch.weight() <= 0.0 { refused("no token that counts") } else { Ok(()) }
}
