//! Products of strided matrices in host memory, on all threads.
//!
//! The `gemm` crate multiplies; this file cuts the output into tiles of fixed size and gives each to one
//! thread. Bits therefore do not depend on the number of threads, and on two threads it is faster than the
//! crate's own parallel form (DESIGN.md has the numbers).

use burn::backend::flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{simd::dot_with, tile::TileMut};

/// A tile for right factors that fit the cache, of many rows: they are packed for each tile.
const TALL: [usize; 2] = [128, usize::MAX];
/// With so many rows there are tiles enough without cutting columns.
const MANY_ROWS: usize = 1024;
/// A tile where there are fewer rows to share out.
const SMALL_TILE: [usize; 2] = [128, 256];
/// A tile for right factors that do not fit, which more rows share then.
const WIDE: [usize; 2] = [512, 512];
/// Floats of a right factor that the second-level cache of a core just does not hold.
const LARGE: usize = 1 << 18;
/// Products below this many multiplications stay on the calling thread.
const SMALL: usize = 1 << 18;
/// Up to so many rows are dot products with rows of the right factor, each of which is read once.
const FEW_ROWS: usize = 4;
/// Floats of the right factor that one thread reads at a time then.
const STREAM: usize = 1 << 15;

/// A matrix somewhere in a slice, to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> View<'a> {
    /// Rows of `stride` floats, of which the first `cols` count.
    ///
    /// # Panics
    ///
    /// If the slice is too short.
    pub(crate) fn strided(values: &'a [f32], [rows, cols]: [usize; 2], stride: usize) -> Self {
        Self { values, rows, cols, row_stride: stride, col_stride: 1 }.checked()
    }

    /// Rows one after another.
    pub(crate) fn dense(values: &'a [f32], [rows, cols]: [usize; 2]) -> Self {
        Self::strided(values, [rows, cols], cols)
    }

    /// A tensor of rank 2 as it lies in memory.
    ///
    /// # Panics
    ///
    /// If the rank is another or a stride is negative.
    #[expect(clippy::expect_used, reason = "flipped weights do not exist")]
    pub(crate) fn of(x: &'a FlexTensor) -> Self {
        let layout = x.layout();
        let (shape, strides) = (layout.shape().to_vec(), layout.strides());
        assert_eq!(shape.len(), 2, "a matrix has two extents");
        let stride = |i: usize| usize::try_from(strides[i]).expect("strides run forward");
        let values = &x.storage()[layout.start_offset()..];
        let [rows, cols] = [shape[0], shape[1]];
        Self { values, rows, cols, row_stride: stride(0), col_stride: stride(1) }.checked()
    }

    fn checked(self) -> Self {
        assert!(self.lies_inside(), "a matrix must lie inside its slice");
        self
    }

    /// Whether the slice reaches to the last element, if there is one.
    const fn lies_inside(&self) -> bool {
        if self.rows == 0 || self.cols == 0 {
            return true;
        }
        let last = (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride;
        last < self.values.len()
    }

    /// Rows and columns.
    pub(crate) const fn dims(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// The transpose.
    pub(crate) const fn t(self) -> Self {
        let Self { values, rows, cols, row_stride, col_stride } = self;
        Self { values, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// Rows `start .. start + rows`.
    pub(crate) fn rows(self, start: usize, rows: usize) -> Self {
        assert!(start + rows <= self.rows, "rows inside the matrix");
        // An empty matrix may start behind its slice.
        let from = (start * self.row_stride).min(self.values.len());
        Self { values: &self.values[from..], rows, ..self }
    }

    /// Columns `start .. start + cols`.
    pub(crate) fn cols(self, start: usize, cols: usize) -> Self {
        self.t().rows(start, cols).t()
    }

    fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.row_stride..][..self.cols]
    }
}

/// What becomes of the output's old values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// They are not read.
    Overwrite,
    /// The product is added to them.
    Accumulate,
}

/// `lhs rhs`, row by row.
pub(crate) fn product(lhs: View<'_>, rhs: View<'_>) -> Vec<f32> {
    TileMut::filled([lhs.rows, rhs.cols], |out| multiply(out, [lhs, rhs], Output::Overwrite))
}

/// Writes or adds `lhs rhs`, tiles on all threads.
///
/// # Panics
///
/// If the extents do not fit.
pub(crate) fn multiply(out: TileMut<'_>, [lhs, rhs]: [View<'_>; 2], output: Output) {
    let [rows, cols] = out.dims();
    if output == Output::Overwrite && is_streamed(lhs, rhs) {
        return stream(out, lhs, rhs);
    }
    if rows * cols * lhs.cols < SMALL {
        return multiply_here(out, [lhs, rhs], output);
    }
    let [tile_rows, tile_cols] = tile([rows, cols], lhs.cols);
    let tiles = out.tiles(tile_rows, tile_cols);
    tiles.into_par_iter().for_each(|([row, col], tile)| {
        let [rows, cols] = tile.dims();
        multiply_here(tile, [lhs.rows(row, rows), rhs.cols(col, cols)], output);
    });
}

/// Rows and columns of a tile; a function of the extents alone, so that bits do not depend on the threads.
const fn tile([rows, cols]: [usize; 2], inner: usize) -> [usize; 2] {
    if rows < MANY_ROWS {
        SMALL_TILE
    } else if inner * cols < LARGE {
        TALL
    } else {
        WIDE
    }
}

/// As [`multiply`], on the calling thread alone.
pub(crate) fn multiply_here(out: TileMut<'_>, factors: [View<'_>; 2], output: Output) {
    scaled_here(out, factors, 1.0, output);
}

/// Writes or adds `factor * lhs rhs` on the calling thread.
#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
pub(crate) fn scaled_here(
    mut out: TileMut<'_>,
    [lhs, rhs]: [View<'_>; 2],
    factor: f32,
    output: Output,
) {
    let [rows, cols] = out.dims();
    assert_eq!([lhs.rows, rhs.cols], [rows, cols], "extents of a product");
    assert_eq!(lhs.cols, rhs.rows, "inner extents of a product");
    if rows == 0 || cols == 0 {
        return;
    }
    let stride = |x: usize| x as isize;
    // SAFETY: a view holds all its elements (`View::checked`), a tile all of its own, exclusively; extents
    // agree by the assertions above. With `Output::Overwrite` the output is not read.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            lhs.cols,
            out.as_mut_ptr(),
            1,
            stride(out.stride()),
            output == Output::Accumulate,
            lhs.values.as_ptr(),
            stride(lhs.col_stride),
            stride(lhs.row_stride),
            rhs.values.as_ptr(),
            stride(rhs.col_stride),
            stride(rhs.row_stride),
            1.0,
            factor,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Whether the product is a few dot products with each stored row of the right factor's transpose, as in
/// decoding; memory then sets the speed, and packing for `gemm` would read it twice.
fn is_streamed(lhs: View<'_>, rhs: View<'_>) -> bool {
    lhs.rows <= FEW_ROWS && lhs.col_stride == 1 && rhs.row_stride == 1 && rhs.rows > 0
}

fn stream(out: TileMut<'_>, lhs: View<'_>, rhs: View<'_>) {
    assert_eq!(lhs.cols, rhs.rows, "inner extents of a product");
    let stored = rhs.t();
    let cols = (STREAM / stored.cols.max(1)).max(1);
    let rows = out.dims()[0].max(1);
    let run = |([_, col], tile): ([usize; 2], TileMut<'_>)| {
        pulp::Arch::new().dispatch(Dots { tile, lhs, stored, first: col });
    };
    let tiles = out.tiles(rows, cols);
    if tiles.len() < 2 {
        tiles.into_iter().for_each(run);
    } else {
        tiles.into_par_iter().for_each(run);
    }
}

/// Dot products of all left rows with the stored rows from `first` on.
struct Dots<'a> {
    tile: TileMut<'a>,
    lhs: View<'a>,
    stored: View<'a>,
    first: usize,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [rows, cols] = self.tile.dims();
        for j in 0..cols {
            let weights = self.stored.row(self.first + j);
            for i in 0..rows {
                self.tile.row_mut(i)[j] = dot_with(simd, self.lhs.row(i), weights);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    fn reference(a: View<'_>, b: View<'_>) -> Vec<f64> {
        let at = |x: &View<'_>, i: usize, j: usize| {
            f64::from(x.values[i * x.row_stride + j * x.col_stride])
        };
        let cell = |i: usize, j: usize| (0..a.cols).map(|k| at(&a, i, k) * at(&b, k, j)).sum();
        (0..a.rows)
            .flat_map(|i| (0..b.cols).map(move |j| (i, j)))
            .map(|(i, j)| cell(i, j))
            .collect()
    }

    #[track_caller]
    fn check(a: View<'_>, b: View<'_>) {
        let found = product(a, b);
        let expect = reference(a, b);
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert!((f64::from(*found) - expect).abs() < 1e-4, "{found} {expect}");
        }
    }

    #[test]
    fn products_of_odd_sizes_and_layouts_are_those_of_the_definition() {
        let mut noise = Noise::new(5);
        for [m, k, n] in
            [[1, 1, 1], [1, 65, 130], [3, 7, 5], [4, 40, 1], [129, 33, 257], [300, 9, 20]]
        {
            let (a, b) = (noise.values(m * k), noise.values(k * n));
            let (rows, cols) = (View::dense(&a, [m, k]), View::dense(&a, [k, m]).t());
            let (dense, turned) = (View::dense(&b, [k, n]), View::dense(&b, [n, k]).t());
            for lhs in [rows, cols] {
                check(lhs, dense);
                check(lhs, turned);
            }
        }
    }

    #[test]
    fn no_inner_extent_gives_zeros_and_no_rows_nothing() {
        assert_eq!(product(View::dense(&[], [2, 0]), View::dense(&[], [0, 3])), [0.0; 6]);
        let b = [1.0; 6];
        assert!(product(View::dense(&[], [0, 2]), View::dense(&b, [2, 3])).is_empty());
    }

    #[test]
    fn adding_keeps_what_was_there() {
        let (a, b) = ([1.0, 2.0], [3.0, 4.0]);
        let mut out = vec![10.0];
        let views = [View::dense(&a, [1, 2]), View::dense(&b, [2, 1])];
        multiply(TileMut::dense(&mut out, [1, 1]), views, Output::Accumulate);
        assert_eq!(out, [21.0]);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let mut noise = Noise::new(6);
        let [m, k, n] = [300, 70, 310];
        let (a, b) = (noise.values(m * k), noise.values(k * n));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| product(View::dense(&a, [m, k]), View::dense(&b, [k, n])))
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(5));
    }

    #[test]
    fn a_view_reaches_to_its_last_element() {
        let inside = |len: usize, rows, cols, row_stride| {
            let values = vec![0.0; len];
            View { values: &values, rows, cols, row_stride, col_stride: 1 }.lies_inside()
        };
        assert!(inside(8, 2, 4, 4) && !inside(7, 2, 4, 4));
        assert!(inside(9, 2, 4, 5) && !inside(8, 2, 4, 5));
        assert!(inside(0, 0, 4, 4) && inside(0, 2, 0, 4) && !inside(0, 1, 1, 1));
    }
}
