//! What a decoder looks like, without its weights.

use pycno_units::ParamCount;
use serde::{Deserialize, Serialize};

/// A decoder of the llama family. Layers may differ in heads and widths.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one attention head.
    pub d_head: usize,
    /// The blocks, bottom first.
    pub layers: Vec<LayerSpec>,
    /// Epsilon of every RMSNorm.
    pub norm_eps: f64,
    /// Rotary positions.
    pub rope: RopeSpec,
    /// Whether q, k, v and o have biases.
    pub attention_bias: bool,
    /// Whether gate, up and down have biases.
    pub mlp_bias: bool,
    /// Whether the head is the embedding.
    pub tied: bool,
    /// Longest sequence the model was made for.
    pub max_positions: usize,
    /// Latest keys a query may see (Mistral); `None` for all.
    pub window: Option<usize>,
}

/// The shape of one block.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// FFN width.
    pub d_ffn: usize,
}

/// Rotary frequencies.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RopeSpec {
    /// Base of the geometric series.
    pub theta: f64,
    /// Llama 3's long-context scaling.
    pub scaling: Option<Llama3Scaling>,
}

/// Frequency scaling of Llama 3.1 (`rope_type = "llama3"`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
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
    /// Counts parameters: a block is `2 d h dh + 2 d k dh + 3 d f + 2 d` plus its biases.
    pub fn param_counts(&self) -> ParamCounts {
        let blocks: usize = self.layers.iter().map(|layer| self.layer_params(layer)).sum();
        let non_embedding = blocks + self.d_model;
        let tables = if self.tied { 1 } else { 2 };
        let total = non_embedding + tables * self.vocab * self.d_model;
        ParamCounts {
            total: ParamCount(total as f64),
            non_embedding: ParamCount(non_embedding as f64),
        }
    }

    fn layer_params(&self, layer: &LayerSpec) -> usize {
        let (d, dh) = (self.d_model, self.d_head);
        let (h, k, f) = (layer.n_heads, layer.n_kv_heads, layer.d_ffn);
        let weights = 2 * d * h * dh + 2 * d * k * dh + 3 * d * f + 2 * d;
        let attention_bias = if self.attention_bias { (h + 2 * k) * dh + d } else { 0 };
        let mlp_bias = if self.mlp_bias { 2 * f + d } else { 0 };
        weights + attention_bias + mlp_bias
    }

    /// The shape all blocks share, or `None` if they differ.
    pub fn uniform_layer(&self) -> Option<LayerSpec> {
        let first = *self.layers.first()?;
        self.layers.iter().all(|layer| *layer == first).then_some(first)
    }
}

impl RopeSpec {
    /// Inverse frequencies, one per pair of features: `theta^(-2 j / d_head)`, then the scaling.
    pub fn inverse_frequencies(&self, d_head: usize) -> Vec<f64> {
        let plain = (0..d_head / 2).map(|j| self.theta.powf(-2.0 * j as f64 / d_head as f64));
        plain.map(|w| self.scaling.as_ref().map_or(w, |scaling| scaling.scale(w))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Shape {
        vocab: usize,
        d_model: usize,
        n_layers: usize,
        layer: LayerSpec,
        tied: bool,
    }

    #[track_caller]
    fn check(shape: &Shape, total: f64, non_embedding: f64) {
        let spec = ModelSpec {
            vocab: shape.vocab,
            d_model: shape.d_model,
            d_head: shape.d_model / shape.layer.n_heads,
            layers: vec![shape.layer; shape.n_layers],
            norm_eps: 1e-5,
            rope: RopeSpec { theta: 1e4, scaling: None },
            attention_bias: false,
            mlp_bias: false,
            tied: shape.tied,
            max_positions: 2048,
            window: None,
        };
        let counts = spec.param_counts();
        assert_eq!(counts.total, ParamCount(total));
        assert_eq!(counts.non_embedding, ParamCount(non_embedding));
    }

    fn layer(n_heads: usize, n_kv_heads: usize, d_ffn: usize) -> LayerSpec {
        LayerSpec { n_heads, n_kv_heads, d_ffn }
    }

    #[test]
    fn published_models_count_right() {
        let shape =
            |vocab, d_model, n_layers, layer, tied| Shape { vocab, d_model, n_layers, layer, tied };
        let tiny = shape(32000, 2048, 22, layer(32, 4, 5632), false);
        check(&tiny, 1_100_048_384.0, 968_976_384.0);
        let llama3 = shape(128256, 4096, 32, layer(32, 8, 14336), false);
        check(&llama3, 8_030_261_248.0, 6_979_588_096.0);
        let smol = shape(49152, 576, 30, layer(9, 3, 1536), true);
        check(&smol, 134_515_008.0, 106_203_456.0);
        let reference = shape(73448, 256, 8, layer(4, 1, 640), true);
        check(&reference, 24_049_920.0, 5_247_232.0);
    }
}
