//! The forward pass: a block of queries at a time, head after head.

use rayon::prelude::*;

use super::{HeadLayout, plan::Block};
use crate::{
    matmul::{Output, View, multiply_here, scaled_here},
    simd::{LANES, exp, load, store, subtract, sum, tanh, times, vectorized},
    tile::TileMut,
};

/// Rows of `stride` floats, in which heads lie side by side from `from` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) from: usize,
}

impl<'a> Rows<'a> {
    /// One head's part of some rows.
    pub(super) fn head(
        &self,
        rows: &std::ops::Range<usize>,
        head: usize,
        d_head: usize,
    ) -> View<'a> {
        let start = rows.start * self.stride + self.from + head * d_head;
        View::strided(&self.values[start..], [rows.len(), d_head], self.stride)
    }
}

/// Where queries, keys and values lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) queries: Rows<'a>,
    pub(super) keys: Rows<'a>,
    pub(super) values: Rows<'a>,
}

/// Queries and where they and their keys are found.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) block: Block,
    pub(super) source: Source<'a>,
}

/// Contexts of all queries, `[rows, n_heads * d_head]`, and `ln sum_k e^score` of each, `[rows, n_heads]`.
///
/// The blocks' rows must follow on each other from 0.
pub(super) fn forward(work: Vec<Work<'_>>, layout: &HeadLayout) -> (Vec<f32>, Vec<f32>) {
    let rows = work.last().map_or(0, |work| work.block.rows.end);
    let mut contexts = vec![0.0; rows * layout.query_width()];
    let mut log_sums = vec![0.0; rows * layout.n_heads];
    let (mut contexts_left, mut sums_left) = (&mut contexts[..], &mut log_sums[..]);
    let mut shares = Vec::new();
    for work in work {
        let n = work.block.rows.len();
        let (context, rest) = contexts_left.split_at_mut(n * layout.query_width());
        let (sums, rest_sums) = sums_left.split_at_mut(n * layout.n_heads);
        (contexts_left, sums_left) = (rest, rest_sums);
        shares.push((work, context, sums));
    }
    let run = |(work, context, sums): (Work<'_>, &mut [f32], &mut [f32])| {
        work.run(layout, context, sums);
    };
    if shares.len() < 2 {
        shares.into_iter().for_each(run);
    } else {
        shares.into_par_iter().for_each(run);
    }
    (contexts, log_sums)
}

impl Work<'_> {
    fn run(&self, layout: &HeadLayout, context: &mut [f32], log_sums: &mut [f32]) {
        let n = self.block.rows.len();
        let mut scores = vec![0.0; n * self.block.keys()];
        let context = TileMut::dense(context, [n, layout.query_width()]);
        let heads = context.columns((0..layout.n_heads).map(|_| layout.d_head));
        for (head, mut out) in heads.into_iter().enumerate() {
            self.scores(layout, head, &mut scores);
            let sums = self.softmax(layout, &mut scores);
            self.weigh(layout, head, &scores, out.reborrow());
            for (i, [top, sum]) in sums.into_iter().enumerate() {
                let inverse = sum.recip();
                out.row_mut(i).iter_mut().for_each(|x| *x *= inverse);
                log_sums[i * layout.n_heads + head] = top + sum.ln();
            }
        }
    }

    /// `scale q k^T` of all keys up to the last query's.
    fn scores(&self, layout: &HeadLayout, head: usize, scores: &mut [f32]) {
        let queries = self.source.queries.head(&self.block.rows, head, layout.d_head);
        let widths = self.block.spans.iter().map(ExactSizeIterator::len);
        let scores = TileMut::dense(scores, [self.block.rows.len(), self.block.keys()]);
        for (tile, span) in scores.columns(widths).into_iter().zip(&self.block.spans) {
            let keys = self.source.keys.head(span, head / layout.group(), layout.d_head);
            scaled_here(tile, [queries, keys.t()], layout.score_scale(), Output::Overwrite);
        }
    }

    /// Turns scores into `e^(score - top)` where a query sees the key and 0 elsewhere; gives each row's
    /// top and sum.
    fn softmax(&self, layout: &HeadLayout, scores: &mut [f32]) -> Vec<[f32; 2]> {
        let mut sums = Vec::with_capacity(self.block.rows.len());
        vectorized(
            #[inline(always)]
            || self.exponentials(layout, scores, &mut sums),
        );
        sums
    }

    // A plain loop: an iterator's `collect` is a call, which leaves the vector unit.
    #[inline(always)]
    fn exponentials(&self, layout: &HeadLayout, scores: &mut [f32], sums: &mut Vec<[f32; 2]>) {
        for (i, row) in scores.chunks_exact_mut(self.block.keys()).enumerate() {
            let seen = self.block.seen(i, layout.window);
            row[..seen.start].fill(0.0);
            row[seen.end..].fill(0.0);
            if let Some(cap) = layout.softcap {
                soften(&mut row[seen.clone()], cap);
            }
            sums.push(exponentials(&mut row[seen]));
        }
    }

    fn weigh(&self, layout: &HeadLayout, head: usize, weights: &[f32], mut out: TileMut<'_>) {
        let weights = View::dense(weights, [self.block.rows.len(), self.block.keys()]);
        let mut from = 0;
        for (i, span) in self.block.spans.iter().enumerate() {
            let values = self.source.values.head(span, head / layout.group(), layout.d_head);
            let output = if i == 0 { Output::Overwrite } else { Output::Accumulate };
            multiply_here(out.reborrow(), [weights.cols(from, span.len()), values], output);
            from += span.len();
        }
    }
}

/// Turns scores into `cap tanh(score / cap)`.
#[inline(always)]
pub(super) fn soften(row: &mut [f32], cap: f32) {
    for chunk in row.chunks_mut(LANES) {
        let softened = times(tanh(times(load(chunk, 0.0), cap.recip())), cap);
        store(chunk, softened);
    }
}

/// Turns scores into `e^(score - top)`; gives top and sum.
#[inline(always)]
fn exponentials(row: &mut [f32]) -> [f32; 2] {
    let mut tops = [f32::NEG_INFINITY; LANES];
    for chunk in row.chunks(LANES) {
        for (top, x) in tops.iter_mut().zip(load(chunk, f32::NEG_INFINITY)) {
            // `NaN` compares false and shows up in the sum instead.
            *top = if x > *top { x } else { *top };
        }
    }
    let top = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0; LANES];
    for chunk in row.chunks_mut(LANES) {
        let e = exp(subtract(load(chunk, f32::NEG_INFINITY), top));
        for (sum, e) in sums.iter_mut().zip(e) {
            *sum += e;
        }
        store(chunk, e);
    }
    [top, sum(sums)]
}
