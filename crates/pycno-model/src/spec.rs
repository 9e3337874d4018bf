//! What a decoder looks like, without its weights.
//!
//! A spec says everything the decoder computes by. Options that a Llama has not are left out when a spec is written
//! (as JSON, or to be hashed), so that a new option changes no hash of an older model; what is left out means what
//! it meant when it was first shipped.

use pycno_kernels::gated::Activation;
use pycno_units::ParamCount;
use serde::{Deserialize, Serialize};

/// A decoder-only language model. Layers may differ in all they say.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// The blocks, bottom first.
    pub layers: Vec<LayerSpec>,
    /// Every norm of the model.
    pub norm: NormSpec,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Longest sequence the model was made for.
    pub max_positions: usize,
    /// What embedded tokens are multiplied by (Gemma: `sqrt(d_model)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_scale: Option<f64>,
    /// Logits become `c tanh(logits / c)` (Gemma 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_softcap: Option<f64>,
}

/// One block; `None` is a block without attention or without FFN.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Attention.
    pub attention: Option<AttentionSpec>,
    /// Feed-forward network.
    pub ffn: Option<FfnSpec>,
    /// Where the norms are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub norms: NormPlacement,
}

/// Causal self-attention with grouped queries and rotary positions.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionSpec {
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub d_head: usize,
    /// Rotary positions.
    pub rope: RopeSpec,
    /// Whether q, k and v have biases.
    #[serde(default, skip_serializing_if = "is_default")]
    pub qkv_bias: bool,
    /// Whether o has a bias.
    #[serde(default, skip_serializing_if = "is_default")]
    pub o_bias: bool,
    /// Whether every head of q and k is normed before the rotation (Qwen 3, Gemma 3).
    #[serde(default, skip_serializing_if = "is_default")]
    pub qk_norm: bool,
    /// Latest keys a query may see; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Factor on scores; `None` for `1 / sqrt(d_head)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Scores become `c tanh(scores / c)` (Gemma 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub softcap: Option<f64>,
}

/// A gated feed-forward network: `down(act(gate(x)) * up(x))`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FfnSpec {
    /// Channels.
    pub d_ffn: usize,
    /// What the gate goes through.
    #[serde(default, skip_serializing_if = "is_default")]
    pub activation: Activation,
    /// Whether gate, up and down have biases.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bias: bool,
}

/// Root mean square normalization.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NormSpec {
    /// Added to the mean square.
    pub eps: f64,
    /// Whether weights are stored as the gain less 1 (Gemma).
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit_offset: bool,
}

/// Where a block has its norms.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// Before attention and FFN.
    #[default]
    Before,
    /// Before and after each (Gemma 2 and 3).
    BeforeAndAfter,
}

/// Rotary frequencies.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RopeSpec {
    /// Base of the geometric series.
    pub theta: f64,
    /// Scaling for longer contexts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<RopeScaling>,
}

/// How rotary frequencies are changed for longer contexts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RopeScaling {
    /// All frequencies are divided by a factor: position interpolation (Chen et al. 2023,
    /// [arXiv:2306.15595](https://arxiv.org/abs/2306.15595)).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// Low frequencies are divided (Llama 3.1).
    Llama3(Llama3Scaling),
}

/// Frequency scaling of Llama 3.1 (`rope_type = "llama3"`).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Llama3Scaling {
    /// Divides the low frequencies.
    pub factor: f64,
    /// Wavelengths above `original_max_positions / low_freq_factor` are divided whole.
    pub low_freq_factor: f64,
    /// Wavelengths below `original_max_positions / high_freq_factor` are kept.
    pub high_freq_factor: f64,
    /// Context length before scaling.
    pub original_max_positions: usize,
}

/// Parameters counted two ways.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ParamCounts {
    /// Every parameter, shared tensors once.
    pub total: ParamCount,
    /// Without embedding and head; norms count. What density divides by.
    pub non_embedding: ParamCount,
}

impl ModelSpec {
    /// Counts parameters by [`ModelSpec::tensors`].
    pub fn param_counts(&self) -> ParamCounts {
        let (mut total, mut non_embedding) = (0, 0);
        for (id, info) in self.tensors() {
            let count: usize = self.shape(id, info).iter().product();
            total += count;
            non_embedding += if id.part.is_embedding() { 0 } else { count };
        }
        ParamCounts {
            total: ParamCount(total as f64),
            non_embedding: ParamCount(non_embedding as f64),
        }
    }

    /// The shape all blocks share, or `None` if they differ.
    pub fn uniform_layer(&self) -> Option<LayerSpec> {
        let first = *self.layers.first()?;
        self.layers.iter().all(|layer| *layer == first).then_some(first)
    }
}

impl LayerSpec {
    /// A block whose norms stand before attention and FFN.
    pub const fn pre_norm(attention: AttentionSpec, ffn: FfnSpec) -> Self {
        Self { attention: Some(attention), ffn: Some(ffn), norms: NormPlacement::Before }
    }

    /// Query heads, 0 without attention.
    pub fn n_heads(&self) -> usize {
        self.attention.map_or(0, |attention| attention.n_heads)
    }

    /// Key/value heads, 0 without attention.
    pub fn n_kv_heads(&self) -> usize {
        self.attention.map_or(0, |attention| attention.n_kv_heads)
    }

    /// Width of a head, 0 without attention.
    pub fn d_head(&self) -> usize {
        self.attention.map_or(0, |attention| attention.d_head)
    }

    /// FFN channels, 0 without an FFN.
    pub fn d_ffn(&self) -> usize {
        self.ffn.map_or(0, |ffn| ffn.d_ffn)
    }

    /// The block with so many key/value heads, each with as many query heads as before.
    #[must_use]
    pub fn with_kv_heads(self, n_kv_heads: usize) -> Self {
        let attention = self.attention.map(|attention| AttentionSpec {
            n_heads: attention.n_heads / attention.n_kv_heads * n_kv_heads,
            n_kv_heads,
            ..attention
        });
        Self { attention, ..self }
    }

    /// The block with so many FFN channels.
    #[must_use]
    pub fn with_d_ffn(self, d_ffn: usize) -> Self {
        Self { ffn: self.ffn.map(|ffn| FfnSpec { d_ffn, ..ffn }), ..self }
    }
}

impl AttentionSpec {
    /// Attention of a Llama: no biases, no norms, no window.
    pub const fn plain(n_heads: usize, n_kv_heads: usize, d_head: usize, rope: RopeSpec) -> Self {
        Self {
            n_heads,
            n_kv_heads,
            d_head,
            rope,
            qkv_bias: false,
            o_bias: false,
            qk_norm: false,
            window: None,
            scale: None,
            softcap: None,
        }
    }
}

impl FfnSpec {
    /// `SwiGLU` without biases, as a Llama has it.
    pub const fn swiglu(d_ffn: usize) -> Self {
        Self { d_ffn, activation: Activation::Silu, bias: false }
    }
}

impl NormSpec {
    /// Weights that are the gain itself.
    pub const fn plain(eps: f64) -> Self {
        Self { eps, unit_offset: false }
    }
}

impl RopeSpec {
    /// Unscaled frequencies.
    pub const fn plain(theta: f64) -> Self {
        Self { theta, scaling: None }
    }

    /// Inverse frequencies, one per pair of features: `theta^(-2 j / d_head)`, then the scaling.
    pub fn inverse_frequencies(&self, d_head: usize) -> Vec<f64> {
        let plain = (0..d_head / 2).map(|j| self.theta.powf(-2.0 * j as f64 / d_head as f64));
        plain.map(|w| self.scaling.map_or(w, |scaling| scaling.scale(w))).collect()
    }
}

impl RopeScaling {
    fn scale(self, frequency: f64) -> f64 {
        match self {
            Self::Linear { factor } => frequency / factor,
            Self::Llama3(scaling) => scaling.scale(frequency),
        }
    }
}

impl Llama3Scaling {
    /// Keeps high frequencies, divides low ones by `factor`, blends in between.
    fn scale(&self, frequency: f64) -> f64 {
        let wavelength = std::f64::consts::TAU / frequency;
        let original = self.original_max_positions as f64;
        if wavelength < original / self.high_freq_factor {
            return frequency;
        }
        if wavelength > original / self.low_freq_factor {
            return frequency / self.factor;
        }
        let smooth = (original / wavelength - self.low_freq_factor)
            / (self.high_freq_factor - self.low_freq_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shape {
        vocab: usize,
        d_model: usize,
        n_layers: usize,
        /// Query heads, key/value heads, channels.
        layer: [usize; 3],
        tied: bool,
    }

    impl Shape {
        fn spec(&self) -> ModelSpec {
            let [n_heads, n_kv_heads, d_ffn] = self.layer;
            let d_head = self.d_model / n_heads;
            let attention = AttentionSpec::plain(n_heads, n_kv_heads, d_head, RopeSpec::plain(1e4));
            let layer = LayerSpec::pre_norm(attention, FfnSpec::swiglu(d_ffn));
            ModelSpec {
                vocab: self.vocab,
                d_model: self.d_model,
                layers: vec![layer; self.n_layers],
                norm: NormSpec::plain(1e-5),
                tied: self.tied,
                max_positions: 2048,
                embedding_scale: None,
                logit_softcap: None,
            }
        }
    }

    #[track_caller]
    fn check(shape: &Shape, total: f64, non_embedding: f64) {
        let counts = shape.spec().param_counts();
        assert_eq!(counts.total, ParamCount(total));
        assert_eq!(counts.non_embedding, ParamCount(non_embedding));
    }

    fn tiny() -> Shape {
        Shape { vocab: 32000, d_model: 2048, n_layers: 22, layer: [32, 4, 5632], tied: false }
    }

    #[test]
    fn published_models_count_right() {
        let shape =
            |vocab, d_model, n_layers, layer, tied| Shape { vocab, d_model, n_layers, layer, tied };
        check(&tiny(), 1_100_048_384.0, 968_976_384.0);
        let llama3 = shape(128256, 4096, 32, [32, 8, 14336], false);
        check(&llama3, 8_030_261_248.0, 6_979_588_096.0);
        let smol = shape(49152, 576, 30, [9, 3, 1536], true);
        check(&smol, 134_515_008.0, 106_203_456.0);
        let reference = shape(73448, 256, 8, [4, 1, 640], true);
        check(&reference, 24_049_920.0, 5_247_232.0);
    }

    #[test]
    fn published_models_of_other_families_count_right() {
        // Qwen3-0.6B and gemma-3-270m, by the numbers of elements in their public safetensors files.
        let rope = RopeSpec::plain(1e6);
        let attention = AttentionSpec { qk_norm: true, ..AttentionSpec::plain(16, 8, 128, rope) };
        let layer = LayerSpec::pre_norm(attention, FfnSpec::swiglu(3072));
        let base = Shape { vocab: 151_936, d_model: 1024, tied: true, ..tiny() }.spec();
        let qwen = ModelSpec { layers: vec![layer; 28], ..base };
        assert_eq!(qwen.param_counts().total, ParamCount(596_049_920.0));
        let attention = AttentionSpec { qk_norm: true, ..AttentionSpec::plain(4, 1, 256, rope) };
        let layer = LayerSpec::pre_norm(attention, FfnSpec::swiglu(2048));
        let layer = LayerSpec { norms: NormPlacement::BeforeAndAfter, ..layer };
        let gemma = ModelSpec { vocab: 262_144, d_model: 640, layers: vec![layer; 18], ..base };
        assert_eq!(gemma.param_counts().total, ParamCount(268_098_176.0));
    }

    /// Whoever changes how a spec is written on purpose changes this with it: hashes of all models go by it.
    #[test]
    fn a_llama_is_written_without_what_it_has_not() {
        let spec = Shape { vocab: 7, d_model: 8, n_layers: 1, layer: [4, 2, 6], tied: true }.spec();
        let written = serde_json::to_string(&spec).unwrap();
        let expect = concat!(
            r#"{"vocab":7,"d_model":8,"layers":[{"attention":{"n_heads":4,"n_kv_heads":2,"d_head":2,"#,
            r#""rope":{"theta":10000.0}},"ffn":{"d_ffn":6}}],"norm":{"eps":0.00001},"#,
            r#""tied":true,"max_positions":2048}"#
        );
        assert_eq!(written, expect);
        assert_eq!(serde_json::from_str::<ModelSpec>(&written).unwrap(), spec);
    }
}
