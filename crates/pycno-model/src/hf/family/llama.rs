//! Llama (Touvron et al. 2023, [arXiv:2302.13971](https://arxiv.org/abs/2302.13971)) and all that call themselves so.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    ModelFamily, NORMS,
    reading::{self, Defaults, Scalings, Shape},
    writing::{self, set},
};
use crate::{Activation, AttentionSpec, FfnSpec, LayerSpec, ModelError, ModelSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "llama",
    architecture: "LlamaForCausalLM",
    blocks: "biases; Llama 3's rotary scaling",
    norms: &NORMS,
    spec,
    write,
};

const DEFAULTS: Defaults = Defaults::sizes_given(2048);
const SCALINGS: Scalings = &["llama3"];

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &DEFAULTS)?;
    reading::expect_full_attention(keys)?;
    reading::expect_activation(keys, "hidden_act", "silu")?;
    let bias = keys.bool_or("attention_bias", false)?;
    let attention = AttentionSpec {
        qkv_bias: bias,
        o_bias: bias,
        ..shape.attention(reading::rope(keys, SCALINGS)?)
    };
    let ffn = FfnSpec { bias: keys.bool_or("mlp_bias", false)?, ..shape.ffn(Activation::Silu) };
    Ok(shape.model(vec![LayerSpec::pre_norm(attention, ffn); shape.n_layers]))
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let (attention, ffn) = writing::sizes(spec, config)?;
    writing::heads_divide_width(spec, attention.n_heads)?;
    writing::expect_norm(spec, false)?;
    if writing::one_window(spec)?.is_some() {
        return Err("layers have windows".to_owned());
    }
    config.remove("layer_types");
    set(
        config,
        [
            ("hidden_act", "silu".into()),
            ("attention_bias", attention.o_bias.into()),
            ("mlp_bias", ffn.bias.into()),
        ],
    );
    writing::rope(writing::one_rope(spec)?, config, SCALINGS);
    Ok(())
}
