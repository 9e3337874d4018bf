//! Which single weights of a matrix an unstructured pruning removed: one bit per weight.

use std::{collections::BTreeMap, sync::Arc};

use rayon::prelude::*;

use crate::HostTensor;

/// Rows that one task goes over.
const ROWS_PER_TASK: usize = 16;

/// The masks of a checkpoint, by tensor; a tensor without one has all its weights.
pub type Masks = BTreeMap<crate::TensorId, Mask>;

/// A bit per weight of a matrix, 1 where the weight is kept; cloning shares the bits.
///
/// Rows begin with a byte each, the first input in the lowest bit; bits beyond the last input are 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mask {
    shape: [usize; 2],
    bits: Arc<Vec<u8>>,
}

impl Mask {
    /// From whether each weight is kept, row-major.
    ///
    /// # Panics
    ///
    /// If `kept` is not one flag for each weight of that shape.
    pub fn new(shape: [usize; 2], kept: &[bool]) -> Self {
        assert_eq!(shape[0] * shape[1], kept.len(), "shape {shape:?} against flags");
        let byte = |flags: &[bool]| {
            flags.iter().enumerate().fold(0, |byte, (i, kept)| byte | u8::from(*kept) << i)
        };
        let rows = kept.chunks_exact(shape[1].max(1));
        let bits = rows.flat_map(|row| row.chunks(8).map(byte)).collect();
        Self { shape, bits: Arc::new(bits) }
    }

    /// From bits as [`Mask::bits`] gives them; `None` if their number is wrong or one beyond a row's end is 1.
    pub fn from_bits(shape: [usize; 2], bits: Vec<u8>) -> Option<Self> {
        let [rows, columns] = shape;
        let per_row = columns.div_ceil(8);
        // The bits of a row's last byte that stand for no input.
        let spare = !(u8::MAX >> (per_row * 8 - columns));
        let clean = |row: &[u8]| row.last().is_none_or(|last| last & spare == 0);
        let sound = bits.len() == rows * per_row && bits.chunks(per_row.max(1)).all(clean);
        sound.then(|| Self { shape, bits: Arc::new(bits) })
    }

    /// `[d_out, d_in]` of the matrix.
    pub const fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// The bits, `ceil(d_in / 8)` bytes per row.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// Whether the weight at a row-major index is kept.
    ///
    /// # Panics
    ///
    /// If there is no such weight.
    pub fn keeps(&self, index: usize) -> bool {
        let [_, columns] = self.shape;
        let (row, column) = (index / columns, index % columns);
        self.bits[row * columns.div_ceil(8) + column / 8] >> (column % 8) & 1 == 1
    }

    /// Puts a value where nothing is kept; `values` are whole rows from row `first` on.
    pub fn fill_removed<T: Copy + Send + Sync>(&self, first: usize, values: &mut [T], value: T) {
        let rows = values.par_chunks_mut(self.shape[1].max(1)).enumerate();
        rows.with_min_len(ROWS_PER_TASK).for_each(|(row, values)| {
            for (bits, values) in self.row(first + row).iter().zip(values.chunks_mut(8)) {
                let removed = values.iter_mut().enumerate().filter(|(i, _)| bits >> i & 1 == 0);
                removed.for_each(|(_, x)| *x = value);
            }
        });
    }

    /// The bits of a row.
    fn row(&self, row: usize) -> &[u8] {
        let per_row = self.shape[1].div_ceil(8);
        &self.bits[row * per_row..(row + 1) * per_row]
    }

    /// Whether each weight is kept, row-major.
    pub fn kept(&self) -> Vec<bool> {
        let mut kept = vec![true; self.shape[0] * self.shape[1]];
        self.fill_removed(0, &mut kept, false);
        kept
    }

    /// How many weights are kept.
    pub fn count(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// 1 where the weight is kept, else 0, row-major: what gradients are multiplied by.
    pub fn factors(&self) -> Vec<f32> {
        let mut factors = vec![1.0; self.shape[0] * self.shape[1]];
        self.fill_removed(0, &mut factors, 0.0);
        factors
    }

    /// The matrix with 0 in place of what is not kept.
    ///
    /// # Panics
    ///
    /// If the matrix has another shape.
    #[must_use]
    pub fn apply(&self, matrix: &HostTensor) -> HostTensor {
        matrix.masked(self)
    }

    /// The row-major index and value of a weight of the matrix that is not kept and yet not 0, if there is one.
    pub fn violation(&self, matrix: &HostTensor) -> Option<(usize, f32)> {
        let columns = self.shape[1].max(1);
        let mut first = 0;
        matrix.blocks().find_map(|block| {
            let mut rows = block.chunks(columns).enumerate();
            let found = rows.find_map(|(row, weights)| {
                let column = self.violation_in(first + row, weights)?;
                Some(((first + row) * columns + column, weights[column]))
            });
            first += block.len() / columns;
            found
        })
    }

    /// The first column of a row that is not kept and yet not 0.
    fn violation_in(&self, row: usize, weights: &[f32]) -> Option<usize> {
        let bytes = self.row(row).iter().zip(weights.chunks(8)).enumerate();
        let mut wrong = bytes.filter_map(|(byte, (bits, weights))| {
            let gone = |(i, w): (usize, &f32)| *w != 0.0 && bits >> i & 1 == 0;
            let column = weights.iter().enumerate().position(gone)?;
            Some(8 * byte + column)
        });
        wrong.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_packed_by_row_lowest_first() {
        let kept: Vec<bool> = (0..22).map(|i| i % 3 == 0).collect();
        let mask = Mask::new([2, 11], &kept);
        assert_eq!(mask.bits(), [0b0100_1001, 0b010, 0b1001_0010, 0b100]);
        assert_eq!((mask.kept(), mask.count()), (kept, 8));
        assert_eq!(Mask::from_bits([2, 11], mask.bits().to_vec()), Some(mask));
    }

    #[test]
    fn bits_that_cannot_be_are_refused() {
        assert_eq!(Mask::from_bits([1, 3], vec![0b1000]), None, "beyond the row");
        assert_eq!(Mask::from_bits([2, 8], vec![1]), None, "too few");
        assert_eq!(Mask::from_bits([1, 8], vec![1, 1]), None, "too many");
    }

    #[test]
    fn what_is_not_kept_becomes_zero_and_is_found_where_it_is_not() {
        let mask = Mask::new([2, 2], &[true, false, false, true]);
        let matrix = HostTensor::new(vec![2, 2], vec![1.0, 2.0, 3.0, f32::NAN]);
        assert_eq!(mask.violation(&matrix), Some((1, 2.0)));
        let masked = mask.apply(&matrix);
        assert_eq!((&masked.values()[..3], mask.violation(&masked)), (&[1.0, 0.0, 0.0][..], None));
        assert_eq!(mask.factors(), [1.0, 0.0, 0.0, 1.0]);
    }
}
