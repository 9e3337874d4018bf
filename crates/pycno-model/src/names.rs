//! Hugging Face's tensor names for the llama family, and the shape each must have.

use std::collections::BTreeMap;

use crate::ModelSpec;

/// The embedding, `[vocab, d_model]`.
pub const EMBEDDING: &str = "model.embed_tokens.weight";
/// The norm before the head, `[d_model]`.
pub const FINAL_NORM: &str = "model.norm.weight";
/// The head, `[vocab, d_model]`; absent where it is tied to the embedding.
pub const HEAD: &str = "lm_head.weight";

/// The full name of a tensor of a layer, such as `self_attn.q_proj.weight` of layer 3.
pub fn in_layer(layer_idx: usize, part: &str) -> String {
    format!("model.layers.{layer_idx}.{part}")
}

/// Splits `model.layers.3.mlp.up_proj.weight` into `(3, "mlp.up_proj.weight")`.
pub fn layer_of(name: &str) -> Option<(usize, &str)> {
    let (index, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
    Some((index.parse().ok()?, part))
}

/// Whether a tensor is embedding or head, which non-embedding counts leave out.
pub fn is_embedding(name: &str) -> bool {
    name == EMBEDDING || name == HEAD
}

/// Every tensor the spec calls for, with its shape in Hugging Face's layout.
pub fn expected_shapes(spec: &ModelSpec) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = BTreeMap::from([
        (EMBEDDING.to_owned(), vec![spec.vocab, spec.d_model]),
        (FINAL_NORM.to_owned(), vec![spec.d_model]),
    ]);
    if !spec.tied {
        shapes.insert(HEAD.to_owned(), vec![spec.vocab, spec.d_model]);
    }
    for layer_idx in 0..spec.layers.len() {
        let layer = layer_shapes(spec, layer_idx);
        shapes.extend(layer.into_iter().map(|(part, shape)| (in_layer(layer_idx, part), shape)));
    }
    shapes
}

fn layer_shapes(spec: &ModelSpec, layer_idx: usize) -> Vec<(&'static str, Vec<usize>)> {
    let layer = spec.layers[layer_idx];
    let d = spec.d_model;
    let (q, kv, f) = (layer.n_heads * spec.d_head, layer.n_kv_heads * spec.d_head, layer.d_ffn);
    let mut shapes = vec![
        ("input_layernorm.weight", vec![d]),
        ("post_attention_layernorm.weight", vec![d]),
        ("self_attn.q_proj.weight", vec![q, d]),
        ("self_attn.k_proj.weight", vec![kv, d]),
        ("self_attn.v_proj.weight", vec![kv, d]),
        ("self_attn.o_proj.weight", vec![d, q]),
        ("mlp.gate_proj.weight", vec![f, d]),
        ("mlp.up_proj.weight", vec![f, d]),
        ("mlp.down_proj.weight", vec![d, f]),
    ];
    if spec.attention_bias {
        shapes.extend([
            ("self_attn.q_proj.bias", vec![q]),
            ("self_attn.k_proj.bias", vec![kv]),
            ("self_attn.v_proj.bias", vec![kv]),
            ("self_attn.o_proj.bias", vec![d]),
        ]);
    }
    if spec.mlp_bias {
        shapes.extend([
            ("mlp.gate_proj.bias", vec![f]),
            ("mlp.up_proj.bias", vec![f]),
            ("mlp.down_proj.bias", vec![d]),
        ]);
    }
    shapes
}
