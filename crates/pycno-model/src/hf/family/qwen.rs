//! What Qwen 2 and 3 have in common: windows that are switched on, in the upper layers.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    reading::{self, Defaults, Shape},
    writing::{self, set},
};
use crate::{Activation, AttentionSpec, LayerSpec, ModelError, ModelSpec};

pub(super) const DEFAULTS: Defaults = Defaults {
    vocab: Some(151_936),
    d_model: Some(4096),
    d_ffn: Some(22_016),
    n_layers: Some(32),
    n_heads: Some(32),
    n_kv_heads: Some(32),
    d_head: None,
    max_positions: 32_768,
    tied: false,
};
const DEFAULT_WINDOW: usize = 4096;
/// Layers below this one see everything, where no list says which.
const DEFAULT_FULL_LAYERS: usize = 28;

/// The model whose attention has the options of `attention`.
pub(super) fn model(
    keys: &Keys<'_>,
    shape: &Shape,
    attention: AttentionSpec,
) -> Result<ModelSpec, ModelError> {
    reading::expect_activation(keys, "hidden_act", "silu")?;
    let windows = windows(keys, shape.n_layers)?.into_iter();
    let ffn = shape.ffn(Activation::Silu);
    let layer = |window| LayerSpec::pre_norm(AttentionSpec { window, ..attention }, ffn);
    Ok(shape.model(windows.map(layer).collect()))
}

/// The window of every layer.
fn windows(keys: &Keys<'_>, n_layers: usize) -> Result<Vec<Option<usize>>, ModelError> {
    let types = reading::layer_types(keys, n_layers)?;
    // They stand in configs that switch them off, too.
    keys.ignore(&["sliding_window", "max_window_layers"]);
    if !keys.bool_or("use_sliding_window", false)? {
        if types.is_some_and(|types| types.contains(&true)) {
            let expected = "full_attention in every layer, as use_sliding_window is not true";
            return Err(keys.wrong("layer_types", expected));
        }
        return Ok(vec![None; n_layers]);
    }
    let window = keys.size_or("sliding_window", DEFAULT_WINDOW)?;
    let full_layers = match keys.get("max_window_layers").and_then(Value::as_u64) {
        Some(0) => 0,
        _ => keys.size_or("max_window_layers", DEFAULT_FULL_LAYERS)?,
    };
    let types = types.unwrap_or_else(|| (0..n_layers).map(|i| i >= full_layers).collect());
    Ok(types.into_iter().map(|slides| slides.then_some(window)).collect())
}

/// Sizes, windows and rotation; gives the first layer's attention.
pub(super) fn write(
    spec: &ModelSpec,
    config: &mut Map<String, Value>,
) -> Result<AttentionSpec, String> {
    let (attention, ffn) = writing::sizes(spec, config)?;
    writing::expect_norm(spec, false)?;
    if ffn.bias {
        return Err("the FFN has biases".to_owned());
    }
    config.remove("layer_types");
    let window = writing::one_window(spec)?;
    set(config, [("hidden_act", "silu".into()), ("use_sliding_window", window.is_some().into())]);
    if let Some(window) = window {
        config.remove("max_window_layers");
        set(config, [("sliding_window", window.into())]);
        writing::layer_types(spec, config);
    }
    writing::rope(writing::one_rope(spec)?, config, &[]);
    Ok(attention)
}
