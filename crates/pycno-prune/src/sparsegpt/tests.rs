//! SparseGPT against plain solves in `f64`, and the identities that hold whatever the numbers.

use super::*;
use crate::fixture::Bits;

fn keep_of(keep: usize, of: usize) -> SparsityPattern<'static> {
    SparsityPattern::KeepOf(Pattern::new(keep, of).unwrap())
}

/// What two orders of the same `f64` sums through an inverse may differ by.
const SUM_NOISE: f64 = 1e-10;
/// What rounding the result to `f32` may change of a sum of squares.
const STORED: f64 = 1e-5;

/// A layer with its inputs.
struct Layer {
    d_input: usize,
    weight: Vec<f32>,
    gram: Gram,
}

impl Layer {
    fn new([rows, d_input, tokens]: [usize; 3], seed: u64) -> Self {
        let mut bits = Bits::new(seed);
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| bits.uniform()).collect() };
        // Neighbors share a part, so that weights can stand in for each other.
        let noise = draw(tokens * (d_input + 1));
        let tokens = noise.chunks_exact(d_input + 1);
        let inputs: Vec<f32> = tokens.flat_map(|x| x.windows(2).map(|x| x[0] + x[1])).collect();
        let mut gram = Gram::new(d_input);
        gram.add(&inputs).unwrap();
        Self { d_input, weight: draw(rows * d_input), gram }
    }

    fn mask(&self, share: f64, seed: u64) -> Vec<bool> {
        let mut bits = Bits::new(seed);
        self.weight.iter().map(|_| f64::from(bits.uniform()) + 0.5 >= share).collect()
    }

    fn solve(&self, pattern: SparsityPattern<'_>) -> SparseLayer {
        sparsegpt(&self.weight, &self.gram, pattern, &SparseGptOptions::default()).unwrap()
    }

    /// The weights under a mask before they are rounded.
    fn exact(&self, mask: &[bool], block: usize) -> Vec<f64> {
        let factor = Factor::of(&self.gram, 0.01).unwrap();
        let swept = Sweep::over(&self.weight, &factor, SparsityPattern::Mask(mask), block);
        self.weight.iter().zip(swept.moved).map(|(w, moved)| f64::from(*w) - moved).collect()
    }

    /// The Hessian with the default damping.
    fn hessian(&self) -> Vec<f64> {
        let n = self.d_input;
        let mut hessian = self.gram.matrix();
        let mean = hessian.iter().step_by(n + 1).sum::<f64>() / n as f64;
        hessian.iter_mut().step_by(n + 1).for_each(|x| *x += 0.01 * mean);
        hessian
    }

    /// `tr((W - W') H (W - W')^T)`.
    fn error(&self, pruned: &[f64]) -> f64 {
        let (n, hessian) = (self.d_input, self.hessian());
        let moved: Vec<f64> =
            self.weight.iter().zip(pruned).map(|(w, p)| f64::from(*w) - p).collect();
        moved.chunks_exact(n).map(|d| quadratic(&hessian, d)).sum()
    }

    /// Each row by its own function of weights, mask and Hessian.
    fn rows(&self, mask: &[bool], f: impl Fn(&[f64], &[bool], &[f64]) -> Vec<f64>) -> Vec<f64> {
        let (n, hessian) = (self.d_input, self.hessian());
        let rows = self.weight.chunks_exact(n).zip(mask.chunks_exact(n));
        rows.flat_map(|(row, mask)| f(&wide(row), mask, &hessian)).collect()
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

fn quadratic(hessian: &[f64], d: &[f64]) -> f64 {
    let rows = hessian.chunks_exact(d.len()).zip(d);
    rows.map(|(row, x)| x * row.iter().zip(d).map(|(h, d)| h * d).sum::<f64>()).sum()
}

/// Solves `A x = b` by Gaussian elimination with the largest pivot.
fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in (0..n).filter(|i| *i != k) {
            let factor = a[i][k] / a[k][k];
            let row = a[k].clone();
            a[i].iter_mut().zip(&row).skip(k).for_each(|(x, y)| *x -= factor * y);
            b[i] -= factor * b[k];
        }
    }
    (0..n).map(|i| b[i] / a[i][i]).collect()
}

fn part(hessian: &[f64], n: usize, chosen: &[usize]) -> Vec<Vec<f64>> {
    chosen.iter().map(|i| chosen.iter().map(|j| hessian[i * n + j]).collect()).collect()
}

/// Optimal Brain Surgeon over the columns that are left, each solved from scratch: the first column of
/// the inverse of `H[j.., j..]` moves the weights from `j` on.
fn surgeon(row: &[f64], mask: &[bool], hessian: &[f64]) -> Vec<f64> {
    let (n, mut row) = (row.len(), row.to_vec());
    for j in (0..n).filter(|j| !mask[*j]) {
        let left: Vec<usize> = (j..n).collect();
        let mut unit = vec![0.0; left.len()];
        unit[0] = 1.0;
        let inverse = solved(part(hessian, n, &left), unit);
        let by = row[j] / inverse[0];
        row[j..].iter_mut().zip(&inverse).for_each(|(w, x)| *w -= by * x);
        row[j] = 0.0;
    }
    row
}

/// The least squares of a row under its mask, `H_KK w_K = H_K: w`.
fn refit(row: &[f64], mask: &[bool], hessian: &[f64]) -> Vec<f64> {
    let n = row.len();
    let kept: Vec<usize> = (0..n).filter(|j| mask[*j]).collect();
    let target = |i: &usize| hessian[i * n..][..n].iter().zip(row).map(|(h, w)| h * w).sum();
    let fitted = solved(part(hessian, n, &kept), kept.iter().map(target).collect());
    let mut row = vec![0.0; n];
    kept.iter().zip(fitted).for_each(|(j, w)| row[*j] = w);
    row
}

#[track_caller]
fn check(found: &[f64], expect: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expect.len());
    for (i, (a, b)) in found.iter().zip(expect).enumerate() {
        assert!((a - b).abs() <= tolerance, "{i}: {a} against {b}");
    }
}

#[test]
fn one_weight_of_two_goes_by_the_numbers_worked_out_by_hand() {
    // H = [[4, 2], [2, 5]] and damping 0: H^-1 = [[5, -2], [-2, 4]] / 16, so the kept weight takes
    // over 2/5 of the first one, and the error is w^2 / [H^-1]_00 = 16/5.
    let mut gram = Gram::new(2);
    gram.add(&[2.0, 1.0, 0.0, 2.0]).unwrap();
    let options = SparseGptOptions { damping: 1e-9, ..SparseGptOptions::default() };
    let pruned =
        sparsegpt(&[1.0, 1.0], &gram, SparsityPattern::Mask(&[false, true]), &options).unwrap();
    check(&wide(&pruned.weight), &[0.0, 1.4], 1e-6);
    check(&[pruned.squared_error], &[3.2], 1e-6);
}

#[test]
fn columns_solved_from_scratch_in_f64_give_the_same_weights() {
    for (seed, shape) in [[3, 17, 40], [5, 33, 90], [2, 9, 4], [101, 5, 20]].into_iter().enumerate()
    {
        let layer = Layer::new(shape, seed as u64);
        let mask = layer.mask(0.5, 7);
        check(&layer.exact(&mask, 128), &layer.rows(&mask, surgeon), SUM_NOISE);
    }
}

#[test]
fn with_a_fixed_mask_the_block_size_does_not_matter() {
    let layer = Layer::new([7, 150, 220], 1);
    let mask = layer.mask(0.6, 2);
    let whole = layer.exact(&mask, 150);
    for block in [1, 2, 4, 8, 128, 1000] {
        check(&layer.exact(&mask, block), &whole, SUM_NOISE);
    }
}

#[test]
fn groups_do_not_depend_on_the_block_size_either() {
    let layer = Layer::new([7, 60, 100], 3);
    for (keep, of) in [(2, 4), (1, 3), (3, 5), (19, 20)] {
        let solve = |block| {
            let options = SparseGptOptions { block, ..SparseGptOptions::default() };
            let pattern = keep_of(keep, of);
            sparsegpt(&layer.weight, &layer.gram, pattern, &options).unwrap()
        };
        let whole = solve(60);
        for block in [1, 2, 4, 8, 128] {
            let found = solve(block);
            assert_eq!(found.kept, whole.kept);
            check(&wide(&found.weight), &wide(&whole.weight), 1e-6);
        }
    }
}

#[test]
fn all_pruned_left_of_all_kept_is_the_exact_least_squares() {
    let layer = Layer::new([6, 23, 50], 4);
    let mask: Vec<bool> = (0..6 * 23).map(|i| i % 23 >= 9).collect();
    check(&layer.exact(&mask, 8), &layer.rows(&mask, refit), SUM_NOISE);
}

#[test]
fn one_weight_removed_is_the_least_squares_and_costs_its_square_by_the_inverse() {
    let layer = Layer::new([1, 12, 30], 5);
    let mask: Vec<bool> = (0..12).map(|j| j != 0).collect();
    let found = layer.exact(&mask, 128);
    check(&found, &layer.rows(&mask, refit), SUM_NOISE);
    let mut unit = vec![0.0; 12];
    unit[0] = 1.0;
    let all: Vec<usize> = (0..12).collect();
    let inverse = solved(part(&layer.hessian(), 12, &all), unit)[0];
    check(&[layer.error(&found)], &[f64::from(layer.weight[0]).powi(2) / inverse], SUM_NOISE);
}

#[test]
fn the_error_reported_is_that_of_the_weights_returned() {
    let layer = Layer::new([130, 40, 70], 6);
    for pattern in [
        SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap()),
        keep_of(2, 4),
        SparsityPattern::Mask(&layer.mask(0.3, 1)),
    ] {
        let pruned = layer.solve(pattern);
        let error = layer.error(&wide(&pruned.weight));
        assert!(pruned.squared_error > 0.0);
        let ratio = error / pruned.squared_error;
        assert!((ratio - 1.0).abs() < STORED, "{pattern:?}: {ratio}");
    }
}

#[test]
fn an_exact_refit_under_the_mask_is_no_worse_than_sparsegpt_or_zeroing() {
    for seed in 0..5 {
        let layer = Layer::new([4, 24, 40], seed);
        let pruned = layer.solve(SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap()));
        let zeroed: Vec<f64> = layer
            .weight
            .iter()
            .zip(&pruned.kept)
            .map(|(w, k)| f64::from(*w) * f64::from(u8::from(*k)))
            .collect();
        let exact = layer.error(&layer.rows(&pruned.kept, refit));
        let slack = 1.0 + SUM_NOISE;
        assert!(exact <= layer.error(&wide(&pruned.weight)) * slack + STORED);
        assert!(exact <= layer.error(&zeroed) * slack);
        // Not an identity, but what the method is for; these layers are of its kind.
        assert!(layer.error(&wide(&pruned.weight)) < layer.error(&zeroed));
    }
}

#[test]
fn weights_that_stay_move_and_weights_that_go_are_zero() {
    let layer = Layer::new([3, 20, 40], 8);
    let pruned = layer.solve(SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap()));
    let moved =
        |i: &usize| pruned.kept[*i] && pruned.weight[*i].to_bits() != layer.weight[*i].to_bits();
    assert!((0..60).filter(moved).count() > 20);
    assert!((0..60).all(|i| pruned.kept[i] || pruned.weight[i] == 0.0));
}

#[test]
fn inputs_that_do_not_go_together_give_block_wise_magnitude() {
    // One token per input: H is a multiple of the identity.
    let n = 20;
    let mut gram = Gram::new(n);
    let inputs: Vec<f32> = (0..n * n).map(|i| f32::from(u8::from(i % (n + 1) == 0))).collect();
    gram.add(&inputs).unwrap();
    let weight = Layer::new([4, n, 1], 9).weight;
    let pattern = SparsityPattern::Sparsity(Sparsity::new(0.25).unwrap());
    let options = SparseGptOptions { block: 8, ..SparseGptOptions::default() };
    let pruned = sparsegpt(&weight, &gram, pattern, &options).unwrap();
    for block in [0..8, 8..16, 16..20] {
        let places: Vec<usize> = (0..4 * n).filter(|i| block.contains(&(i % n))).collect();
        let mut order = places.clone();
        order.sort_by(|a, b| weight[*a].abs().total_cmp(&weight[*b].abs()));
        let (gone, stay) = order.split_at(places.len() / 4);
        assert!(gone.iter().all(|i| !pruned.kept[*i]), "{block:?}");
        assert!(stay.iter().all(|i| pruned.weight[*i].to_bits() == weight[*i].to_bits()));
    }
}

#[test]
fn the_scale_of_the_inputs_does_not_matter_even_with_dead_ones() {
    let layer = Layer::new([5, 12, 30], 10);
    let mut bits = Bits::new(3);
    let inputs: Vec<f32> =
        (0..30 * 12).map(|i| if i % 12 == 4 { 0.0 } else { bits.uniform() }).collect();
    let solve = |scale: f32| {
        let mut gram = Gram::new(12);
        gram.add(&inputs.iter().map(|x| x * scale).collect::<Vec<_>>()).unwrap();
        let pattern = keep_of(1, 3);
        sparsegpt(&layer.weight, &gram, pattern, &SparseGptOptions::default()).unwrap()
    };
    let (one, many) = (solve(1.0), solve(1024.0));
    assert_eq!((&one.kept, &one.weight), (&many.kept, &many.weight));
    assert_eq!(one.dead_inputs, 1);
    assert!(one.weight.iter().skip(4).step_by(12).all(|w| *w == 0.0));
}

#[test]
fn sparsity_zero_and_groups_kept_whole_change_no_bit() {
    let layer = Layer::new([5, 12, 30], 11);
    for pattern in [
        SparsityPattern::Sparsity(Sparsity::new(0.0).unwrap()),
        keep_of(4, 4),
        SparsityPattern::Mask(&[true; 60]),
    ] {
        let pruned = layer.solve(pattern);
        assert_eq!(pruned.weight, layer.weight);
        assert!(pruned.kept.iter().all(|kept| *kept));
        assert_eq!(pruned.squared_error.to_bits(), 0.0_f64.to_bits());
    }
}

#[test]
fn counts_are_exact_by_block_and_by_group() {
    let layer = Layer::new([7, 150, 60], 12);
    let pruned = layer.solve(SparsityPattern::Sparsity(Sparsity::new(0.3).unwrap()));
    let gone = |columns: std::ops::Range<usize>| {
        (0..7 * 150).filter(|i| columns.contains(&(i % 150)) && !pruned.kept[*i]).count()
    };
    assert_eq!((gone(0..128), gone(128..150)), (268, 46)); // floor(0.3 * 896), floor(0.3 * 154)
    for (keep, of) in [(1, 2), (1, 3), (2, 5), (3, 6)] {
        let pruned = layer.solve(keep_of(keep, of));
        let counts = pruned.kept.chunks_exact(of).map(|g| g.iter().filter(|kept| **kept).count());
        assert!(counts.into_iter().all(|count| count == keep));
    }
}

#[test]
fn fewer_tokens_than_inputs_still_have_a_solution() {
    let layer = Layer::new([4, 50, 3], 13);
    let pruned = layer.solve(SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap()));
    assert!(pruned.weight.iter().all(|w| w.is_finite()));
    let exact = layer.exact(&pruned.kept, 128);
    check(&exact, &layer.rows(&pruned.kept, surgeon), 1e-8);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let layer = Layer::new([200, 140, 150], 14);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| layer.solve(SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap())))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn weights_and_groups_that_cannot_be_are_refused() {
    let mut layer = Layer::new([2, 6, 12], 15);
    let refused = |layer: &Layer, pattern| {
        let options = SparseGptOptions::default();
        sparsegpt(&layer.weight, &layer.gram, pattern, &options).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&layer, keep_of(2, 4)),
        "groups of 4 must divide the inputs of the layer, got 6"
    );
    layer.weight[9] = f32::NAN;
    let error = refused(&layer, keep_of(1, 2));
    assert_eq!(error, "weights must be finite, got NaN at output 1, input 3");
}
