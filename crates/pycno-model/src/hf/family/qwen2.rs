//! Qwen 2 and 2.5 (Yang et al. 2024, [arXiv:2407.10671](https://arxiv.org/abs/2407.10671)): biases on q, k and v.

use serde_json::{Map, Value};

use super::{super::keys::Keys, ModelFamily, NORMS, qwen, reading, reading::Shape};
use crate::{AttentionSpec, ModelError, ModelSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "qwen2",
    architecture: "Qwen2ForCausalLM",
    blocks: "biases on q, k, v; windows in upper layers",
    norms: &NORMS,
    spec,
    write,
};

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &qwen::DEFAULTS)?;
    let attention = AttentionSpec { qkv_bias: true, ..shape.attention(reading::rope(keys, &[])?) };
    qwen::model(keys, &shape, attention)
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let attention = qwen::write(spec, config)?;
    if attention.qkv_bias && !attention.o_bias {
        Ok(())
    } else {
        Err("q, k and v have no biases, or o has one".to_owned())
    }
}
