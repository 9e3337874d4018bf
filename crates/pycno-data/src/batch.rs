//! Batches in a seeded order, addressed by position, so that a resumed run takes up exactly where it stopped.

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_units::Seed;

use crate::DataError;

/// Sequences of one length that go through a model together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Token ids, `[batch][seq]`.
    pub ids: Vec<Vec<u32>>,
    /// What each token counts when it is predicted, `[batch][seq]`: 0 for those of a prompt. `None`: all the same. The
    /// first of a sequence is never predicted.
    pub weights: Option<Vec<Vec<f32>>>,
}

impl Batch {
    /// A batch whose tokens all count the same.
    pub const fn plain(ids: Vec<Vec<u32>>) -> Self {
        Self { ids, weights: None }
    }

    /// What the model reads: every token but the last of each sequence.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, seq - 1]`
    pub fn inputs(&self, device: &Device) -> Tensor<2, Int> {
        let rows: Vec<&[u32]> = self.ids.iter().map(|row| &row[..row.len() - 1]).collect();
        ids_tensor(&rows, device)
    }

    /// What it should say: the next token at each input, row by row, `batch * (seq - 1)` of them.
    pub fn targets(&self) -> Vec<u32> {
        self.ids.iter().flat_map(|row| row[1..].iter().copied()).collect()
    }

    /// What each of [`Self::targets`] counts; `None`: all the same.
    pub fn target_weights(&self) -> Option<Vec<f32>> {
        let weights = self.weights.as_ref()?;
        Some(weights.iter().flat_map(|row| row[1..].iter().copied()).collect())
    }

    /// What all predicted tokens count together: their number, unless there are weights.
    pub fn weight(&self) -> f64 {
        match self.target_weights() {
            Some(weights) => weights.iter().map(|weight| f64::from(*weight)).sum(),
            None => self.ids.iter().map(|row| row.len() - 1).sum::<usize>() as f64,
        }
    }

    /// Batches of at most `rows` of its sequences, in their order.
    pub fn parts(&self, rows: usize) -> impl Iterator<Item = Self> {
        self.ids.chunks(rows).enumerate().map(move |(part, ids)| {
            let own = part * rows..part * rows + ids.len();
            let weights = self.weights.as_ref().map(|weights| weights[own].to_vec());
            Self { ids: ids.to_vec(), weights }
        })
    }

    /// All tokens, as calibration reads them.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, seq]`
    pub fn tensor(&self, device: &Device) -> Tensor<2, Int> {
        let rows: Vec<&[u32]> = self.ids.iter().map(Vec::as_slice).collect();
        ids_tensor(&rows, device)
    }

    /// Tokens in the batch.
    pub fn tokens(&self) -> usize {
        self.ids.iter().map(Vec::len).sum()
    }
}

/// Puts rows of token ids of one length on a device.
///
/// # Shapes
///
/// - output: `[batch, seq]`
///
/// # Panics
///
/// If the rows differ in length.
pub fn ids_tensor(rows: &[&[u32]], device: &Device) -> Tensor<2, Int> {
    let seq = rows.first().map_or(0, |row| row.len());
    assert!(rows.iter().all(|row| row.len() == seq), "rows of one batch differ in length");
    let ids: Vec<i32> = rows.iter().flat_map(|row| row.iter().map(|id| id.cast_signed())).collect();
    Tensor::from_data(TensorData::new(ids, [rows.len(), seq]), device)
}

/// A permutation of `0..n`: indices by the seed's hash of each.
pub fn order(n: usize, seed: Seed) -> Vec<usize> {
    let mut keyed: Vec<(u64, usize)> = (0..n).map(|i| (seed.split(&i.to_string()).0, i)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, i)| i).collect()
}

/// An endless, seeded walk over sequences: every epoch visits each once, in its own order.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    sequences: &'a [Vec<u32>],
    rows: usize,
    seed: Seed,
}

impl<'a> Batches<'a> {
    /// Walks over `sequences`, `rows` of them a batch.
    ///
    /// # Errors
    ///
    /// [`DataError::NoBatches`] if either is none.
    pub const fn new(
        sequences: &'a [Vec<u32>],
        rows: usize,
        seed: Seed,
    ) -> Result<Self, DataError> {
        if sequences.is_empty() || rows == 0 {
            return Err(DataError::NoBatches { sequences: sequences.len(), rows });
        }
        Ok(Self { sequences, rows, seed })
    }

    /// The batch after `position` sequences have been taken; it may run into the next epoch.
    pub fn at(&self, position: u64) -> Batch {
        let n = self.sequences.len() as u64;
        let mut ids = Vec::with_capacity(self.rows);
        let mut order = (u64::MAX, Vec::new());
        for place in position..position + self.rows as u64 {
            if order.0 != place / n {
                order = (place / n, self.epoch(place / n));
            }
            #[expect(clippy::cast_possible_truncation, reason = "less than a length")]
            let i = order.1[(place % n) as usize];
            ids.push(self.sequences[i].clone());
        }
        Batch::plain(ids)
    }

    /// The batch of a step, counted from 0, of a run whose batches are all of this size.
    pub fn step(&self, step: u64) -> Batch {
        self.at(step * self.rows as u64)
    }

    /// Sequences a batch.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    fn epoch(&self, epoch: u64) -> Vec<usize> {
        order(self.sequences.len(), self.seed.split(&format!("epoch {epoch}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequences(n: u32) -> Vec<Vec<u32>> {
        (0..n).map(|i| vec![i, i]).collect()
    }

    fn firsts(batch: &Batch) -> Vec<u32> {
        batch.ids.iter().map(|row| row[0]).collect()
    }

    proptest! {
        #[test]
        fn an_order_is_a_permutation(n in 0_usize..200, seed: u64) {
            let mut order = order(n, Seed(seed));
            order.sort_unstable();
            prop_assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_epoch_visits_each_sequence_once_in_its_own_order() {
        let sequences = sequences(50);
        let batches = Batches::new(&sequences, 10, Seed(3)).unwrap();
        let epoch = |from: u64| -> Vec<u32> {
            (from..from + 5).flat_map(|step| firsts(&batches.step(step))).collect()
        };
        let (mut first, mut second) = (epoch(0), epoch(5));
        assert_ne!(first, second);
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!(first, (0..50).collect::<Vec<_>>());
        assert_eq!(second, first);
    }

    #[test]
    fn a_position_alone_says_what_comes_next() {
        let sequences = sequences(7);
        let batches = |rows| Batches::new(&sequences, rows, Seed(3)).unwrap();
        let walk = firsts(&batches(12).at(0));
        for position in 0..5_u64 {
            let at = usize::try_from(position).unwrap();
            assert_eq!(firsts(&batches(4).at(position)), walk[at..at + 4]);
        }
    }

    #[test]
    fn targets_are_the_inputs_shifted_by_one() {
        let batch = Batch::plain(vec![vec![1, 2, 3], vec![4, 5, 6]]);
        let inputs = batch.inputs(&Device::flex());
        assert_eq!(inputs.dims(), [2, 2]);
        assert_eq!(inputs.into_data().convert::<i32>().try_to_vec::<i32>().unwrap(), [1, 2, 4, 5]);
        assert_eq!(batch.targets(), [2, 3, 5, 6]);
        assert_eq!(batch.tensor(&Device::flex()).dims(), [2, 3]);
        assert_eq!(batch.tokens(), 6);
    }

    #[test]
    fn weights_go_with_their_tokens() {
        let ids = vec![vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]];
        let plain = Batch::plain(ids.clone());
        assert_eq!((plain.target_weights(), plain.weight()), (None, 6.0));
        let weights = vec![vec![9.0, 0.0, 1.0], vec![9.0, 0.5, 2.0], vec![9.0, 0.0, 0.0]];
        let batch = Batch { ids, weights: Some(weights) };
        assert_eq!(batch.target_weights().unwrap(), [0.0, 1.0, 0.5, 2.0, 0.0, 0.0]);
        let parts: Vec<Batch> = batch.parts(2).collect();
        assert_eq!(parts.iter().map(Batch::weight).collect::<Vec<_>>(), [3.5, 0.0]);
        assert_eq!(parts[1].ids, [[7, 8, 9]]);
        assert_eq!(plain.parts(2).map(|part| part.weight()).collect::<Vec<_>>(), [4.0, 2.0]);
    }

    #[test]
    fn batches_of_nothing_are_refused() {
        assert!(Batches::new(&[], 1, Seed(0)).is_err());
        assert!(Batches::new(&[vec![1]], 0, Seed(0)).is_err());
    }
}
