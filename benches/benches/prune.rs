//! Pruning on the host: Gram matrices and SparseGPT, each beside its plain twin in straight loops.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pycno_prune::{Gram, Pattern, SparseGptOptions, Sparsity, SparsityPattern, sparsegpt};

/// The FFN of SmolLM2-135M: inputs and outputs of a down projection.
const D_INPUT: usize = 1536;
const D_OUTPUT: usize = 576;
const TOKENS: usize = 4096;
/// The twin of the Gram matrix sees every eighth token: all of them take it ten seconds.
const TWIN_TOKENS: usize = TOKENS / 8;

/// Numbers in `[-1, 1)` that need no crate.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// The lower half of `X^T X`, a token at a time.
fn gram_in_loops(inputs: &[f32]) -> Vec<f64> {
    let mut sums = vec![0.0; D_INPUT * D_INPUT];
    for token in inputs.chunks_exact(D_INPUT) {
        for (i, row) in sums.chunks_exact_mut(D_INPUT).enumerate() {
            let x = f64::from(token[i]);
            row[..=i].iter_mut().zip(token).for_each(|(sum, y)| *sum += x * f64::from(*y));
        }
    }
    sums
}

/// The lower Cholesky factor, row by row.
fn cholesky_in_loops(matrix: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            matrix[i * n + j] = if i == j { rest.sqrt() } else { rest / matrix[j * n + j] };
        }
    }
}

/// The inverse of an upper triangular matrix, from the last row up.
fn inverse_in_loops(upper: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for i in (0..n).rev() {
        let (above, below) = inverse.split_at_mut((i + 1) * n);
        let row = &mut above[i * n..];
        row[i] = 1.0;
        for (x, other) in upper[i * n..][i + 1..n].iter().zip(below.chunks_exact(n)) {
            row.iter_mut().zip(other).for_each(|(sum, y)| *sum -= x * y);
        }
        for sum in row {
            *sum /= upper[i * n + i];
        }
    }
    inverse
}

/// SparseGPT under a mask, a column at a time over the whole rest of the row.
fn sparsegpt_in_loops(weight: &[f32], gram: &Gram, mask: &[bool]) -> Vec<f64> {
    let n = gram.width();
    let mut hessian = gram.matrix();
    let mean = hessian.iter().step_by(n + 1).sum::<f64>() / n as f64;
    hessian.iter_mut().step_by(n + 1).for_each(|x| *x += 0.01 * mean);
    hessian.reverse();
    cholesky_in_loops(&mut hessian, n);
    hessian.reverse();
    let upper = inverse_in_loops(&hessian, n);
    let mut weight: Vec<f64> = weight.iter().copied().map(f64::from).collect();
    for (row, mask) in weight.chunks_exact_mut(n).zip(mask.chunks_exact(n)) {
        for j in (0..n).filter(|j| !mask[*j]) {
            let factor = &upper[j * n..][j..n];
            let error = row[j] / factor[0];
            row[j..].iter_mut().zip(factor).for_each(|(w, u)| *w -= error * u);
        }
    }
    weight
}

fn grams(criterion: &mut Criterion) {
    let inputs = noise(TOKENS * D_INPUT, 1);
    let mut group = criterion.benchmark_group("prune/gram");
    group.sample_size(10);
    group.throughput(Throughput::Elements(TOKENS as u64));
    group.bench_function("blocked/t4096_d1536", |bencher| {
        bencher.iter(|| {
            let mut gram = Gram::new(D_INPUT);
            gram.add(&inputs).unwrap();
            gram
        });
    });
    group.throughput(Throughput::Elements(TWIN_TOKENS as u64));
    let few = &inputs[..TWIN_TOKENS * D_INPUT];
    group.bench_function("loops/t512_d1536", |bencher| bencher.iter(|| gram_in_loops(few)));
    group.finish();
}

fn layers(criterion: &mut Criterion) {
    let weight = noise(D_OUTPUT * D_INPUT, 2);
    let mask: Vec<bool> = weight.iter().map(|w| w.abs() >= 0.5).collect();
    let mut gram = Gram::new(D_INPUT);
    gram.add(&noise(TOKENS * D_INPUT, 1)).unwrap();
    let mut group = criterion.benchmark_group("prune/sparsegpt");
    group.sample_size(10);
    let patterns = [
        ("blocked_mask", SparsityPattern::Mask(&mask)),
        ("blocked_half", SparsityPattern::Sparsity(Sparsity::new(0.5).unwrap())),
        ("blocked_2_of_4", SparsityPattern::KeepOf(Pattern::new(2, 4).unwrap())),
    ];
    for (name, pattern) in patterns {
        group.bench_function(format!("{name}/576x1536"), |bencher| {
            let options = SparseGptOptions::default();
            bencher.iter(|| sparsegpt(&weight, &gram, pattern, &options).unwrap());
        });
    }
    group.bench_function("loops_mask/576x1536", |bencher| {
        bencher.iter(|| sparsegpt_in_loops(&weight, &gram, &mask));
    });
    group.finish();
}

criterion_group!(benches, grams, layers);
criterion_main!(benches);
