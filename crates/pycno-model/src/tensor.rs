//! A tensor of a checkpoint: values on the host, or where they lie in a file, or a change to another tensor. What is
//! not held is made where it is read, by rows, so that a model and its students take little more memory than
//! its file.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use rayon::prelude::*;

use crate::{
    Mask,
    encoding::{Encoding, dequantize, dequantize_into},
    map::FileBytes,
};

/// Values of a block of rows: 4 MiB, in `f32`.
const BLOCK: usize = 1 << 20;

/// A tensor on the host, row-major, read as `f32`; cloning shares the data.
#[derive(Clone)]
pub struct HostTensor {
    shape: Vec<usize>,
    source: Source,
}

/// Where values come from. Vectors are always held.
#[derive(Clone)]
enum Source {
    Held(Arc<Vec<f32>>),
    /// Whole rows in a file, as the file has them.
    Stored(Arc<FileBytes>, Range<usize>, Encoding),
    Changed(Arc<(HostTensor, Change)>),
}

/// What a reader of another matrix sees of it.
enum Change {
    /// These rows, in this order.
    Rows(Vec<usize>),
    /// These columns, in this order.
    Columns(Vec<usize>),
    /// Zeros where the mask keeps nothing.
    Masked(Mask),
}

impl HostTensor {
    /// Joins shape and data.
    ///
    /// # Panics
    ///
    /// If their sizes differ.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} against data");
        Self { shape, source: Source::Held(Arc::new(data)) }
    }

    /// Values that lie in a range of a file; rows are whole blocks of the encoding.
    ///
    /// # Panics
    ///
    /// If they are not as many as the shape says; readers have checked that.
    pub(crate) fn stored(
        shape: Vec<usize>,
        (file, range): (&Arc<FileBytes>, Range<usize>),
        encoding: Encoding,
    ) -> Self {
        if shape.len() < 2 {
            return Self::new(shape, dequantize(encoding, &file[range]));
        }
        let row: usize = shape[1..].iter().product();
        let whole = row.is_multiple_of(encoding.block_len())
            && range.len() == shape[0] * row / encoding.block_len() * encoding.block_bytes();
        assert!(whole && file.get(range.clone()).is_some(), "shape {shape:?} against {range:?}");
        Self { shape, source: Source::Stored(Arc::clone(file), range, encoding) }
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many values there are.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }

    /// All values, row-major; those that are not held are made for the caller.
    pub fn values(&self) -> Cow<'_, [f32]> {
        self.rows(0..self.n_rows())
    }

    /// The values of some rows; a row of a vector is an entry.
    ///
    /// # Panics
    ///
    /// If there are no such rows.
    pub fn rows(&self, rows: Range<usize>) -> Cow<'_, [f32]> {
        let values = rows.start * self.row_len()..rows.end * self.row_len();
        if let Some(borrowed) = self.borrowed(values.clone()) {
            return Cow::Borrowed(borrowed);
        }
        let mut found = vec![0.0; values.len()];
        self.fill(rows, &mut found);
        Cow::Owned(found)
    }

    /// All values in runs of whole rows, front to back; a run is 4 MiB or a row.
    pub fn blocks(&self) -> impl Iterator<Item = Cow<'_, [f32]>> {
        let (n, at_once) = (self.n_rows(), (BLOCK / self.row_len().max(1)).max(1));
        (0..n).step_by(at_once).map(move |row| self.rows(row..(row + at_once).min(n)))
    }

    /// Some rows of this tensor, in the order given; a row of a vector is an entry.
    ///
    /// # Panics
    ///
    /// If there is no such row (of a matrix, when it is read).
    #[must_use]
    pub fn with_rows(&self, rows: Vec<usize>) -> Self {
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        if self.shape.len() < 2 {
            let values = self.values();
            return Self::new(shape, rows.into_iter().map(|row| values[row]).collect());
        }
        self.changed(shape, Change::Rows(rows))
    }

    /// Some columns of this matrix, in the order given.
    ///
    /// # Panics
    ///
    /// If this is no matrix, or, when it is read, if there is no such column.
    #[must_use]
    pub fn with_columns(&self, columns: Vec<usize>) -> Self {
        assert_eq!(self.shape.len(), 2, "columns of a matrix");
        self.changed(vec![self.shape[0], columns.len()], Change::Columns(columns))
    }

    /// This matrix with 0 in place of what a mask does not keep.
    ///
    /// # Panics
    ///
    /// If the mask has another shape.
    #[must_use]
    pub fn masked(&self, mask: &Mask) -> Self {
        assert_eq!(self.shape, mask.shape(), "a mask of the matrix");
        self.changed(self.shape.clone(), Change::Masked(mask.clone()))
    }

    fn changed(&self, shape: Vec<usize>, change: Change) -> Self {
        Self { shape, source: Source::Changed(Arc::new((self.clone(), change))) }
    }

    fn n_rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Values that are somewhere in memory as `f32` already.
    fn borrowed(&self, values: Range<usize>) -> Option<&[f32]> {
        match &self.source {
            Source::Held(held) => Some(&held[values]),
            Source::Stored(file, range, Encoding::F32) if cfg!(target_endian = "little") => {
                let of_file: &[f32] = bytemuck::try_cast_slice(&file[range.clone()]).ok()?;
                Some(&of_file[values])
            }
            Source::Stored(..) | Source::Changed(_) => None,
        }
    }

    /// Writes the values of some rows.
    fn fill(&self, rows: Range<usize>, out: &mut [f32]) {
        let len = self.row_len();
        match &self.source {
            Source::Held(held) => out.copy_from_slice(&held[rows.start * len..rows.end * len]),
            Source::Stored(file, range, encoding) => {
                let row_bytes = len / encoding.block_len() * encoding.block_bytes();
                let bytes =
                    range.start + rows.start * row_bytes..range.start + rows.end * row_bytes;
                dequantize_into(*encoding, &file[bytes.clone()], out);
                file.release(bytes);
            }
            Source::Changed(changed) => {
                let (of, change) = &**changed;
                change.fill(of, rows, out);
            }
        }
    }
}

impl Change {
    fn fill(&self, of: &HostTensor, rows: Range<usize>, out: &mut [f32]) {
        match self {
            Self::Rows(order) => {
                let tasks = out.par_chunks_mut(of.row_len().max(1)).zip(&order[rows]);
                tasks.for_each(|(out, row)| of.fill(*row..row + 1, out));
            }
            Self::Columns(order) => {
                let tasks = out.par_chunks_mut(order.len().max(1)).zip(rows);
                tasks.for_each(|(out, row)| {
                    let whole = of.rows(row..row + 1);
                    out.iter_mut().zip(order).for_each(|(x, column)| *x = whole[*column]);
                });
            }
            Self::Masked(mask) => {
                let first = rows.start;
                of.fill(rows, out);
                mask.fill_removed(first, out, 0.0);
            }
        }
    }
}

impl PartialEq for HostTensor {
    /// Whether shapes and values are equal, wherever those come from.
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.blocks().zip(other.blocks()).all(|(a, b)| a == b)
    }
}

impl fmt::Debug for HostTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.rows(0..self.n_rows().min(1));
        let first = &first[..first.len().min(8)];
        f.debug_struct("HostTensor")
            .field("shape", &self.shape)
            .field("first", &first)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;
    use proptest::prelude::*;

    use super::*;

    /// A matrix held, and the same one in a file of each plain type, behind some other bytes.
    fn sources(shape: [usize; 2]) -> Vec<HostTensor> {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| (i as f32 - 3.0) / 4.0).collect();
        let held = HostTensor::new(shape.to_vec(), values.clone());
        let stored = |encoding: Encoding, bytes: Vec<u8>, before: usize| {
            let range = before..before + bytes.len();
            let file = Arc::new(FileBytes::Held([vec![7; before], bytes].concat()));
            HostTensor::stored(shape.to_vec(), (&file, range), encoding)
        };
        let wide: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let narrow = values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
        // At odd places nothing can be borrowed.
        let (aligned, odd) =
            (stored(Encoding::F32, wide.clone(), 16), stored(Encoding::F32, wide, 3));
        vec![held, aligned, odd, stored(Encoding::BF16, narrow, 5)]
    }

    proptest! {
        #[test]
        fn a_change_is_read_as_it_would_be_made(
            shape in prop::array::uniform2(1_usize..7),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
            from in 0_usize..9,
        ) {
            let [rows, columns] = shape;
            let order: Vec<usize> = picks.iter().map(|pick| pick.index(rows)).collect();
            let across: Vec<usize> = picks.iter().map(|pick| pick.index(columns)).collect();
            let kept: Vec<bool> = (0..rows * columns).map(|i| i % 3 != 1).collect();
            let mask = Mask::new(shape, &kept);
            for tensor in sources(shape) {
                let masked = tensor.masked(&mask);
                let changed = masked.with_rows(order.clone()).with_columns(across.clone());
                let whole = tensor.values();
                let value = |i: usize| if kept[i] { whole[i] } else { 0.0 };
                let expected: Vec<f32> = order
                    .iter()
                    .flat_map(|row| across.iter().map(move |column| row * columns + column))
                    .map(value)
                    .collect();
                prop_assert_eq!(changed.shape(), [order.len(), across.len()]);
                prop_assert_eq!(&*changed.values(), &expected[..]);
                prop_assert_eq!(changed.blocks().collect::<Vec<_>>().concat(), &expected[..]);
                let from = from % order.len();
                prop_assert_eq!(&*changed.rows(from..order.len()), &expected[from * across.len()..]);
                prop_assert_eq!(mask.violation(&masked), None);
                prop_assert!(masked.with_rows((0..rows).collect()) == masked);
            }
        }
    }

    #[test]
    fn blocks_are_whole_rows_front_to_back() {
        let shape = [BLOCK / 1000 + 2, 1000];
        for tensor in sources(shape) {
            let lengths: Vec<usize> = tensor.blocks().map(|block| block.len()).collect();
            assert_eq!(lengths, [BLOCK / 1000 * 1000, 2000]);
        }
    }

    #[test]
    fn vectors_are_taken_by_entry_and_tensors_compare_by_value() {
        let vector = HostTensor::new(vec![3], vec![1.0, 2.0, 3.0]);
        assert_eq!(*vector.with_rows(vec![2, 0]).values(), [3.0, 1.0]);
        assert_eq!(*vector.rows(1..2), [2.0]);
        let [held, file, ..] = &sources([2, 2])[..] else { unreachable!() };
        assert_eq!(held, file);
        assert_ne!(*held, HostTensor::new(vec![4], held.values().to_vec()));
        assert_ne!(*held, held.with_rows(vec![1, 0]));
        assert!(format!("{held:?}").contains("[2, 2]"));
    }
}
