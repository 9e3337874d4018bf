//! Mistral (Jiang et al. 2023, [arXiv:2310.06825](https://arxiv.org/abs/2310.06825)): a Llama that sees a window.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    ModelFamily, NORMS,
    reading::{self, Defaults, Shape},
    writing::{self, set},
};
use crate::{Activation, AttentionSpec, LayerSpec, ModelError, ModelSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "mistral",
    architecture: "MistralForCausalLM",
    blocks: "a window in every layer",
    norms: &NORMS,
    spec,
    write,
};

const DEFAULTS: Defaults = Defaults { n_kv_heads: Some(8), ..Defaults::sizes_given(131_072) };
const DEFAULT_WINDOW: usize = 4096;

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &DEFAULTS)?;
    reading::expect_full_attention(keys)?;
    reading::expect_activation(keys, "hidden_act", "silu")?;
    for key in ["attention_bias", "mlp_bias"] {
        reading::expect_false(keys, key, "false (mistral has no biases)")?;
    }
    let attention =
        AttentionSpec { window: window(keys)?, ..shape.attention(reading::rope(keys, &[])?) };
    let layer = LayerSpec::pre_norm(attention, shape.ffn(Activation::Silu));
    Ok(shape.model(vec![layer; shape.n_layers]))
}

/// `sliding_window`; null says none.
fn window(keys: &Keys<'_>) -> Result<Option<usize>, ModelError> {
    match keys.raw("sliding_window") {
        Some(Value::Null) => Ok(None),
        _ => keys.size_or("sliding_window", DEFAULT_WINDOW).map(Some),
    }
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let (attention, ffn) = writing::sizes(spec, config)?;
    writing::expect_norm(spec, false)?;
    if attention.qkv_bias || attention.o_bias || ffn.bias {
        return Err("the model has biases".to_owned());
    }
    config.remove("layer_types");
    let window = writing::one_window(spec)?;
    set(config, [("hidden_act", "silu".into()), ("sliding_window", window.into())]);
    writing::rope(writing::one_rope(spec)?, config, &[]);
    Ok(())
}
