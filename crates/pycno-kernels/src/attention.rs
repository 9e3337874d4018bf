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
    x.unsqueeze_dim::<5>(2).expand([batch, heads, group, seq, d_head]).reshape([
        batch,
        heads * group,
        seq,
        d_head,
    ])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    fn host(x: Tensor<4>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    /// The formula in `f64`, head by head and query by query; one sequence.
    fn reference(heads: &Heads, window: usize) -> Vec<f64> {
        let [_, n_heads, seq, d] = heads.query.dims();
        let [_, n_kv_heads, keys, _] = heads.key.dims();
        let [query, key, value] = [&heads.query, &heads.key, &heads.value].map(|x| host(x.clone()));
        let mut out = Vec::new();
        for (head, q) in (0..n_heads).flat_map(|head| (0..seq).map(move |q| (head, q))) {
            let row = |x: &[f64], at: usize| x[at * d..(at + 1) * d].to_vec();
            let group = head / (n_heads / n_kv_heads);
            let last = keys - seq + q;
            let seen: Vec<usize> = (0..=last).filter(|k| k + window > last).collect();
            let query = row(&query, head * seq + q);
            let logit = |k: &usize| -> f64 {
                let key = row(&key, group * keys + k);
                query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt()
            };
            let weights: Vec<f64> = seen.iter().map(|k| logit(k).exp()).collect();
            let sum: f64 = weights.iter().sum();
            out.extend((0..d).map(|i| {
                let values = seen.iter().map(|k| value[(group * keys + k) * d + i]);
                weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / sum
            }));
        }
        out
    }

    #[track_caller]
    fn check([n_heads, n_kv_heads, seq, keys]: [usize; 4], window: Option<usize>) {
        let mut noise = Noise::new(seq as u64);
        let heads = Heads {
            query: noise.tensor([1, n_heads, seq, 4], 1.0),
            key: noise.tensor([1, n_kv_heads, keys, 4], 1.0),
            value: noise.tensor([1, n_kv_heads, keys, 4], 1.0),
        };
        let expect = reference(&heads, window.unwrap_or(usize::MAX / 2));
        let tracked =
            Heads { query: heads.query.clone().autodiff().require_grad(), ..heads.clone() };
        for found in [causal_attention(heads, window), causal_attention(tracked, window).inner()] {
            assert_eq!(found.dims(), [1, n_heads, seq, 4]);
            for (found, expect) in host(found).iter().zip(&expect) {
                assert!((found - expect).abs() < 1e-5, "{found} {expect}");
            }
        }
    }

    #[test]
    fn queries_share_keys_by_group_and_see_only_the_past() {
        check([4, 2, 5, 5], None);
        check([3, 3, 7, 7], None);
        check([6, 1, 1, 1], None);
    }

    #[test]
    fn a_cache_of_past_keys_needs_no_other_mask() {
        check([4, 2, 1, 6], None);
        check([2, 1, 3, 8], None);
    }

    #[test]
    fn a_window_hides_what_lies_further_back() {
        check([2, 1, 6, 6], Some(3));
        check([2, 2, 2, 9], Some(4));
        check([2, 2, 4, 4], Some(4));
    }
}
