//! Causal self-attention with grouped queries (Ainslie et al. 2023,
//! [arXiv:2305.13245](https://arxiv.org/abs/2305.13245)): from the normed residual stream to the context that
//! the output projection reads.
//!
//! On the host, projections, rotation and attention work on one packed matrix, `[queries | keys | values]` a
//! row, without copies: keys and values are not expanded to all query heads, and scores exist for a block of
//! queries at a time, forward and backward (Dao et al. 2022, [arXiv:2205.14135](https://arxiv.org/abs/2205.14135),
//! algorithms 1 and 4, with the softmax of a row computed in one piece). Elsewhere the same is composed of Burn's
//! operations.

mod backward;
mod cache;
pub(crate) mod composed;
mod forward;
mod head_norm;
mod packed;
mod plan;

use std::sync::Arc;

use burn::tensor::Tensor;

pub use cache::KvCache;
pub use head_norm::HeadNorms;
pub use plan::Segments;

use crate::{
    extension::run_1,
    host::fusable,
    linear::{add_bias, project_3},
    rope::RopeTable,
};

/// How many heads of what size, how far they look back, and what becomes of their scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadLayout {
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads; a divisor of the query heads.
    pub n_kv_heads: usize,
    /// Floats a head.
    pub d_head: usize,
    /// Latest keys each query sees (Mistral); `None` sees all.
    pub window: Option<usize>,
    /// Factor on scores; `None` is `1 / sqrt(d_head)`.
    pub scale: Option<f32>,
    /// Scaled scores become `c tanh(score / c)` (Gemma 2); a positive number.
    pub softcap: Option<f32>,
}

/// The projections to queries, keys and values.
#[derive(Clone, Debug)]
pub struct Qkv {
    /// `[n_heads * d_head, d_model]`, then `[n_kv_heads * d_head, d_model]` twice.
    pub weights: [Tensor<2>; 3],
    /// Their biases, if there are any.
    pub biases: Option<[Tensor<1>; 3]>,
    /// Norms of every query and key head before the rotation, if there are any.
    pub norms: Option<HeadNorms>,
}

/// How the rows of a pass belong together.
#[derive(Debug)]
pub enum Arrangement<'a> {
    /// A batch of sequences of one length.
    Batch,
    /// The same, each the continuation of what the cache holds; the cache grows.
    Cached(&'a mut KvCache),
    /// One batch of one: sequences that share their beginnings.
    Tree(&'a Segments),
}

impl HeadLayout {
    /// Heads that see everything before them, with scores as they are.
    pub const fn plain(n_heads: usize, n_kv_heads: usize, d_head: usize) -> Self {
        Self { n_heads, n_kv_heads, d_head, window: None, scale: None, softcap: None }
    }

    /// Factor on scores.
    pub(crate) fn score_scale(&self) -> f32 {
        self.scale.unwrap_or_else(|| (self.d_head as f32).sqrt().recip())
    }

    /// Panics for what cannot be computed.
    fn check(&self, rope: &RopeTable, seq: usize) {
        let Self { n_heads, n_kv_heads, d_head, softcap, .. } = *self;
        let heads = "query heads over key/value heads";
        assert_eq!(n_heads % n_kv_heads, 0, "{n_heads} {heads} {n_kv_heads}");
        assert_eq!(rope.width(), d_head, "rotated features of a head");
        assert_eq!(rope.len(), seq, "a position for every token");
        assert!(softcap.is_none_or(|cap| cap > 0.0), "softcap {softcap:?}");
    }

    /// Query heads that share a key/value head.
    pub(crate) const fn group(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    /// Floats of all query heads.
    pub(crate) const fn query_width(&self) -> usize {
        self.n_heads * self.d_head
    }

    /// Floats of all key heads, as of all value heads.
    pub(crate) const fn key_width(&self) -> usize {
        self.n_kv_heads * self.d_head
    }

    /// Floats in a row of queries, keys and values.
    pub(crate) const fn width(&self) -> usize {
        self.query_width() + 2 * self.key_width()
    }
}

/// Computes `softmax(cap(scale Q K^T) + causal mask) V` of rotated queries and keys, query head `a` reading
/// key/value head `a / (n_heads / n_kv_heads)`; `cap` is nothing, or the softcap of [`HeadLayout`].
///
/// The number of threads changes no bit: a block of queries, or in the backward pass a key/value head of a
/// sequence, belongs to one thread.
///
/// # Shapes
///
/// - `x`: `[batch, seq, d_model]`
/// - `rope`: the positions of the `seq` tokens, the same for each sequence
/// - output: `[batch, seq, n_heads * d_head]`
///
/// # Panics
///
/// If `n_heads` is no multiple of `n_kv_heads`, `rope` is of another width or number of positions, a softcap is
/// not positive, or a tree or cache is of another size.
pub fn self_attention(
    x: Tensor<3>,
    projections: Qkv,
    layout: HeadLayout,
    rope: &RopeTable,
    arrangement: Arrangement<'_>,
) -> Tensor<3> {
    let [batch, seq, _] = x.dims();
    layout.check(rope, seq);
    if !fusable(&x) || (x.is_autodiff() && !matches!(arrangement, Arrangement::Batch)) {
        return composed::self_attention(&x, projections, layout, rope, arrangement);
    }
    let packed = project_3(x, projections.weights);
    let packed = match projections.biases {
        Some(biases) => add_bias(packed, Tensor::cat(biases.to_vec(), 0)),
        None => packed,
    };
    let packed = match projections.norms {
        Some(norms) => head_norm::packed(packed, norms, layout),
        None => packed,
    };
    let segments = match arrangement {
        Arrangement::Batch => Segments::separate(batch, seq),
        Arrangement::Tree(segments) => segments.clone(),
        Arrangement::Cached(cache) => return cache.extend(packed, layout, rope),
    };
    assert_eq!(segments.rows(), batch * seq, "rows of the tree");
    run_1(packed::Packed { layout, rope: rope.clone(), segments: Arc::new(segments) }, packed)
}

#[cfg(test)]
mod tests;
