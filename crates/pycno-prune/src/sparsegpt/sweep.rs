//! The walk over the columns: choose, prune, let each error move the columns to its right, by blocks.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use super::{SparsityPattern, choose, factor::Factor};

/// Rows of a task: few enough for their weights to stay in cache, many enough for the products.
const ROWS: usize = 64;
/// Columns whose errors move weights one by one before a product takes them along.
const LEAF: usize = 32;

/// A layer on its way. With `E` the errors and `U` the inverse of the factor `R`, the paper moves the
/// weights by `-E U`. What the finished columns moved by, `D = E U`, is known, so the columns of a block
/// `b` learn of it as `D[:, ..b] R[..b, b] U[b, b]`: of `U` the corners on the diagonal are enough.
pub(super) struct Sweep<'a> {
    weight: &'a [f32],
    factor: &'a Factor,
    pattern: SparsityPattern<'a>,
    /// `[rows, n]`, by how much each weight of the finished columns shrank.
    pub(super) moved: Vec<f64>,
    /// `[rows, n]`, whether each weight stays.
    pub(super) kept: Vec<bool>,
    /// Sum of the squared errors of what was pruned.
    pub(super) error: f64,
}

/// A block of columns, cut out.
struct Block {
    columns: Range<usize>,
    /// `U` of these columns, `[columns, columns]`.
    upper: Vec<f64>,
    /// `[rows, columns]`.
    weight: Vec<f64>,
    /// `[rows, columns]`.
    kept: Vec<bool>,
}

/// The way through a block that every row goes.
struct Walk<'a> {
    upper: &'a [f64],
    diagonal: Vec<f64>,
    pattern: SparsityPattern<'a>,
    leaf: usize,
}

impl<'a> Sweep<'a> {
    /// Goes over all columns of `weight`, `[rows, n]`, by blocks of so many.
    pub(super) fn over(
        weight: &'a [f32],
        factor: &'a Factor,
        pattern: SparsityPattern<'a>,
        block: usize,
    ) -> Self {
        let (moved, kept) = (vec![0.0; weight.len()], vec![true; weight.len()]);
        let mut sweep = Self { weight, factor, pattern, moved, kept, error: 0.0 };
        // A group must not be cut: it is chosen when all errors to its left have arrived.
        let block = pattern.whole_groups(block);
        for start in (0..factor.n()).step_by(block) {
            let columns = start..(start + block).min(factor.n());
            let mut block = sweep.load_block(columns);
            sweep.choose(&mut block);
            sweep.error += block.prune(pattern);
            sweep.store_block(&block);
        }
        sweep
    }

    /// The block's weights after all that the columns to its left moved.
    fn load_block(&self, columns: Range<usize>) -> Block {
        let (n, width) = (self.factor.n(), columns.len());
        let upper = self.factor.inverse(columns.clone());
        let corner = MatRef::from_row_major_slice(&upper, width, width);
        let mut weight = vec![0.0; self.weight.len() / n * width];
        let tasks = weight.par_chunks_mut(ROWS * width).zip(self.moved.par_chunks(ROWS * n));
        tasks.zip(self.weight.par_chunks(ROWS * n)).for_each(|((weight, moved), old)| {
            let rows = moved.len() / n;
            for (weight, old) in weight.chunks_exact_mut(width).zip(old.chunks_exact(n)) {
                let old = &old[columns.clone()];
                weight.iter_mut().zip(old).for_each(|(weight, old)| *weight = f64::from(*old));
            }
            let moved = MatRef::from_row_major_slice(moved, rows, n).subcols(0, columns.start);
            let beside = self.factor.part(0..columns.start, columns.clone());
            let mut errors = vec![0.0; rows * width];
            let mut errors = MatMut::from_row_major_slice_mut(&mut errors, rows, width);
            matmul(errors.as_mut(), Accum::Replace, moved, beside, 1.0, Par::Seq);
            let weight = MatMut::from_row_major_slice_mut(weight, rows, width);
            matmul(weight, Accum::Add, errors.as_ref(), corner, 1.0, Par::Seq);
        });
        let kept = vec![true; weight.len()];
        Block { columns, upper, weight, kept }
    }

    /// Marks what stays, unless groups decide on the way.
    fn choose(&self, block: &mut Block) {
        match self.pattern {
            SparsityPattern::KeepOf(_) => {}
            SparsityPattern::Sparsity(sparsity) => {
                block.kept = choose::lowest_of_block(&block.weight, &block.diagonal(), sparsity);
            }
            SparsityPattern::Mask(mask) => {
                let rows = mask.chunks_exact(self.factor.n());
                block.kept = rows.flat_map(|row| &row[block.columns.clone()]).copied().collect();
            }
        }
    }

    fn store_block(&mut self, block: &Block) {
        let (n, columns) = (self.factor.n(), block.columns.clone());
        let moved = self.moved.par_chunks_exact_mut(n).zip(self.weight.par_chunks_exact(n));
        moved.zip(block.weight.par_chunks_exact(columns.len())).for_each(|((moved, old), new)| {
            let pairs = old[columns.clone()].iter().zip(new);
            for (moved, (old, new)) in moved[columns.clone()].iter_mut().zip(pairs) {
                *moved = f64::from(*old) - new;
            }
        });
        for (to, from) in self.kept.chunks_exact_mut(n).zip(block.kept.chunks_exact(columns.len()))
        {
            to[columns.clone()].copy_from_slice(from);
        }
    }
}

impl Block {
    fn diagonal(&self) -> Vec<f64> {
        self.upper.iter().step_by(self.columns.len() + 1).copied().collect()
    }

    /// Prunes all rows; gives the sum of squared errors.
    fn prune(&mut self, pattern: SparsityPattern<'_>) -> f64 {
        let width = self.columns.len();
        let (upper, diagonal) = (&self.upper, self.diagonal());
        let walk = Walk { upper, diagonal, pattern, leaf: pattern.whole_groups(LEAF) };
        let weight = self.weight.par_chunks_mut(ROWS * width);
        let tasks = weight.zip(self.kept.par_chunks_mut(ROWS * width));
        let errors: Vec<f64> = tasks.map(|(weight, kept)| walk.prune_row(weight, kept)).collect();
        // Added in the order of the rows, whatever thread was first.
        errors.iter().sum()
    }
}

impl Walk<'_> {
    /// Prunes some rows; gives the sum of squared errors.
    fn prune_row(&self, weight: &mut [f64], kept: &mut [bool]) -> f64 {
        let width = self.diagonal.len();
        let mut errors = vec![0.0; weight.len()];
        for start in (0..width).step_by(self.leaf) {
            let leaf = start..(start + self.leaf).min(width);
            let rows = weight.chunks_exact_mut(width).zip(kept.chunks_exact_mut(width));
            for ((weight, kept), errors) in rows.zip(errors.chunks_exact_mut(width)) {
                self.prune(weight, kept, errors, leaf.clone());
            }
            self.propagate_errors(weight, &errors, leaf);
        }
        errors.iter().map(|error| error * error).sum()
    }

    /// Prunes a leaf of one row, where each error moves what is left of the leaf.
    fn prune(&self, weight: &mut [f64], kept: &mut [bool], errors: &mut [f64], leaf: Range<usize>) {
        for j in leaf.clone() {
            if let SparsityPattern::KeepOf(pattern) = self.pattern
                && j.is_multiple_of(pattern.of())
            {
                let group = j..j + pattern.of();
                let (weight, diagonal) = (&weight[group.clone()], &self.diagonal[group.clone()]);
                choose::lowest_of_group(weight, diagonal, &mut kept[group], pattern.keep());
            }
            if !kept[j] {
                let error = weight[j] / self.diagonal[j];
                let upper = &self.upper[j * self.diagonal.len()..][j + 1..leaf.end];
                let right = weight[j + 1..leaf.end].iter_mut().zip(upper);
                right.for_each(|(weight, upper)| *weight -= error * upper);
                (weight[j], errors[j]) = (0.0, error);
            }
        }
    }

    /// `weight[:, right] -= errors[:, leaf] U[leaf, right]` for what is right of the leaf.
    fn propagate_errors(&self, weight: &mut [f64], errors: &[f64], leaf: Range<usize>) {
        let width = self.diagonal.len();
        let (rows, rest) = (weight.len() / width, width - leaf.end);
        let errors = MatRef::from_row_major_slice(errors, rows, width);
        let errors = errors.subcols(leaf.start, leaf.len());
        let upper = MatRef::from_row_major_slice(self.upper, width, width);
        let upper = upper.submatrix(leaf.start, leaf.end, leaf.len(), rest);
        let weight = MatMut::from_row_major_slice_mut(weight, rows, width);
        matmul(weight.subcols_mut(leaf.end, rest), Accum::Add, errors, upper, -1.0, Par::Seq);
    }
}
