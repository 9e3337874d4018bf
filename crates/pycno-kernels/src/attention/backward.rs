//! The backward pass: scores are computed again, block by block; a key/value head of a sequence is one task.

use rayon::prelude::*;

use super::{
    HeadLayout, Segments,
    forward::{Source, soften},
    plan::Block,
};
use crate::{
    matmul::{Output, View, multiply_here, scaled_here},
    simd::{LANES, dot, exp, load, store, subtract, vectorized},
    tile::TileMut,
};

/// What the forward pass left and what came back.
#[derive(Debug)]
pub(super) struct Gradient<'a> {
    /// `[rows, n_heads * d_head]`
    pub(super) context: &'a [f32],
    /// The loss's gradient by it.
    pub(super) by_context: &'a [f32],
    /// `[rows, n_heads]`
    pub(super) log_sums: &'a [f32],
}

/// One key/value head of one sequence, with the places of its gradients.
struct Task<'a> {
    segment: usize,
    kv_head: usize,
    d_queries: TileMut<'a>,
    d_keys: TileMut<'a>,
    d_values: TileMut<'a>,
}

/// The gradient by the packed rows, of sequences that share nothing.
///
/// # Panics
///
/// If a segment has a parent: trees are for scoring, where no gradient is asked for.
pub(super) fn backward(
    given: &Gradient<'_>,
    source: Source<'_>,
    segments: &Segments,
    layout: &HeadLayout,
) -> Vec<f32> {
    let mut found = vec![0.0; segments.rows() * layout.width()];
    tasks(&mut found, segments, layout).into_par_iter().for_each(|task| {
        let head = Head { given, source, layout };
        head.run(task, segments);
    });
    found
}

fn tasks<'a>(found: &'a mut [f32], segments: &Segments, layout: &HeadLayout) -> Vec<Task<'a>> {
    assert!(segments.share_nothing(), "no gradients run through shared beginnings");
    let mut left = found;
    let mut tasks = Vec::new();
    for segment in 0..segments.len() {
        let rows = segments.rows_of(segment).len();
        let (own, rest) = left.split_at_mut(rows * layout.width());
        left = rest;
        let kv = layout.n_kv_heads;
        let widths = (0..3 * kv).map(|i| if i < kv { layout.group() } else { 1 });
        let tile = TileMut::dense(own, [rows, layout.width()]);
        let mut queries = tile.columns(widths.map(|heads| heads * layout.d_head));
        let mut keys = queries.split_off(kv);
        let values = keys.split_off(kv);
        let parts = queries.into_iter().zip(keys).zip(values).enumerate();
        tasks.extend(parts.map(|(kv_head, ((d_queries, d_keys), d_values))| Task {
            segment,
            kv_head,
            d_queries,
            d_keys,
            d_values,
        }));
    }
    tasks
}

struct Head<'a> {
    given: &'a Gradient<'a>,
    source: Source<'a>,
    layout: &'a HeadLayout,
}

/// Scratch of a block: weights, and the gradients by them.
#[derive(Default)]
struct Scratch {
    weights: Vec<f32>,
    gradients: Vec<f32>,
}

impl Head<'_> {
    fn run(&self, mut task: Task<'_>, segments: &Segments) {
        let mut scratch = Scratch::default();
        let blocks = segments.blocks_of(task.segment);
        let group = self.layout.group();
        let d_head = self.layout.d_head;
        let first = blocks.first().map_or(0, |block| block.rows.start);
        for (i, block) in (0..group).flat_map(|i| blocks.iter().map(move |block| (i, block))) {
            let head = task.kv_head * group + i;
            self.weights(block, head, &mut scratch);
            let from = [block.rows.start - first, i * d_head];
            let places = [
                task.d_queries.part(from, [block.rows.len(), d_head]),
                task.d_keys.rows(0, block.keys()),
                task.d_values.rows(0, block.keys()),
            ];
            self.add(block, head, &scratch, places);
        }
    }

    /// Attention weights of a block, and the loss's gradients by the scores.
    fn weights(&self, block: &Block, head: usize, scratch: &mut Scratch) {
        let (layout, shape) = (self.layout, [block.rows.len(), block.keys()]);
        let [queries, keys, values] = self.views(block, head);
        for part in [&mut scratch.weights, &mut scratch.gradients] {
            part.clear();
            part.resize(shape[0] * shape[1], 0.0);
        }
        let scores = TileMut::dense(&mut scratch.weights, shape);
        scaled_here(scores, [queries, keys.t()], layout.score_scale(), Output::Overwrite);
        let d_context = self.context(block, head, self.given.by_context);
        let d_weights = TileMut::dense(&mut scratch.gradients, shape);
        multiply_here(d_weights, [d_context, values.t()], Output::Overwrite);
        vectorized(
            #[inline(always)]
            || self.by_scores(block, head, scratch),
        );
    }

    /// Turns scores into weights, and gradients by weights into those by scores.
    #[inline(always)]
    fn by_scores(&self, block: &Block, head: usize, scratch: &mut Scratch) {
        let (layout, keys) = (self.layout, block.keys());
        let rows = scratch.weights.chunks_exact_mut(keys);
        for (i, (weights, gradients)) in
            rows.zip(scratch.gradients.chunks_exact_mut(keys)).enumerate()
        {
            let seen = block.seen(i, layout.window);
            let row = block.rows.start + i;
            let log_sum = self.given.log_sums[row * layout.n_heads + head];
            let at = row * layout.query_width() + head * layout.d_head;
            let at = at..at + layout.d_head;
            let own = dot(&self.given.context[at.clone()], &self.given.by_context[at]);
            for part in [&mut *weights, &mut *gradients] {
                part[..seen.start].fill(0.0);
                part[seen.end..].fill(0.0);
            }
            let scale = layout.score_scale();
            let parts = [&mut weights[seen.clone()], &mut gradients[seen]];
            match layout.softcap {
                None => softmax_backward(parts, log_sum, own, scale),
                Some(cap) => softened_backward(parts, log_sum, own, (scale, cap)),
            }
        }
    }

    /// Adds a block's share to the gradients by keys and values, and writes that by its queries.
    fn add(
        &self,
        block: &Block,
        head: usize,
        scratch: &Scratch,
        [d_queries, d_keys, d_values]: [TileMut<'_>; 3],
    ) {
        let shape = [block.rows.len(), block.keys()];
        let weights = View::dense(&scratch.weights, shape);
        let d_scores = View::dense(&scratch.gradients, shape);
        let [queries, keys, _] = self.views(block, head);
        let d_context = self.context(block, head, self.given.by_context);
        multiply_here(d_values, [weights.t(), d_context], Output::Accumulate);
        multiply_here(d_keys, [d_scores.t(), queries], Output::Accumulate);
        multiply_here(d_queries, [d_scores, keys], Output::Overwrite);
    }

    /// Queries, keys and values of a block.
    fn views(&self, block: &Block, head: usize) -> [View<'_>; 3] {
        let (d_head, kv_head) = (self.layout.d_head, head / self.layout.group());
        let keys = block.rows.end - block.keys()..block.rows.end;
        [
            self.source.queries.head(&block.rows, head, d_head),
            self.source.keys.head(&keys, kv_head, d_head),
            self.source.values.head(&keys, kv_head, d_head),
        ]
    }

    fn context<'b>(&self, block: &Block, head: usize, values: &'b [f32]) -> View<'b> {
        let rows = super::forward::Rows { values, stride: self.layout.query_width(), from: 0 };
        rows.head(&block.rows, head, self.layout.d_head)
    }
}

/// Turns scores into weights and the gradients by weights into those by unscaled scores.
#[inline(always)]
fn softmax_backward([scores, gradients]: [&mut [f32]; 2], log_sum: f32, own: f32, scale: f32) {
    for (scores, gradients) in scores.chunks_mut(LANES).zip(gradients.chunks_mut(LANES)) {
        let weights = exp(subtract(load(scores, f32::NEG_INFINITY), log_sum));
        let mut by = load(gradients, 0.0);
        for (by, weight) in by.iter_mut().zip(weights) {
            *by = weight * (*by - own) * scale;
        }
        store(scores, weights);
        store(gradients, by);
    }
}

/// As [`softmax_backward`], of scores that are softened first: `d (c tanh(s / c)) / d s = 1 - tanh(s / c)^2`.
#[inline(always)]
fn softened_backward(
    [scores, gradients]: [&mut [f32]; 2],
    log_sum: f32,
    own: f32,
    (scale, cap): (f32, f32),
) {
    soften(scores, cap);
    let inverse = cap.recip();
    for (scores, gradients) in scores.chunks_mut(LANES).zip(gradients.chunks_mut(LANES)) {
        let softened = load(scores, f32::NEG_INFINITY);
        let weights = exp(subtract(softened, log_sum));
        let mut by = load(gradients, 0.0);
        for i in 0..LANES {
            let t = softened[i] * inverse;
            by[i] = weights[i] * (by[i] - own) * scale * (1.0 - t * t);
        }
        store(scores, weights);
        store(gradients, by);
    }
}
