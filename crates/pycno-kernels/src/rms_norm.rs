//! Root mean square layer normalization (Zhang and Sennrich 2019,
//! [arXiv:1910.07467](https://arxiv.org/abs/1910.07467), eq. 4).

use burn::{
    backend::flex::FlexTensor,
    tensor::{DType, Tensor},
};
use rayon::prelude::*;

use crate::{
    extension::{HostOp, run_2},
    host::{dense, dims, flex, fusable, narrow, slice, slice_mut},
    linear::added,
    simd::{dot, vectorized},
};

/// Rows handled by one thread at a time; fixed, so that bits do not depend on the threads.
const BLOCK_ROWS: usize = 32;

/// Computes `gamma * x / sqrt(mean(x^2) + epsilon)` along the last dimension.
///
/// # Shapes
///
/// - `x`, output: `[batch, seq, d_model]`
/// - `gamma`: `[d_model]`
pub fn rms_norm(x: Tensor<3>, gamma: Tensor<1>, epsilon: f64) -> Tensor<3> {
    if fusable(&x) {
        run_2(RmsNorm { epsilon: narrow(epsilon) }, x, gamma)
    } else {
        composed(x, gamma, epsilon)
    }
}

/// [`rms_norm`] in Burn's operations; the mean is formed in `f32` whatever the type.
pub fn composed(x: Tensor<3>, gamma: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let dtype = x.dtype();
    let square = x.clone().cast(DType::F32).square().mean_dim(2);
    let root = (square + epsilon).sqrt();
    (x / root.cast(dtype)) * gamma.unsqueeze()
}

/// Inputs: `x` and `gamma`.
#[derive(Debug)]
pub(crate) struct RmsNorm {
    pub(crate) epsilon: f32,
}

impl RmsNorm {
    /// `1 / sqrt(mean(x^2) + epsilon)`
    #[inline(always)]
    fn inverse_root(&self, x: &[f32]) -> f32 {
        (dot(x, x) / x.len() as f32 + self.epsilon).sqrt().recip()
    }

    /// Norms runs of `gamma.len()` values.
    #[inline(always)]
    pub(crate) fn rows(&self, x: &[f32], gamma: &[f32], out: &mut [f32]) {
        let rows = out.chunks_exact_mut(gamma.len()).zip(x.chunks_exact(gamma.len()));
        for (out, x) in rows {
            let inverse = self.inverse_root(x);
            for ((out, x), gamma) in out.iter_mut().zip(x).zip(gamma) {
                *out = x * inverse * gamma;
            }
        }
    }

    /// Writes the gradient by `x` over that by the output, and adds that by `gamma`.
    #[inline(always)]
    pub(crate) fn backward_rows(&self, [x, gamma]: [&[f32]; 2], [dy, d_gamma]: [&mut [f32]; 2]) {
        let width = gamma.len();
        for (dy, x) in dy.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            self.backward_row([x, gamma], [dy, d_gamma]);
        }
    }

    /// Writes the gradient by `x` over that by the output, and adds a row's share to that by `gamma`.
    #[inline(always)]
    fn backward_row(&self, [x, gamma]: [&[f32]; 2], [dy, d_gamma]: [&mut [f32]; 2]) {
        let inverse = self.inverse_root(x);
        for ((sum, dy), x) in d_gamma.iter_mut().zip(dy.iter()).zip(x) {
            *sum += dy * x * inverse;
        }
        dy.iter_mut().zip(gamma).for_each(|(dy, gamma)| *dy *= gamma);
        let shared = dot(dy, x) * inverse * inverse / x.len() as f32;
        for (dy, x) in dy.iter_mut().zip(x) {
            *dy = inverse * (*dy - x * shared);
        }
    }
}

impl HostOp<2> for RmsNorm {
    fn forward(&self, [x, gamma]: [FlexTensor; 2], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let (x, gamma) = (dense(x), dense(gamma));
        let (values, by) = (slice(&x), slice(&gamma));
        let width = by.len().max(1);
        let mut out = vec![0.0; values.len()];
        let blocks = out.par_chunks_mut(BLOCK_ROWS * width);
        blocks.zip(values.par_chunks(BLOCK_ROWS * width)).for_each(|(out, x)| {
            vectorized(
                #[inline(always)]
                || self.rows(x, by, out),
            );
        });
        let out = flex(out, dims(&x));
        (out, if tracked { vec![x, gamma] } else { Vec::new() })
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let (x, gamma) = (slice(&kept[0]), slice(&kept[1]));
        let mut gradient = dense(gradient);
        let width = gamma.len();
        let block = BLOCK_ROWS * width.max(1);
        let pairs = slice_mut(&mut gradient).par_chunks_mut(block).zip(x.par_chunks(block));
        let run = |(dy, x): (&mut [f32], &[f32])| {
            let mut d_gamma = vec![0.0; width];
            vectorized(
                #[inline(always)]
                || self.backward_rows([x, gamma], [dy, &mut d_gamma]),
            );
            d_gamma
        };
        let sums: Vec<Vec<f32>> = pairs.map(run).collect();
        [Some(gradient), Some(flex(added(sums, width), [width]))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn fused(x: Tensor<3>, gamma: Tensor<1>) -> Tensor<3> {
        rms_norm(x, gamma, 1e-5)
    }

    fn plain(x: Tensor<3>, gamma: Tensor<1>) -> Tensor<3> {
        composed(x, gamma, 1e-5)
    }

    #[test]
    fn outputs_and_gradients_are_those_of_burn() {
        for [batch, seq, width] in [[1, 1, 3], [1, 1, 8], [2, 33, 7], [3, 5, 129]] {
            for size in [1e-3, 1.0, 1e4] {
                check::twins_2(([batch, seq, width], [width]), size, fused, plain);
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes() {
        check::slopes_2(([1, 3, 4], [4]), fused);
    }

    #[test]
    fn a_row_of_equal_values_is_normed_to_gamma() {
        let device = burn::tensor::Device::flex();
        let x = Tensor::<3>::from_data([[[3.0, -3.0]]], &device);
        let gamma = Tensor::<1>::from_data([2.0, 0.5], &device);
        let found: Vec<f32> = rms_norm(x, gamma, 0.0).into_data().try_to_vec().unwrap();
        assert_eq!(found, [2.0, -0.5]);
    }
}
