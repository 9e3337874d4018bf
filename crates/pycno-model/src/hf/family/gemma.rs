//! What is common to Gemma from the second on: norms around attention and FFN whose weights are the gain less 1, GELU,
//! embeddings scaled by the root of the width, layers with and without windows.

use serde_json::{Map, Value};

use super::{
    super::keys::Keys,
    reading::{self, Defaults, Shape},
    writing::{self, set},
};
use crate::{
    Activation, AttentionSpec, LayerSpec, ModelError, ModelSpec, NormPlacement, NormSpec, Part,
};

/// Norms of a block: Llama's names stand for others here.
pub(super) const NORMS: [(Part, &str); 4] = [
    (Part::AttnNorm, "input_layernorm"),
    (Part::PostAttnNorm, "post_attention_layernorm"),
    (Part::FfnNorm, "pre_feedforward_layernorm"),
    (Part::PostFfnNorm, "post_feedforward_layernorm"),
];
const ACTIVATION: &str = "gelu_pytorch_tanh";
const DEFAULT_WINDOW: usize = 4096;
/// Scores are divided by the root of this where a config says nothing.
const DEFAULT_SCALAR: usize = 256;
/// Older keys that `layer_types` takes the place of.
pub(super) const PATTERNS: [&str; 2] = ["sliding_window_pattern", "_sliding_window_pattern"];

/// What absent keys mean; vocabulary and positions are each family's own.
pub(super) const fn defaults(vocab: usize, max_positions: usize) -> Defaults {
    Defaults {
        vocab: Some(vocab),
        d_model: Some(2304),
        d_ffn: Some(9216),
        n_layers: Some(26),
        n_heads: Some(8),
        n_kv_heads: Some(4),
        d_head: Some(256),
        max_positions,
        tied: true,
    }
}

/// The model of layers that `attention` makes of whether each sees only its window.
pub(super) fn model(
    keys: &Keys<'_>,
    shape: &Shape,
    slides: &[bool],
    attention: impl Fn(bool) -> AttentionSpec,
) -> Result<ModelSpec, ModelError> {
    reading::expect_activation(keys, "hidden_activation", ACTIVATION)?;
    // Older configs say another activation here, which `transformers` does not read.
    keys.ignore(&["hidden_act"]);
    reading::expect_false(keys, "use_bidirectional_attention", "false (attention is causal)")?;
    let window = keys.size_or("sliding_window", DEFAULT_WINDOW)?;
    let bias = keys.bool_or("attention_bias", false)?;
    let scale = scale(keys, shape.d_head)?;
    let layer = |slides: &bool| {
        let attention = AttentionSpec {
            window: slides.then_some(window),
            scale,
            qkv_bias: bias,
            o_bias: bias,
            ..attention(*slides)
        };
        let plain = LayerSpec::pre_norm(attention, shape.ffn(Activation::GeluTanh));
        LayerSpec { norms: NormPlacement::BeforeAndAfter, ..plain }
    };
    let plain = shape.model(slides.iter().map(layer).collect());
    Ok(ModelSpec {
        norm: NormSpec { unit_offset: true, ..plain.norm },
        embedding_scale: Some((plain.d_model as f64).sqrt()),
        ..plain
    })
}

/// `query_pre_attn_scalar` to the power of -1/2; `None` where that is `1 / sqrt(d_head)`.
fn scale(keys: &Keys<'_>, d_head: usize) -> Result<Option<f64>, ModelError> {
    let scalar = keys.size_or("query_pre_attn_scalar", DEFAULT_SCALAR)?;
    Ok((scalar != d_head).then(|| (scalar as f64).sqrt().recip()))
}

/// A softcap; null says none.
pub(super) fn softcap(
    keys: &Keys<'_>,
    key: &str,
    default: Option<f64>,
) -> Result<Option<f64>, ModelError> {
    match (keys.raw(key), default) {
        (Some(Value::Null), _) | (None, None) => Ok(None),
        (None, Some(default)) => Ok(Some(default)),
        (Some(_), _) => keys.positive(key).map(Some),
    }
}

/// Sizes, windows and options; gives the first layer's attention.
pub(super) fn write(
    spec: &ModelSpec,
    config: &mut Map<String, Value>,
) -> Result<AttentionSpec, String> {
    let (attention, ffn) = writing::sizes(spec, config)?;
    writing::heads_divide_width(spec, attention.n_heads)?;
    writing::expect_norm(spec, true)?;
    if ffn.bias || ffn.activation != Activation::GeluTanh {
        return Err("the FFN has biases or another activation".to_owned());
    }
    let around = |layer: &LayerSpec| layer.norms == NormPlacement::BeforeAndAfter;
    if !spec.layers.iter().all(around) {
        return Err("a layer has no norms after attention and FFN".to_owned());
    }
    config.retain(|key, _| !PATTERNS.contains(&key.as_str()));
    if let Some(window) = writing::one_window(spec)? {
        set(config, [("sliding_window", window.into())]);
    }
    writing::layer_types(spec, config);
    set(
        config,
        [
            ("hidden_activation", ACTIVATION.into()),
            ("attention_bias", attention.o_bias.into()),
            ("query_pre_attn_scalar", scalar(attention)?.into()),
            ("final_logit_softcapping", spec.logit_softcap.into()),
        ],
    );
    Ok(attention)
}

/// The whole number whose inverse root scales scores.
fn scalar(attention: AttentionSpec) -> Result<usize, String> {
    let Some(scale) = attention.scale else { return Ok(attention.d_head) };
    let scalar = scale.powi(-2).round();
    let refuse = || format!("scores are scaled by {scale}, no inverse root of a whole number");
    if (scalar.sqrt().recip() / scale - 1.0).abs() > 1e-12 || scalar > f64::from(u32::MAX) {
        return Err(refuse());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in (0, 2^32)")]
    let scalar = scalar as usize;
    Ok(scalar)
}
