//! Disjoint tiles of a matrix, each to be written by one thread.

use std::marker::PhantomData;

/// A matrix somewhere in a buffer that only its holder may touch; rows lie `stride` floats apart.
#[derive(Debug)]
pub(crate) struct TileMut<'a> {
    start: *mut f32,
    rows: usize,
    cols: usize,
    stride: usize,
    buffer: PhantomData<&'a mut f32>,
}

#[expect(unsafe_code, reason = "a tile is an exclusive reference in all but type")]
// SAFETY: tiles are made by splitting an exclusive borrow into disjoint parts, so a tile may be
// used by another thread as `&mut [f32]` may.
unsafe impl Send for TileMut<'_> {}

impl<'a> TileMut<'a> {
    /// All of a buffer, rows one after another.
    ///
    /// # Panics
    ///
    /// If the buffer has another length.
    pub(crate) fn dense(values: &'a mut [f32], [rows, cols]: [usize; 2]) -> Self {
        assert_eq!(values.len(), rows * cols, "a buffer of that many rows and columns");
        Self { start: values.as_mut_ptr(), rows, cols, stride: cols, buffer: PhantomData }
    }

    /// A new buffer that `write` must write in full, without reading it.
    ///
    /// Saves filling it with zeros first. Only [`crate::matmul`] calls this, with a product that
    /// replaces every value.
    #[expect(unsafe_code, reason = "memory that is about to be written needs no zeros")]
    pub(crate) fn filled([rows, cols]: [usize; 2], write: impl FnOnce(TileMut<'_>)) -> Vec<f32> {
        let mut values: Vec<f32> = Vec::with_capacity(rows * cols);
        let start = values.as_mut_ptr();
        write(TileMut { start, rows, cols, stride: cols, buffer: PhantomData });
        // SAFETY: the capacity is `rows * cols`, and `write` has written as many.
        unsafe { values.set_len(rows * cols) };
        values
    }

    /// Rows and columns.
    pub(crate) const fn dims(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// Floats between the starts of two rows.
    pub(crate) const fn stride(&self) -> usize {
        self.stride
    }

    /// The first element.
    pub(crate) const fn as_mut_ptr(&mut self) -> *mut f32 {
        self.start
    }

    /// One row.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline(always)]
    #[expect(unsafe_code, reason = "rows of a strided matrix are slices of its buffer")]
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        // SAFETY: the row lies inside the buffer that this tile alone may touch, and the result
        // borrows the tile.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(i * self.stride), self.cols) }
    }

    /// The same matrix, for as long as the borrow lasts.
    pub(crate) const fn reborrow(&mut self) -> TileMut<'_> {
        TileMut { buffer: PhantomData, ..*self }
    }

    /// Rows `start .. start + rows`, for as long as the borrow lasts.
    pub(crate) fn rows(&mut self, start: usize, rows: usize) -> TileMut<'_> {
        self.part([start, 0], [rows, self.cols])
    }

    /// The matrix in tiles of at most that size, each with the place of its first element, row by row.
    pub(crate) fn tiles(mut self, rows: usize, cols: usize) -> Vec<([usize; 2], Self)> {
        let [all_rows, all_cols] = self.dims();
        let mut tiles = Vec::new();
        for row in (0..all_rows).step_by(rows) {
            for col in (0..all_cols).step_by(cols) {
                let extents = [rows.min(all_rows - row), cols.min(all_cols - col)];
                let TileMut { start, rows, cols, stride, .. } = self.part([row, col], extents);
                let tile = TileMut { start, rows, cols, stride, buffer: PhantomData };
                tiles.push(([row, col], tile));
            }
        }
        tiles
    }

    /// The matrix in columns of the given widths, left to right.
    ///
    /// # Panics
    ///
    /// If it is narrower than their sum.
    pub(crate) fn columns(mut self, widths: impl IntoIterator<Item = usize>) -> Vec<Self> {
        let mut from = 0;
        let mut cut = |cols: usize| {
            let TileMut { start, rows, cols, stride, .. } = self.part([0, from], [self.rows, cols]);
            from += cols;
            TileMut { start, rows, cols, stride, buffer: PhantomData }
        };
        widths.into_iter().map(&mut cut).collect()
    }

    /// Whether rows and columns from a place on all belong to the matrix.
    const fn holds(&self, [row, col]: [usize; 2], [rows, cols]: [usize; 2]) -> bool {
        row + rows <= self.rows && col + cols <= self.cols
    }

    /// Some rows and columns from a place on, for as long as the borrow lasts.
    #[expect(unsafe_code, reason = "a part starts somewhere in the buffer")]
    pub(crate) fn part(&mut self, [row, col]: [usize; 2], [rows, cols]: [usize; 2]) -> TileMut<'_> {
        assert!(self.holds([row, col], [rows, cols]), "a part inside the matrix");
        if rows == 0 || cols == 0 {
            return TileMut {
                start: self.start,
                rows,
                cols,
                stride: self.stride,
                buffer: PhantomData,
            };
        }
        // SAFETY: the part's first element is one of the matrix.
        let start = unsafe { self.start.add(row * self.stride + col) };
        TileMut { start, rows, cols, stride: self.stride, buffer: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_matrix_once() {
        let mut values = vec![0.0; 5 * 7];
        let tiles = TileMut::dense(&mut values, [5, 7]).tiles(2, 3);
        assert_eq!(tiles.len(), 9);
        for ([row, col], mut tile) in tiles {
            let [rows, cols] = tile.dims();
            for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
                tile.row_mut(i)[j] += ((row + i) * 7 + col + j) as f32;
            }
        }
        let expect: Vec<f32> = (0..35).map(|i| i as f32).collect();
        assert_eq!(values, expect);
    }

    #[test]
    fn columns_lie_side_by_side() {
        let mut values = vec![0.0; 2 * 6];
        let columns = TileMut::dense(&mut values, [2, 6]).columns([1, 3, 2]);
        for (i, mut column) in columns.into_iter().enumerate() {
            column.row_mut(1).fill(i as f32 + 1.0);
        }
        assert_eq!(values[6..], [1.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
        assert_eq!(values[..6], [0.0; 6]);
    }

    #[test]
    fn a_matrix_holds_no_part_beyond_it() {
        let mut values = vec![0.0; 6];
        let matrix = TileMut::dense(&mut values, [2, 3]);
        assert!(matrix.holds([0, 0], [2, 3]) && matrix.holds([1, 2], [1, 1]));
        assert!(!matrix.holds([1, 0], [2, 3]) && !matrix.holds([0, 1], [2, 3]));
    }
}
