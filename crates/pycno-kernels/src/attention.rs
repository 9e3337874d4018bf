//! Causal attention with grouped queries (Ainslie et al. 2023,
//! [arXiv:2305.13245](https://arxiv.org/abs/2305.13245)).

use burn::tensor::{Bool, Tensor, TensorData, module, ops::AttentionModuleOptions};

/// Queries, keys and values after rotation.
#[derive(Clone, Debug)]
pub struct Heads {
    /// `[batch, n_heads, seq, d_head]`
    pub query: Tensor<4>,
    /// `[batch, n_kv_heads, past + seq, d_head]`
    pub key: Tensor<4>,
    /// `[batch, n_kv_heads, past + seq, d_head]`
    pub value: Tensor<4>,
}

/// Computes `softmax(Q K^T / sqrt(d_head) + causal mask) V`, query head `a` reading key/value head
/// `a / (n_heads / n_kv_heads)`. The mask is aligned bottom-right, so that a cache of past keys
/// needs no other.
///
/// `window` limits each query to that many latest keys (Mistral); `None` sees all.
///
/// Keys and values are expanded to all query heads first: Burn 0.22.1 returns garbage for fewer
/// key/value heads under autodiff.
///
/// # Shapes
///
/// - output: `[batch, n_heads, seq, d_head]`
///
/// # Panics
///
/// If `n_heads` is no multiple of `n_kv_heads`.
pub fn causal_attention(heads: Heads, window: Option<usize>) -> Tensor<4> {
    let [_, n_heads, seq, _] = heads.query.dims();
    let [_, n_kv_heads, keys, _] = heads.key.dims();
    assert_eq!(n_heads % n_kv_heads, 0, "{n_heads} query heads over {n_kv_heads} key/value heads");
    let group = n_heads / n_kv_heads;
    let mask = window
        .filter(|window| keys > *window)
        .map(|window| outside_window(seq, keys, window, &heads.query));
    module::attention(
        heads.query,
        expand_groups(heads.key, group),
        expand_groups(heads.value, group),
        mask,
        None,
        AttentionModuleOptions { is_causal: true, ..Default::default() },
    )
}

fn expand_groups(x: Tensor<4>, group: usize) -> Tensor<4> {
    if group == 1 {
        return x;
    }
    let [batch, heads, seq, d_head] = x.dims();
    x.unsqueeze_dim::<5>(2)
        .expand([batch, heads, group, seq, d_head])
        .reshape([batch, heads * group, seq, d_head])
}

/// True where a key lies too far back; `[batch, n_heads, seq, keys]`, as Burn wants it whole.
fn outside_window(seq: usize, keys: usize, window: usize, like: &Tensor<4>) -> Tensor<4, Bool> {
    let [batch, n_heads, _, _] = like.dims();
    let past = keys - seq;
    let hidden: Vec<bool> =
        (0..seq).flat_map(|q| (0..keys).map(move |k| k + window <= past + q)).collect();
    Tensor::<4, Bool>::from_data(TensorData::new(hidden, [1, 1, seq, keys]), &like.device())
        .expand([batch, n_heads, seq, keys])
}
