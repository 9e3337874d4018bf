//! What configs of several families have in common, written.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    super::keys::Keys,
    reading::{self, FULL, SLIDING, Scalings},
};
use crate::{AttentionSpec, FfnSpec, LayerSpec, ModelSpec, NormSpec, RopeScaling, RopeSpec};

/// Writes the sizes, which all layers must share, and gives the first layer's attention and FFN.
pub(super) fn sizes(
    spec: &ModelSpec,
    config: &mut Map<String, Value>,
) -> Result<(AttentionSpec, FfnSpec), String> {
    let (attention, ffn) = same_sizes(spec)?;
    for (key, value) in [
        ("vocab_size", spec.vocab),
        ("hidden_size", spec.d_model),
        ("intermediate_size", ffn.d_ffn),
        ("num_hidden_layers", spec.layers.len()),
        ("num_attention_heads", attention.n_heads),
        ("num_key_value_heads", attention.n_kv_heads),
        ("head_dim", attention.d_head),
        ("max_position_embeddings", spec.max_positions),
    ] {
        config.insert(key.to_owned(), value.into());
    }
    config.insert("tie_word_embeddings".to_owned(), spec.tied.into());
    config.insert("rms_norm_eps".to_owned(), spec.norm.eps.into());
    Ok((attention, ffn))
}

/// Refuses layers without attention or FFN, and those that differ in what a config says once.
fn same_sizes(spec: &ModelSpec) -> Result<(AttentionSpec, FfnSpec), String> {
    let first = spec.layers.first().ok_or("the model has no layers")?;
    let differs = |of: fn(&LayerSpec) -> usize| spec.layers.iter().any(|l| of(l) != of(first));
    let what: Vec<&str> = [
        ("n_heads", differs(LayerSpec::n_heads)),
        ("n_kv_heads", differs(LayerSpec::n_kv_heads)),
        ("d_head", differs(LayerSpec::d_head)),
        ("d_ffn", differs(LayerSpec::d_ffn)),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    if !what.is_empty() {
        return Err(format!("layers differ in {}", what.join(", ")));
    }
    let whole = first.attention.zip(first.ffn);
    whole.ok_or_else(|| "a layer has no attention or no FFN".to_owned())
}

/// Refuses heads that do not divide the width, where `transformers` does.
pub(super) fn heads_divide_width(spec: &ModelSpec, n_heads: usize) -> Result<(), String> {
    if spec.d_model.is_multiple_of(n_heads) {
        Ok(())
    } else {
        Err(format!("hidden_size {} is no multiple of {n_heads} heads", spec.d_model))
    }
}

/// Refuses a norm stored in another way than the family's.
pub(super) fn expect_norm(spec: &ModelSpec, unit_offset: bool) -> Result<(), String> {
    let NormSpec { unit_offset: found, .. } = spec.norm;
    if found == unit_offset { Ok(()) } else { Err(format!("unit_offset of norms is {found}")) }
}

/// The one rotation of all layers.
pub(super) fn one_rope(spec: &ModelSpec) -> Result<RopeSpec, String> {
    let mut ropes = spec.layers.iter().filter_map(|layer| Some(layer.attention?.rope));
    let first = ropes.next().ok_or("no layer has attention")?;
    if ropes.all(|rope| rope == first) {
        Ok(first)
    } else {
        Err("layers differ in rope".to_owned())
    }
}

/// Leaves rotary keys that say the right thing; else writes the older form, which every version reads.
pub(super) fn rope(rope: RopeSpec, config: &mut Map<String, Value>, scalings: Scalings) {
    let said = reading::rope(&Keys::new(config, Path::new("config.json")), scalings);
    let explicit = config.contains_key("rope_theta") || config.contains_key("rope_parameters");
    if explicit && said.is_ok_and(|said| said == rope) {
        return;
    }
    config.remove("rope_parameters");
    config.insert("rope_theta".to_owned(), rope.theta.into());
    config.insert("rope_scaling".to_owned(), scaling(rope.scaling));
}

/// A `rope_scaling` table, or null.
pub(super) fn scaling(scaling: Option<RopeScaling>) -> Value {
    match scaling {
        None => Value::Null,
        Some(RopeScaling::Linear { factor }) => json!({ "rope_type": "linear", "factor": factor }),
        Some(RopeScaling::Llama3(scaling)) => json!({
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_positions,
        }),
    }
}

/// Writes `layer_types`: which layers see only their window.
pub(super) fn layer_types(spec: &ModelSpec, config: &mut Map<String, Value>) {
    let slides = |layer: &LayerSpec| layer.attention.is_some_and(|it| it.window.is_some());
    let kind = |layer| if slides(layer) { SLIDING } else { FULL };
    let types: Vec<&str> = spec.layers.iter().map(kind).collect();
    config.insert("layer_types".to_owned(), types.into());
}

/// The window of those layers that have one.
pub(super) fn one_window(spec: &ModelSpec) -> Result<Option<usize>, String> {
    let mut windows = spec.layers.iter().filter_map(|layer| layer.attention?.window);
    let first = windows.next();
    if windows.all(|window| Some(window) == first) {
        Ok(first)
    } else {
        Err("layers differ in the length of their windows".to_owned())
    }
}

/// Sets keys.
pub(super) fn set<const N: usize>(config: &mut Map<String, Value>, pairs: [(&str, Value); N]) {
    config.extend(pairs.map(|(key, value)| (key.to_owned(), value)));
}
