//! RMS normalization of every query and key head before the rotation (Henry et al. 2020,
//! [arXiv:2010.04245](https://arxiv.org/abs/2010.04245), with RMS in place of L2, as Qwen 3 and Gemma 3 have it).

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use super::HeadLayout;
use crate::{
    extension::{HostOp, run_3},
    host::{dense, dims, flex, narrow, slice, slice_mut},
    linear::added,
    rms_norm::{self, RmsNorm},
    simd::vectorized,
};

/// Rows handled by one thread at a time; fixed, so that bits do not depend on the threads.
const BLOCK_ROWS: usize = 32;

/// Gains of query heads and of key heads, `[d_head]` each, the same for all heads of a kind.
#[derive(Clone, Debug)]
pub struct HeadNorms {
    /// Of queries, then of keys.
    pub gains: [Tensor<1>; 2],
    /// Added to the mean square.
    pub epsilon: f64,
}

impl HeadNorms {
    /// In Burn's operations: queries and keys, `[batch, seq, heads * d_head]` each.
    pub(super) fn composed(self, heads: [Tensor<3>; 2], d_head: usize) -> [Tensor<3>; 2] {
        let mut gains = self.gains.into_iter();
        heads.map(|x| {
            let [batch, seq, width] = x.dims();
            let Some(gain) = gains.next() else { return x };
            let x = x.reshape([batch, seq * width / d_head, d_head]);
            rms_norm::composed(x, gain, self.epsilon).reshape([batch, seq, width])
        })
    }
}

/// Norms queries and keys of packed rows; values stay.
pub(super) fn packed(x: Tensor<3>, norms: HeadNorms, layout: HeadLayout) -> Tensor<3> {
    let widths = [layout.query_width(), layout.key_width()];
    let op = PackedNorm { norm: RmsNorm { epsilon: narrow(norms.epsilon) }, widths };
    run_3(op, x, norms.gains)
}

/// Inputs: packed rows and both gains.
#[derive(Debug)]
struct PackedNorm {
    norm: RmsNorm,
    /// Floats of all query heads and of all key heads in a row.
    widths: [usize; 2],
}

impl PackedNorm {
    #[inline(always)]
    fn rows(&self, x: &[f32], gains: [&[f32]; 2], out: &mut [f32], width: usize) {
        let [queries, keys] = self.widths;
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            self.norm.rows(&x[..queries], gains[0], &mut out[..queries]);
            let keys = queries..queries + keys;
            self.norm.rows(&x[keys.clone()], gains[1], &mut out[keys.clone()]);
            out[keys.end..].copy_from_slice(&x[keys.end..]);
        }
    }

    /// Writes the gradient by `x` over that by the output; gives those by both gains, one behind the other.
    #[inline(always)]
    fn backward_rows(
        &self,
        x: &[f32],
        gains: [&[f32]; 2],
        [dy, sums]: [&mut [f32]; 2],
        width: usize,
    ) {
        let (by_queries, by_keys) = sums.split_at_mut(gains[0].len());
        let [queries, keys] = self.widths;
        for (dy, x) in dy.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let keys = queries..queries + keys;
            let (own, rest) = dy.split_at_mut(queries);
            self.norm.backward_rows([&x[..queries], gains[0]], [own, by_queries]);
            let own = &mut rest[..keys.len()];
            self.norm.backward_rows([&x[keys], gains[1]], [own, by_keys]);
        }
    }
}

impl HostOp<3> for PackedNorm {
    fn forward(&self, inputs: [FlexTensor; 3], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let inputs = inputs.map(dense);
        let [x, gains @ ..] = inputs.each_ref().map(slice);
        let shape = dims(&inputs[0]);
        let width = shape.last().copied().unwrap_or(0).max(1);
        let mut out = vec![0.0; x.len()];
        let blocks = out.par_chunks_mut(BLOCK_ROWS * width).zip(x.par_chunks(BLOCK_ROWS * width));
        blocks.for_each(|(out, x)| {
            vectorized(
                #[inline(always)]
                || self.rows(x, gains, out, width),
            );
        });
        (flex(out, shape), if tracked { inputs.into() } else { Vec::new() })
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [x, gains @ ..] = [&kept[0], &kept[1], &kept[2]].map(slice);
        let d_head = gains[0].len();
        let mut gradient = dense(gradient);
        let width = dims(&gradient).pop().unwrap_or(0).max(1);
        let block = BLOCK_ROWS * width;
        let blocks = slice_mut(&mut gradient).par_chunks_mut(block).zip(x.par_chunks(block));
        let run = |(dy, x): (&mut [f32], &[f32])| {
            let mut sums = vec![0.0; 2 * d_head];
            vectorized(
                #[inline(always)]
                || self.backward_rows(x, gains, [dy, &mut sums], width),
            );
            sums
        };
        let sums: Vec<Vec<f32>> = blocks.map(run).collect();
        let mut by_queries = added(sums, 2 * d_head);
        let by_keys = by_queries.split_off(d_head);
        [Some(gradient), Some(flex(by_queries, [d_head])), Some(flex(by_keys, [d_head]))]
    }
}
