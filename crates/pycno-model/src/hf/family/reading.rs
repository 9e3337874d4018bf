//! What configs of several families have in common, read.

use serde_json::Value;

use super::super::keys::Keys;
use crate::{
    Activation, AttentionSpec, FfnSpec, LayerSpec, Llama3Scaling, ModelError, ModelSpec, NormSpec,
    RopeScaling, RopeSpec,
};

/// Layers beyond this are taken for a mistake.
const MOST_LAYERS: usize = 1 << 16;
/// The frequencies' base where a file names none, as in `transformers`.
pub(super) const DEFAULT_THETA: f64 = 10_000.0;
/// Keys whose arrays have nothing to do with layers, whatever their length.
const NOT_PER_LAYER: [&str; 2] = ["architectures", "eos_token_id"];
/// Keys that say the weights are not what their names suggest, and what is expected instead.
const REFUSED: [(&str, &str); 3] = [
    ("quantization_config", "no quantization (weights in F32, F16 or BF16)"),
    ("per_layer_config", "layers of one shape"),
    ("compression_config", "no compression"),
];
/// A layer that sees only its window, in `layer_types`.
pub(super) const SLIDING: &str = "sliding_attention";
/// A layer that sees everything before it, in `layer_types`.
pub(super) const FULL: &str = "full_attention";

/// What an absent key means in a family; `None` where it must be there.
pub(super) struct Defaults {
    pub(super) vocab: Option<usize>,
    pub(super) d_model: Option<usize>,
    pub(super) d_ffn: Option<usize>,
    pub(super) n_layers: Option<usize>,
    pub(super) n_heads: Option<usize>,
    /// `None`: as many as query heads. A null key means that in any family.
    pub(super) n_kv_heads: Option<usize>,
    /// `None`: what the heads make of the width.
    pub(super) d_head: Option<usize>,
    pub(super) max_positions: usize,
    pub(super) tied: bool,
}

impl Defaults {
    /// A config says all sizes; only positions have a default.
    pub(super) const fn sizes_given(max_positions: usize) -> Self {
        Self {
            vocab: None,
            d_model: None,
            d_ffn: None,
            n_layers: None,
            n_heads: None,
            n_kv_heads: None,
            d_head: None,
            max_positions,
            tied: false,
        }
    }
}

/// The numbers of a model whose layers are of one size.
pub(super) struct Shape {
    vocab: usize,
    d_model: usize,
    d_ffn: usize,
    pub(super) n_layers: usize,
    n_heads: usize,
    n_kv_heads: usize,
    pub(super) d_head: usize,
    eps: f64,
    max_positions: usize,
    tied: bool,
}

impl Shape {
    /// Reads them, and refuses what no family here knows.
    pub(super) fn read(keys: &Keys<'_>, defaults: &Defaults) -> Result<Self, ModelError> {
        refuse_unknown(keys)?;
        let n_layers = keys.size_or_given("num_hidden_layers", defaults.n_layers)?;
        if n_layers > MOST_LAYERS {
            return Err(keys.wrong("num_hidden_layers", &format!("at most {MOST_LAYERS}")));
        }
        refuse_layer_lists(keys, n_layers)?;
        let n_heads = keys.size_or_given("num_attention_heads", defaults.n_heads)?;
        let d_model = keys.size_or_given("hidden_size", defaults.d_model)?;
        Ok(Self {
            vocab: keys.size_or_given("vocab_size", defaults.vocab)?,
            d_model,
            d_ffn: keys.size_or_given("intermediate_size", defaults.d_ffn)?,
            n_layers,
            n_heads,
            n_kv_heads: n_kv_heads(keys, n_heads, defaults.n_kv_heads)?,
            d_head: d_head(keys, d_model, n_heads, defaults.d_head)?,
            eps: keys.positive_or("rms_norm_eps", 1e-6)?,
            max_positions: keys.size_or("max_position_embeddings", defaults.max_positions)?,
            tied: keys.bool_or("tie_word_embeddings", defaults.tied)?,
        })
    }

    /// Attention without options.
    pub(super) const fn attention(&self, rope: RopeSpec) -> AttentionSpec {
        AttentionSpec::plain(self.n_heads, self.n_kv_heads, self.d_head, rope)
    }

    /// An FFN without biases.
    pub(super) const fn ffn(&self, activation: Activation) -> FfnSpec {
        FfnSpec { d_ffn: self.d_ffn, activation, bias: false }
    }

    /// The model of these layers.
    pub(super) fn model(&self, layers: Vec<LayerSpec>) -> ModelSpec {
        ModelSpec {
            vocab: self.vocab,
            d_model: self.d_model,
            layers,
            norm: NormSpec::plain(self.eps),
            tied: self.tied,
            max_positions: self.max_positions,
            embedding_scale: None,
            logit_softcap: None,
        }
    }
}

/// Keys that say the weights are not what their names suggest.
fn refuse_unknown(keys: &Keys<'_>) -> Result<(), ModelError> {
    for (key, expected) in REFUSED {
        if keys.get(key).is_some() {
            return Err(keys.wrong(key, expected));
        }
    }
    if (keys.positive_or("partial_rotary_factor", 1.0)? - 1.0).abs() > 0.0 {
        return Err(keys.wrong("partial_rotary_factor", "1"));
    }
    Ok(())
}

/// An array of the layers' number probably says something per layer; only `layer_types` is known.
fn refuse_layer_lists(keys: &Keys<'_>, n_layers: usize) -> Result<(), ModelError> {
    for (key, value) in keys.all() {
        let per_layer = value.as_array().is_some_and(|list| list.len() == n_layers);
        let known = key == "layer_types" || NOT_PER_LAYER.contains(&key.as_str());
        if per_layer && !known {
            return Err(keys.wrong(key, "no list with an entry per layer"));
        }
    }
    Ok(())
}

/// The one activation a family has, under its key.
pub(super) fn expect_activation(
    keys: &Keys<'_>,
    key: &str,
    expected: &str,
) -> Result<(), ModelError> {
    match keys.get(key) {
        None => Ok(()),
        Some(Value::String(found)) if found == expected => Ok(()),
        Some(_) => Err(keys.wrong(key, expected)),
    }
}

/// A key that must be absent, null or false.
pub(super) fn expect_false(keys: &Keys<'_>, key: &str, why: &str) -> Result<(), ModelError> {
    if keys.bool_or(key, false)? { Err(keys.wrong(key, why)) } else { Ok(()) }
}

/// For every layer whether it sees only its window; `None` without `layer_types`.
pub(super) fn layer_types(
    keys: &Keys<'_>,
    n_layers: usize,
) -> Result<Option<Vec<bool>>, ModelError> {
    let Some(types) = keys.get("layer_types") else { return Ok(None) };
    let wrong = || {
        let expected = format!("a list of {n_layers} of {FULL}, {SLIDING}");
        keys.wrong("layer_types", &expected)
    };
    let list = types.as_array().filter(|list| list.len() == n_layers).ok_or_else(wrong)?;
    let slides = |kind: &Value| match kind.as_str() {
        Some(SLIDING) => Ok(true),
        Some(FULL) => Ok(false),
        _ => Err(wrong()),
    };
    list.iter().map(slides).collect::<Result<_, _>>().map(Some)
}

/// Refuses `layer_types` other than full attention everywhere.
pub(super) fn expect_full_attention(keys: &Keys<'_>) -> Result<(), ModelError> {
    let Some(types) = keys.get("layer_types") else { return Ok(()) };
    let full = |list: &Vec<Value>| list.iter().all(|kind| kind == FULL);
    if types.as_array().is_some_and(full) {
        Ok(())
    } else {
        Err(keys.wrong("layer_types", "full_attention in every layer"))
    }
}

fn n_kv_heads(
    keys: &Keys<'_>,
    n_heads: usize,
    default: Option<usize>,
) -> Result<usize, ModelError> {
    let absent = !keys.all().contains_key("num_key_value_heads");
    let default = default.filter(|_| absent).unwrap_or(n_heads);
    let n_kv_heads = keys.size_or("num_key_value_heads", default)?;
    if n_heads.is_multiple_of(n_kv_heads) {
        return Ok(n_kv_heads);
    }
    let expected = format!("a multiple of num_key_value_heads ({n_kv_heads})");
    Err(keys.wrong("num_attention_heads", &expected))
}

fn d_head(
    keys: &Keys<'_>,
    d_model: usize,
    n_heads: usize,
    default: Option<usize>,
) -> Result<usize, ModelError> {
    let explicit = keys.get("head_dim").is_some();
    if !explicit && default.is_none() && !d_model.is_multiple_of(n_heads) {
        return Err(keys.wrong("hidden_size", &format!("a multiple of the {n_heads} heads")));
    }
    let d_head = keys.size_or("head_dim", default.unwrap_or(d_model / n_heads))?;
    if d_head.is_multiple_of(2) {
        return Ok(d_head);
    }
    let key = if explicit { "head_dim" } else { "hidden_size" };
    Err(keys.wrong(key, &format!("heads of an even width (rotary pairs), not {d_head}")))
}

/// `rope_theta` and `rope_scaling`, or both inside `rope_parameters` (`transformers` 5).
pub(super) fn rope(keys: &Keys<'_>) -> Result<RopeSpec, ModelError> {
    let outer = keys.positive_or("rope_theta", DEFAULT_THETA)?;
    if let Some(inner) = keys.table("rope_parameters")? {
        return rope_in(&inner, outer);
    }
    let scaling = keys.table("rope_scaling")?.map_or(Ok(None), |table| scaling(&table))?;
    Ok(RopeSpec { theta: outer, scaling })
}

/// A table of `rope_parameters`; `theta` where it names none.
pub(super) fn rope_in(table: &Keys<'_>, theta: f64) -> Result<RopeSpec, ModelError> {
    if (table.positive_or("partial_rotary_factor", 1.0)? - 1.0).abs() > 0.0 {
        return Err(table.wrong("partial_rotary_factor", "1"));
    }
    Ok(RopeSpec { theta: table.positive_or("rope_theta", theta)?, scaling: scaling(table)? })
}

/// How a rotary table scales frequencies.
pub(super) fn scaling(keys: &Keys<'_>) -> Result<Option<RopeScaling>, ModelError> {
    // Older files say `type`.
    let key = if keys.get("rope_type").is_none() { "type" } else { "rope_type" };
    match keys.get(key).and_then(Value::as_str) {
        Some("llama3") => llama3(keys).map(Some),
        Some("linear") => {
            keys.positive("factor").map(|factor| Some(RopeScaling::Linear { factor }))
        }
        Some("default") => Ok(None),
        _ => Err(keys.wrong("rope_type", "one of default, linear, llama3")),
    }
}

fn llama3(keys: &Keys<'_>) -> Result<RopeScaling, ModelError> {
    let scaling = Llama3Scaling {
        factor: keys.positive("factor")?,
        low_freq_factor: keys.positive("low_freq_factor")?,
        high_freq_factor: keys.positive("high_freq_factor")?,
        original_max_positions: keys.size("original_max_position_embeddings")?,
    };
    if scaling.high_freq_factor > scaling.low_freq_factor {
        return Ok(RopeScaling::Llama3(scaling));
    }
    let expected = format!("more than low_freq_factor ({})", scaling.low_freq_factor);
    Err(keys.wrong("high_freq_factor", &expected))
}
