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
mod packed;
mod plan;

use std::sync::Arc;

use burn::tensor::Tensor;

pub use cache::KvCache;
pub use plan::Segments;

use crate::{
    extension::run_1,
    host::fusable,
    linear::{add_bias, project_3},
    rope::RopeTable,
};

/// How many heads of what size, and how far they look back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadLayout {
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads; a divisor of the query heads.
    pub n_kv_heads: usize,
    /// Floats a head.
    pub d_head: usize,
    /// Latest keys each query sees (Mistral); `None` sees all.
    pub window: Option<usize>,
}

/// The projections to queries, keys and values.
#[derive(Clone, Debug)]
pub struct Qkv {
    /// `[n_heads * d_head, d_model]`, then `[n_kv_heads * d_head, d_model]` twice.
    pub weights: [Tensor<2>; 3],
    /// Their biases, if there are any.
    pub biases: Option<[Tensor<1>; 3]>,
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

/// Computes `softmax(Q K^T / sqrt(d_head) + causal mask) V` of rotated queries and keys, query head `a`
/// reading key/value head `a / (n_heads / n_kv_heads)`.
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
/// If `n_heads` is no multiple of `n_kv_heads`, `rope` has another number of positions, or a tree or cache
/// is of another size.
pub fn self_attention(
    x: Tensor<3>,
    projections: Qkv,
    layout: HeadLayout,
    rope: &RopeTable,
    arrangement: Arrangement<'_>,
) -> Tensor<3> {
    let HeadLayout { n_heads, n_kv_heads, .. } = layout;
    assert_eq!(n_heads % n_kv_heads, 0, "{n_heads} query heads over {n_kv_heads} key/value heads");
    let [batch, seq, _] = x.dims();
    assert_eq!(rope.len(), seq, "a position for every token");
    if !fusable(&x) || (x.is_autodiff() && !matches!(arrangement, Arrangement::Batch)) {
        return composed::self_attention(&x, projections, layout, rope, arrangement);
    }
    let packed = project_3(x, projections.weights);
    let packed = match projections.biases {
        Some(biases) => add_bias(packed, Tensor::cat(biases.to_vec(), 0)),
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
