//! Qwen 3 (Yang et al. 2025, [arXiv:2505.09388](https://arxiv.org/abs/2505.09388)), dense: heads of q and k are
//! normed.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    ModelFamily, NORMS, qwen, reading,
    reading::{Defaults, Shape},
    writing::set,
};
use crate::{AttentionSpec, ModelError, ModelSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "qwen3",
    architecture: "Qwen3ForCausalLM",
    blocks: "norms of q and k heads; windows in upper layers",
    norms: &NORMS,
    spec,
    write,
};

const DEFAULTS: Defaults = Defaults { d_head: Some(128), ..qwen::DEFAULTS };

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &DEFAULTS)?;
    let bias = keys.bool_or("attention_bias", false)?;
    let attention = AttentionSpec {
        qk_norm: true,
        qkv_bias: bias,
        o_bias: bias,
        ..shape.attention(reading::rope(keys, &[])?)
    };
    qwen::model(keys, &shape, attention)
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let attention = qwen::write(spec, config)?;
    if !attention.qk_norm {
        return Err("query and key heads are not normed".to_owned());
    }
    set(config, [("attention_bias", attention.o_bias.into())]);
    Ok(())
}
