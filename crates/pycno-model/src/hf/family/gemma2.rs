//! Gemma 2 (Gemma Team 2024, [arXiv:2408.00118](https://arxiv.org/abs/2408.00118)): scores and logits are softcapped.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    ModelFamily,
    gemma::{self, NORMS},
    reading::{self, Defaults, Shape},
    writing::{self, set},
};
use crate::{AttentionSpec, ModelError, ModelSpec};

pub(super) const FAMILY: ModelFamily = ModelFamily {
    model_type: "gemma2",
    architecture: "Gemma2ForCausalLM",
    blocks: "GELU; norms around; softcaps on scores and logits",
    norms: &NORMS,
    spec,
    write,
};

const DEFAULTS: Defaults = gemma::defaults(256_000, 8192);

fn spec(keys: &Keys<'_>) -> Result<ModelSpec, ModelError> {
    let shape = Shape::read(keys, &DEFAULTS)?;
    let types = reading::layer_types(keys, shape.n_layers)?;
    let slides = types.unwrap_or_else(|| (0..shape.n_layers).map(|i| i % 2 == 0).collect());
    let softcap = gemma::softcap(keys, "attn_logit_softcapping", Some(50.0))?;
    let rope = reading::rope(keys, &[])?;
    let attention = |_| AttentionSpec { softcap, ..shape.attention(rope) };
    let logit_softcap = gemma::softcap(keys, "final_logit_softcapping", Some(30.0))?;
    Ok(ModelSpec { logit_softcap, ..gemma::model(keys, &shape, &slides, attention)? })
}

fn write(spec: &ModelSpec, config: &mut Map<String, Value>) -> Result<(), String> {
    let attention = gemma::write(spec, config)?;
    if attention.qk_norm {
        return Err("query and key heads are normed".to_owned());
    }
    set(config, [("attn_logit_softcapping", attention.softcap.into())]);
    writing::rope(writing::one_rope(spec)?, config, &[]);
    Ok(())
}
