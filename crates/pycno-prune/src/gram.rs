//! The Gram matrix `X^T X` of a layer's inputs, summed over calibration batches: up to scale the
//! Hessian of the layer's squared output error, which layer-wise methods such as SparseGPT start from.

use std::ops::Range;

use faer::{
    Accum, MatMut, MatRef, Par,
    linalg::matmul::{
        matmul,
        triangular::{self, BlockStructure},
    },
};
use pycno_units::TokenCount;
use rayon::prelude::*;

use crate::PruneError;

/// Rows and columns of a tile: its `f32` product stays in a second-level cache.
const TILE: usize = 192;
/// Tokens in an `f32` product. Partial sums go on in `f64`, else the rounding of a hundred thousand
/// squares would add up to what the damping is there for; 256 tokens also fit the product's own blocking.
const SLAB: usize = 256;
/// Largest input: squares of a slab still add up to a finite `f32`.
const LIMIT: f32 = 1e18;

/// Sums of products of inputs over tokens, `X^T X`.
///
/// Sums only grow, so parts measured apart [`Gram::merge`]; grouping and order of the tokens change no
/// more than rounding, and the number of threads changes no bit. It holds `f64` for half of the matrix:
/// `4 * width^2` bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Gram {
    width: usize,
    tokens: u64,
    tiles: Vec<Tile>,
}

/// A part of the lower half, row by row; on the diagonal its upper half stays zero.
#[derive(Clone, Debug, PartialEq)]
struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
    sums: Vec<f64>,
}

impl Gram {
    /// The sum over no tokens, for inputs of the given width.
    ///
    /// # Panics
    ///
    /// If `width` is 0.
    pub fn new(width: usize) -> Self {
        assert!(width > 0, "a layer has inputs");
        let span = |i: usize| i * TILE..((i + 1) * TILE).min(width);
        let below = |i: usize| (0..=i).map(move |j| Tile::new(span(i), span(j)));
        Self { width, tokens: 0, tiles: (0..width.div_ceil(TILE)).flat_map(below).collect() }
    }

    /// Adds the products of a batch of inputs.
    ///
    /// # Shapes
    ///
    /// - `inputs`: `[tokens, width]`
    ///
    /// # Errors
    ///
    /// [`PruneError::Input`] for a value that is not finite or whose square would overflow; the sums
    /// then stay as they were.
    ///
    /// # Panics
    ///
    /// If `inputs` is no multiple of the width.
    pub fn add(&mut self, inputs: &[f32]) -> Result<(), PruneError> {
        assert!(inputs.len().is_multiple_of(self.width), "whole rows of {}", self.width);
        self.check(inputs)?;
        let width = self.width;
        self.tiles.par_iter_mut().for_each_init(
            || vec![0.0; TILE * TILE],
            |products, tile| tile.add(inputs, width, products),
        );
        self.tokens += (inputs.len() / width) as u64;
        Ok(())
    }

    /// Adds sums measured apart on other tokens.
    ///
    /// # Panics
    ///
    /// If the widths differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.width, other.width, "Gram matrices of one layer");
        self.tokens += other.tokens;
        for (mine, theirs) in self.tiles.iter_mut().zip(&other.tiles) {
            mine.sums.iter_mut().zip(&theirs.sums).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Inputs of the layer.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Tokens seen.
    pub const fn tokens(&self) -> TokenCount {
        TokenCount(self.tokens)
    }

    /// The whole symmetric matrix, `[width, width]`, summed over tokens and not divided by them.
    pub fn matrix(&self) -> Vec<f64> {
        let mut matrix = vec![0.0; self.width * self.width];
        for (row, column, sum) in self.tiles.iter().flat_map(Tile::entries) {
            matrix[row * self.width + column] = sum;
            matrix[column * self.width + row] = sum;
        }
        matrix
    }

    fn check(&self, inputs: &[f32]) -> Result<(), PruneError> {
        // No early exit within a chunk, so that the comparison runs in vectors.
        let fits = |chunk: &[f32]| chunk.iter().fold(true, |fits, x| fits & (x.abs() <= LIMIT));
        let chunks = inputs.par_chunks(1 << 14);
        let Some(chunk) = chunks.enumerate().find_first(|(_, chunk)| !fits(chunk)) else {
            return Ok(());
        };
        let offset = chunk.0 << 14;
        let bad = chunk.1.iter().zip(offset..).find(|(x, _)| !fits(&[**x]));
        bad.map_or(Ok(()), |(value, i)| {
            let (token, input) = (i / self.width, i % self.width);
            Err(PruneError::Input { token, input, limit: LIMIT, value: *value })
        })
    }
}

impl Tile {
    fn new(rows: Range<usize>, columns: Range<usize>) -> Self {
        let sums = vec![0.0; rows.len() * columns.len()];
        Self { rows, columns, sums }
    }

    /// Row, column and sum of each entry on the diagonal or below.
    fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let rows = self.rows.clone().zip(self.sums.chunks_exact(self.columns.len()));
        rows.flat_map(|(row, sums)| {
            let columns = self.columns.clone().take_while(move |column| *column <= row);
            columns.zip(sums).map(move |(column, sum)| (row, column, *sum))
        })
    }

    fn add(&mut self, inputs: &[f32], width: usize, products: &mut [f32]) {
        let products = &mut products[..self.sums.len()];
        // On the diagonal the upper half is never written, and the tile before left something there.
        products.fill(0.0);
        for slab in inputs.chunks(SLAB * width) {
            self.multiply(slab, width, products);
            self.sums.iter_mut().zip(&*products).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }

    /// `products = slab[:, rows]^T slab[:, columns]`, on the diagonal its lower half.
    fn multiply(&self, slab: &[f32], width: usize, products: &mut [f32]) {
        let slab = MatRef::from_row_major_slice(slab, slab.len() / width, width);
        let left = slab.subcols(self.rows.start, self.rows.len()).transpose();
        let right = slab.subcols(self.columns.start, self.columns.len());
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let products = MatMut::from_row_major_slice_mut(products, rows, columns);
        if self.rows == self.columns {
            let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
            let replace = Accum::Replace;
            triangular::matmul(products, lower, replace, left, full, right, full, 1.0, Par::Seq);
        } else {
            matmul(products, Accum::Replace, left, right, 1.0, Par::Seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::Bits;

    /// What `f32` products of at most a slab may differ by from `f64` loops, by the sum of magnitudes.
    const PRODUCT_NOISE: f64 = 1e-5;

    fn inputs(tokens: usize, width: usize, seed: u64) -> Vec<f32> {
        let mut bits = Bits::new(seed);
        (0..tokens * width).map(|_| bits.uniform()).collect()
    }

    fn gram(inputs: &[f32], width: usize) -> Gram {
        let mut gram = Gram::new(width);
        gram.add(inputs).unwrap();
        gram
    }

    /// Every entry against straight loops in `f64`.
    #[track_caller]
    fn check(tokens: usize, width: usize) {
        let inputs = inputs(tokens, width, 5);
        let matrix = gram(&inputs, width).matrix();
        for i in 0..width {
            for j in 0..width {
                let terms = inputs.chunks_exact(width).map(|x| f64::from(x[i]) * f64::from(x[j]));
                let (sum, magnitude) =
                    terms.fold((0.0, 0.0), |(sum, all), x| (sum + x, all + x.abs()));
                let found = matrix[i * width + j];
                assert!(
                    (found - sum).abs() <= PRODUCT_NOISE * magnitude,
                    "{i}, {j}: {found}, {sum}"
                );
            }
        }
    }

    #[test]
    fn two_tokens_give_the_sums_written_out() {
        let gram = gram(&[1.0, 2.0, 3.0, -4.0, 0.0, 5.0], 3);
        assert_eq!(gram.matrix(), [17.0, 2.0, -17.0, 2.0, 4.0, 6.0, -17.0, 6.0, 34.0]);
        assert_eq!((gram.width(), gram.tokens()), (3, TokenCount(2)));
    }

    #[test]
    fn every_entry_is_its_sum_at_odd_sizes_around_tiles_and_slabs() {
        for (tokens, width) in
            [(1, 1), (3, 7), (SLAB + 1, 5), (9, TILE - 1), (9, TILE), (5, TILE + 3)]
        {
            check(tokens, width);
        }
    }

    #[test]
    fn parts_merge_to_the_whole_and_a_batch_may_be_empty() {
        let width = 11;
        let inputs = inputs(20, width, 3);
        let whole = gram(&inputs, width);
        let mut merged = gram(&inputs[..7 * width], width);
        merged.add(&[]).unwrap();
        merged.merge(&gram(&inputs[7 * width..], width));
        assert_eq!(merged.tokens(), whole.tokens());
        let pairs = merged.matrix().into_iter().zip(whole.matrix());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 20.0 * PRODUCT_NOISE));
    }

    #[test]
    fn many_tokens_round_no_worse_than_one_slab() {
        // 1/10 squared is no binary number; in f32 alone 100,000 of them drift by far more.
        let tokens = 100_000;
        let sum = gram(&vec![0.1; tokens], 1).matrix()[0];
        let exact = f64::from(0.1_f32).powi(2) * tokens as f64;
        assert!((sum / exact - 1.0).abs() < 1e-6, "{sum} against {exact}");
    }

    #[test]
    fn a_value_that_cannot_be_squared_is_named_and_leaves_the_sums() {
        for (bad, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (2e18, "2e18")] {
            let mut gram = gram(&inputs(4, 3, 1), 3);
            let before = gram.clone();
            let mut sick = inputs(30_000, 3, 2);
            sick[3 * 20_000 + 1] = bad;
            let error = gram.add(&sick).unwrap_err().to_string();
            let found = error.replace("2000000000000000000", "2e18");
            let expect =
                format!("inputs must lie within 1e18, got {shown} for input 1 of token 20000");
            assert_eq!(found, expect);
            assert_eq!(gram, before);
        }
        assert!(gram(&vec![LIMIT; 2 * SLAB], 1).matrix()[0].is_finite());
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (width, tokens) = (TILE + 40, 2 * SLAB + 1);
        let inputs = inputs(tokens, width, 9);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gram(&inputs, width))
        };
        assert!(on(1) == on(3));
    }

    proptest! {
        #[test]
        fn no_direction_has_negative_weight(seed in 0..1000_u64, tokens in 1..6_usize) {
            let width = 7;
            let matrix = gram(&inputs(tokens, width, seed), width).matrix();
            let v = inputs(1, width, seed + 1);
            let along = |row: &[f64]| -> f64 {
                row.iter().zip(&v).map(|(h, v)| h * f64::from(*v)).sum()
            };
            let weight: f64 =
                matrix.chunks_exact(width).zip(&v).map(|(row, v)| along(row) * f64::from(*v)).sum();
            prop_assert!(weight > -1e-6, "{}", weight);
        }
    }
}
