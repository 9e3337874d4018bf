//! The damped Hessian and the triangular factor that SparseGPT walks along, by blocks.

use std::ops::Range;

use faer::{
    Accum, MatMut, MatRef, Par, Spec,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch},
        matmul::matmul,
        triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place},
    },
};
use rayon::prelude::*;

use crate::{Gram, PruneError};

/// Columns factored at once, and rows or columns of a task.
const BLOCK: usize = 128;
/// The damping never rises beyond this many mean diagonals.
const MAX_DAMPING: f64 = 10.0;

/// `R`, upper triangular, with `R R^T = H` for the damped Hessian `H`. Its inverse `U` is the paper's
/// factor of the inverse, `U^T U = H^-1`.
#[derive(Debug)]
pub(super) struct Factor {
    /// `[n, n]`, row by row; entries below the diagonal mean nothing.
    upper: Vec<f64>,
    n: usize,
    /// The damping it took, in mean diagonals of the live inputs.
    pub(super) damping: f64,
    /// Whether each input was zero on every token.
    pub(super) dead: Vec<bool>,
}

impl Factor {
    /// Factors `H = X^T X + damping * mean(diag) * I`; where that fails, ten times the damping is tried.
    pub(super) fn of(gram: &Gram, damping: f64) -> Result<Self, PruneError> {
        if !(damping > 0.0 && damping <= MAX_DAMPING) {
            return Err(PruneError::Damping { max: MAX_DAMPING, damping });
        }
        let n = gram.width();
        let mut tried = damping;
        while tried <= MAX_DAMPING {
            let mut hessian = gram.matrix();
            let dead = damp(&mut hessian, n, tried)?;
            // H = R R^T is the Cholesky factorization of H reversed both ways.
            hessian.reverse();
            if cholesky(&mut hessian, n) {
                hessian.reverse();
                return Ok(Self { upper: hessian, n, damping: tried, dead });
            }
            tried *= 10.0;
        }
        Err(PruneError::Indefinite { damping: tried / 10.0 })
    }

    /// Inputs of the layer.
    pub(super) const fn n(&self) -> usize {
        self.n
    }

    /// `R[rows, columns]`, to the right of the diagonal or on it.
    pub(super) fn part(&self, rows: Range<usize>, columns: Range<usize>) -> MatRef<'_, f64> {
        let upper = MatRef::from_row_major_slice(&self.upper, self.n, self.n);
        upper.submatrix(rows.start, columns.start, rows.len(), columns.len())
    }

    /// `U[columns, columns]`, row by row: the inverse of that part of `R`.
    pub(super) fn inverse(&self, columns: Range<usize>) -> Vec<f64> {
        let width = columns.len();
        let mut inverse = vec![0.0; width * width];
        inverse.iter_mut().step_by(width + 1).for_each(|x| *x = 1.0);
        let unit = MatMut::from_row_major_slice_mut(&mut inverse, width, width);
        let corner = self.part(columns.clone(), columns);
        solve_upper_triangular_in_place(corner, unit, Par::Seq);
        inverse
    }
}

/// Adds the damping to the diagonal, gives dead inputs the mean of the live ones and says which they are.
fn damp(hessian: &mut [f64], n: usize, damping: f64) -> Result<Vec<bool>, PruneError> {
    let dead: Vec<bool> = hessian.iter().step_by(n + 1).map(|x| *x == 0.0).collect();
    let live = dead.iter().filter(|dead| !**dead).count();
    if live == 0 {
        return Err(PruneError::DeadInputs { width: n });
    }
    let mean = hessian.iter().step_by(n + 1).sum::<f64>() / live as f64;
    for (x, dead) in hessian.iter_mut().step_by(n + 1).zip(&dead) {
        *x += if *dead { mean } else { 0.0 } + damping * mean;
    }
    Ok(dead)
}

/// Overwrites the lower half of a symmetric matrix with its Cholesky factor; false if it is not positive
/// definite. Entries above the diagonal mean nothing.
fn cholesky(matrix: &mut [f64], n: usize) -> bool {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        let (above, below) = matrix.split_at_mut(end * n);
        let mut rows: Vec<&mut [f64]> =
            above[start * n..].chunks_exact_mut(n).map(|row| &mut row[start..end]).collect();
        let mut corner = rows.concat();
        if !factor_corner(&mut corner, end - start) {
            return false;
        }
        rows.iter_mut()
            .zip(corner.chunks_exact(end - start))
            .for_each(|(r, c)| r.copy_from_slice(c));
        let panel = solve_panel(below, n, start..end, &corner);
        update_rest(below, n, end, &panel);
    }
    true
}

fn factor_corner(corner: &mut [f64], n: usize) -> bool {
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
    let stack = MemStack::new(&mut memory);
    let corner = MatMut::from_row_major_slice_mut(corner, n, n);
    cholesky_in_place(corner, LltRegularization::default(), Par::Seq, stack, Spec::default())
        .is_ok()
}

/// Solves `X corner^T = below[:, columns]` for `X`, writes it there and gives a copy of its own.
fn solve_panel(below: &mut [f64], n: usize, columns: Range<usize>, corner: &[f64]) -> Vec<f64> {
    let width = columns.len();
    let corner = MatRef::from_row_major_slice(corner, width, width);
    let mut panel = vec![0.0; below.len() / n * width];
    let tasks = below.par_chunks_mut(BLOCK * n).zip(panel.par_chunks_mut(BLOCK * width));
    tasks.for_each(|(rows, panel)| {
        let rows = rows.chunks_exact_mut(n).map(|row| &mut row[columns.clone()]);
        let mut rows: Vec<&mut [f64]> = rows.collect();
        panel.chunks_exact_mut(width).zip(&rows).for_each(|(to, from)| to.copy_from_slice(from));
        let transposed = MatMut::from_column_major_slice_mut(panel, width, rows.len());
        solve_lower_triangular_in_place(corner, transposed, Par::Seq);
        rows.iter_mut()
            .zip(panel.chunks_exact(width))
            .for_each(|(to, from)| to.copy_from_slice(from));
    });
    panel
}

/// `below[:, end..] -= panel panel^T`, each task its rows up to the diagonal.
fn update_rest(below: &mut [f64], n: usize, end: usize, panel: &[f64]) {
    let height = below.len() / n;
    if height == 0 {
        return;
    }
    let width = panel.len() / height;
    let panel = MatRef::from_row_major_slice(panel, height, width);
    below.par_chunks_mut(BLOCK * n).enumerate().for_each(|(task, rows)| {
        let (first, count) = (task * BLOCK, rows.len() / n);
        let reach = first + count;
        let rows = MatMut::from_row_major_slice_mut(rows, count, n).subcols_mut(end, reach);
        let (left, right) = (panel.subrows(first, count), panel.subrows(0, reach).transpose());
        matmul(rows, Accum::Add, left, right, -1.0, Par::Seq);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Bits;

    /// What some hundred sums in `f64` may leave of an identity.
    const FACTOR_NOISE: f64 = 1e-11;

    fn gram(tokens: usize, width: usize, seed: u64) -> Gram {
        let mut bits = Bits::new(seed);
        let inputs: Vec<f32> = (0..tokens * width).map(|_| bits.uniform()).collect();
        let mut gram = Gram::new(width);
        gram.add(&inputs).unwrap();
        gram
    }

    /// `R R^T = H` and `U R = I` for the damped `H`.
    #[track_caller]
    fn check(tokens: usize, n: usize, damping: f64) {
        let gram = gram(tokens, n, 4);
        let factor = Factor::of(&gram, damping).unwrap();
        let mut hessian = gram.matrix();
        let mean = hessian.iter().step_by(n + 1).sum::<f64>() / n as f64;
        hessian.iter_mut().step_by(n + 1).for_each(|x| *x += damping * mean);
        let r = |i: usize, j: usize| if j < i { 0.0 } else { factor.upper[i * n + j] };
        let inverse = factor.inverse(0..n);
        for i in 0..n {
            assert!(r(i, i) > 0.0 && inverse[i * n..][..i].iter().all(|x| *x == 0.0), "row {i}");
            for j in 0..n {
                let product: f64 = (i.max(j)..n).map(|k| r(i, k) * r(j, k)).sum();
                let h = hessian[i * n + j];
                assert!((product - h).abs() < FACTOR_NOISE * mean, "{i}, {j}: {product}, {h}");
                let product: f64 = (i..=j).map(|k| inverse[i * n + k] * r(k, j)).sum();
                let unit = f64::from(u8::from(i == j));
                assert!((product - unit).abs() < FACTOR_NOISE, "{i}, {j}: {product}, {unit}");
            }
        }
        assert_eq!(factor.damping.to_bits(), damping.to_bits());
    }

    #[test]
    fn the_factor_gives_the_hessian_back_at_odd_sizes_around_the_block() {
        for n in [1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5] {
            check(2 * n, n, 0.01);
        }
    }

    #[test]
    fn a_singular_hessian_has_a_factor_once_damped() {
        check(1, 9, 0.01);
        check(3, BLOCK + 20, 1e-3);
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        let mut indefinite = [1.0, 2.0, 2.0, 1.0];
        assert!(!cholesky(&mut indefinite, 2));
        let mut sick = [1.0, 0.0, 0.0, f64::NAN];
        assert!(!cholesky(&mut sick, 2));
        // The trouble may lie beyond the first block.
        let n = BLOCK + 2;
        let mut late = vec![0.0; n * n];
        late.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        late[(n - 1) * n + n - 1] = -1.0;
        assert!(!cholesky(&mut late, n));
    }

    #[test]
    fn damping_rises_tenfold_until_there_is_a_factor() {
        // One token of large inputs: 1e-18 of the mean vanishes beside the diagonal.
        let mut gram = Gram::new(3);
        gram.add(&[1000.0, 999.0, 998.0]).unwrap();
        let factor = Factor::of(&gram, 1e-18).unwrap();
        let raised = factor.damping / 1e-18;
        assert!(raised > 9.0, "{raised}");
        let power = raised.log10();
        assert!((power - power.round()).abs() < 1e-9, "{power}");
    }

    #[test]
    fn dead_inputs_are_apart_from_all_others_and_from_the_damping() {
        let mut with = Gram::new(3);
        with.add(&[1.0, 0.0, 2.0, 3.0, 0.0, -1.0]).unwrap();
        let mut without = Gram::new(2);
        without.add(&[1.0, 2.0, 3.0, -1.0]).unwrap();
        let (with, without) =
            (Factor::of(&with, 0.01).unwrap(), Factor::of(&without, 0.01).unwrap());
        assert_eq!(with.dead, [false, true, false]);
        let r = &with.upper;
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let pairs = [r[0], r[2], r[8]].into_iter().zip([0, 1, 3].map(|i| without.upper[i]));
        assert!(pairs.into_iter().all(|(a, b)| near(a, b)), "{r:?}");
        assert!(near(r[1], 0.0) && near(r[5], 0.0) && r[4] > 0.0, "{r:?}");
    }

    #[test]
    fn a_damping_out_of_range_and_inputs_that_are_all_dead_are_refused() {
        let live = gram(4, 3, 1);
        for damping in [0.0, -0.1, 11.0, f64::NAN] {
            let error = Factor::of(&live, damping).unwrap_err().to_string();
            assert_eq!(error, format!("damping must lie in (0, 10], got {damping}"));
        }
        let mut dead = Gram::new(3);
        dead.add(&[0.0; 6]).unwrap();
        for gram in [dead, Gram::new(3)] {
            let error = Factor::of(&gram, 0.01).unwrap_err().to_string();
            assert_eq!(error, "one of 3 inputs must differ from zero on some token, got none");
        }
    }
}
