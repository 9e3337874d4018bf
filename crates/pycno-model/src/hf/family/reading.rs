//! What configs of several families have in common, read.

use serde_json::Value;

use super::super::{
    keys::Keys,
    known::{OFF, UNUSED_BY_DEFAULT_ROPE},
};
use crate::{
    Activation, AttentionSpec, FfnSpec, LayerSpec, Llama3Scaling, ModelError, ModelSpec, NormSpec,
    RopeScaling, RopeSpec,
};

/// Layers beyond this are taken for a mistake.
const MOST_LAYERS: usize = 1 << 16;
/// The frequencies' base where a file names none, as in `transformers`.
pub(super) const DEFAULT_THETA: f64 = 10_000.0;
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
    for key in OFF {
        expect_false(keys, key, "false")?;
    }
    expect_whole_heads_rotated(keys)
}

fn expect_whole_heads_rotated(keys: &Keys<'_>) -> Result<(), ModelError> {
    let key = "partial_rotary_factor";
    if (keys.positive_or(key, 1.0)? - 1.0).abs() > 0.0 { Err(keys.wrong(key, "1")) } else { Ok(()) }
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
    let absent = keys.raw("num_key_value_heads").is_none();
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

/// How a family's rotary frequencies may be scaled: `rope_type` of its tables, besides `default`.
pub(super) type Scalings = &'static [&'static str];

/// The one rotation of a model, as `transformers` 5 finds it: in `rope_scaling` unless that is empty, else in
/// `rope_parameters`; the base in that table, else outside.
pub(super) fn rope(keys: &Keys<'_>, scalings: Scalings) -> Result<RopeSpec, ModelError> {
    let outer = keys.positive_or("rope_theta", DEFAULT_THETA)?;
    let [scaling, parameters] = ["rope_scaling", "rope_parameters"].map(|key| keys.table(key));
    let table = scaling?.filter(|table| !table.is_empty()).or(parameters?);
    table.map_or_else(|| Ok(RopeSpec::plain(outer)), |table| rope_in(keys, &table, outer, scalings))
}

/// A rotary table of the config `keys`; `theta` where it names none.
pub(super) fn rope_in(
    keys: &Keys<'_>,
    table: &Keys<'_>,
    theta: f64,
    scalings: Scalings,
) -> Result<RopeSpec, ModelError> {
    expect_whole_heads_rotated(table)?;
    let theta = table.positive_or("rope_theta", theta)?;
    let rope = RopeSpec { theta, scaling: scaling(keys, table, scalings)? };
    table.expect_none_left()?;
    Ok(rope)
}

/// How a rotary table scales frequencies; nothing said is not at all.
fn scaling(
    keys: &Keys<'_>,
    table: &Keys<'_>,
    known: Scalings,
) -> Result<Option<RopeScaling>, ModelError> {
    // Older files say `type`; where both stand, the newer word counts.
    let [newer, older] = ["rope_type", "type"].map(|key| table.get(key).map(|kind| (key, kind)));
    let Some((key, kind)) = newer.or(older) else { return scaled_by(keys, table, "default") };
    match kind.as_str() {
        Some(kind) if kind == "default" || known.contains(&kind) => scaled_by(keys, table, kind),
        _ => {
            Err(table.wrong(key, &format!("one of {}", [&["default"], known].concat().join(", "))))
        }
    }
}

fn scaled_by(
    keys: &Keys<'_>,
    table: &Keys<'_>,
    kind: &str,
) -> Result<Option<RopeScaling>, ModelError> {
    match kind {
        "llama3" => llama3(keys, table).map(Some),
        "linear" => Ok(Some(RopeScaling::Linear { factor: table.positive("factor")? })),
        _ => {
            table.ignore(&UNUSED_BY_DEFAULT_ROPE);
            Ok(None)
        }
    }
}

fn llama3(keys: &Keys<'_>, table: &Keys<'_>) -> Result<RopeScaling, ModelError> {
    let scaling = Llama3Scaling {
        factor: table.positive("factor")?,
        low_freq_factor: table.positive("low_freq_factor")?,
        high_freq_factor: table.positive("high_freq_factor")?,
        original_max_positions: original_max_positions(keys, table)?,
    };
    if scaling.high_freq_factor > scaling.low_freq_factor {
        return Ok(RopeScaling::Llama3(scaling));
    }
    let expected = format!("more than low_freq_factor ({})", scaling.low_freq_factor);
    Err(table.wrong("high_freq_factor", &expected))
}

/// Positions before scaling; where the table is silent, the model's.
fn original_max_positions(keys: &Keys<'_>, table: &Keys<'_>) -> Result<usize, ModelError> {
    let key = "original_max_position_embeddings";
    match table.get(key) {
        Some(_) => table.size(key),
        None => keys.size("max_position_embeddings"),
    }
}
