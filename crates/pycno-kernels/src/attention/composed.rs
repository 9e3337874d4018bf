//! The same in Burn's operations: for devices whose memory the host cannot reach, for half precision, and
//! the oracle of the host's version.

use burn::tensor::{Bool, Tensor, TensorData, module, ops::AttentionModuleOptions};

use super::{Arrangement, HeadLayout, Qkv, Segments, cache::Stored};
use crate::{KvCache, linear::separate, rope::RopeTable};

/// Queries, keys and values after rotation, `[batch, heads, tokens, d_head]` each.
#[derive(Clone, Debug)]
struct Heads {
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
}

/// [`super::self_attention`] in Burn's operations.
///
/// # Panics
///
/// As that.
pub fn self_attention(
    x: &Tensor<3>,
    projections: Qkv,
    layout: HeadLayout,
    rope: &RopeTable,
    arrangement: Arrangement<'_>,
) -> Tensor<3> {
    let [batch, seq, _] = x.dims();
    let [query, key, value] = separate(x, projections.weights, projections.biases);
    let split = |x: Tensor<3>, n| x.reshape([batch, seq, n, layout.d_head]).swap_dims(1, 2);
    let [query, key] = match projections.norms {
        Some(norms) => norms.composed([query, key], layout.d_head),
        None => [query, key],
    };
    let heads = Heads {
        query: rope.rotate(split(query, layout.n_heads)),
        key: rope.rotate(split(key, layout.n_kv_heads)),
        value: split(value, layout.n_kv_heads),
    };
    let context = match arrangement {
        Arrangement::Batch => causal(heads, layout),
        Arrangement::Cached(cache) => causal(cache.joined(heads), layout),
        Arrangement::Tree(segments) => tree(&heads, segments, layout),
    };
    context.swap_dims(1, 2).reshape([batch, seq, layout.query_width()])
}

impl KvCache {
    fn joined(&mut self, heads: Heads) -> Heads {
        let Heads { query, key, value } = heads;
        let (key, value) = match std::mem::take(&mut self.0) {
            Stored::Device(stored) => {
                let [k, v] = *stored;
                (Tensor::cat(vec![k, key], 2), Tensor::cat(vec![v, value], 2))
            }
            Stored::Nothing => (key, value),
            Stored::Host(_) => unreachable!("a cache stays on the device of its model"),
        };
        self.0 = Stored::Device(Box::new([key.clone(), value.clone()]));
        Heads { query, key, value }
    }
}

/// Segment by segment, each with the keys of those above it.
fn tree(heads: &Heads, segments: &Segments, layout: HeadLayout) -> Tensor<4> {
    let contexts = (0..segments.len()).map(|i| {
        let own = segments.rows_of(i);
        let spans: Vec<_> = segments.before(i).into_iter().chain([own.clone()]).collect();
        let part = |x: &Tensor<4>, rows: &std::ops::Range<usize>| {
            x.clone().narrow(2, rows.start, rows.len())
        };
        let all = |x| Tensor::cat(spans.iter().map(|rows| part(x, rows)).collect(), 2);
        let heads = Heads {
            query: part(&heads.query, &own),
            key: all(&heads.key),
            value: all(&heads.value),
        };
        causal(heads, layout)
    });
    Tensor::cat(contexts.collect(), 2)
}

/// Causal attention; the mask is aligned bottom-right, so that past keys need no other.
///
/// Keys and values are expanded to all query heads first: Burn 0.22.1 returns garbage for fewer
/// key/value heads under autodiff.
fn causal(heads: Heads, layout: HeadLayout) -> Tensor<4> {
    let (seq, keys) = (heads.query.dims()[2], heads.key.dims()[2]);
    let mask = layout
        .window
        .filter(|window| keys > *window)
        .map(|window| outside_window(seq, keys, window, &heads.query));
    module::attention(
        heads.query,
        expand_groups(heads.key, layout.group()),
        expand_groups(heads.value, layout.group()),
        mask,
        None,
        AttentionModuleOptions {
            is_causal: true,
            scale: layout.scale.map(f64::from),
            softcap: layout.softcap.map(f64::from),
        },
    )
}

fn expand_groups(x: Tensor<4>, group: usize) -> Tensor<4> {
    if group == 1 {
        return x;
    }
    let [batch, heads, seq, d_head] = x.dims();
    let expanded = x.unsqueeze_dim::<5>(2).expand([batch, heads, group, seq, d_head]);
    expanded.reshape([batch, heads * group, seq, d_head])
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
