//! A random Llama of a given shape, its texts, and how many operations they take.

use std::collections::BTreeMap;

use pycno_model::{Checkpoint, HostTensor, LayerSpec, ModelSpec, RopeSpec, names};
use pycno_units::Seed;

/// A model and how much it is given to do.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Name in the table.
    pub name: &'static str,
    /// Tokens known.
    pub vocab: usize,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Heads, each with keys and values of its own.
    pub n_heads: usize,
    /// Width of the feed-forward part.
    pub d_hidden: usize,
    /// Layers.
    pub n_layers: usize,
    /// Sequences a forward pass and a training step.
    pub batch: usize,
    /// Tokens a sequence.
    pub seq: usize,
    /// Tokens of the prompt; as many again are decoded.
    pub prompt: usize,
    /// Side of the square matrices whose product is the ceiling.
    pub square: usize,
}

impl Shape {
    /// 6.8 M parameters, for GPUs and processors.
    pub const LLAMA_7M: Self = Self {
        name: "llama-7m",
        vocab: 4096,
        d_model: 256,
        n_heads: 8,
        d_hidden: 688,
        n_layers: 6,
        batch: 8,
        seq: 256,
        prompt: 64,
        square: 1024,
    };

    /// For software GPUs, which take minutes to tune their kernels to large shapes.
    pub const SMALL: Self = Self {
        name: "llama-small",
        vocab: 64,
        d_model: 32,
        n_heads: 4,
        d_hidden: 48,
        n_layers: 2,
        batch: 2,
        seq: 16,
        prompt: 4,
        square: 32,
    };

    fn spec(&self) -> ModelSpec {
        let &Self { n_heads, d_hidden, .. } = self;
        ModelSpec {
            vocab: self.vocab,
            d_model: self.d_model,
            d_head: self.d_model / n_heads,
            layers: vec![LayerSpec { n_heads, n_kv_heads: n_heads, d_hidden }; self.n_layers],
            norm_eps: 1e-5,
            rope: RopeSpec { theta: 1e4, scaling: None },
            attention_bias: false,
            mlp_bias: false,
            tied: false,
            max_positions: self.seq.max(2 * self.prompt),
            window: None,
        }
    }

    /// Random weights, the same for every device.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let spec = self.spec();
        let tensors = names::expected_shapes(&spec).into_iter().map(|(name, shape)| {
            let values = random(&name, shape.iter().product());
            (name, HostTensor::new(shape, values))
        });
        let tensors = tensors.collect();
        Checkpoint { spec, tensors, files: BTreeMap::new(), config: serde_json::Map::new() }
    }

    /// Sequences of `seq + 1` tokens: what a model reads, and the last target.
    pub(super) fn sequences(&self) -> Vec<Vec<u32>> {
        let id = |i: usize, j: usize| u32::try_from((i * 31 + j * j + 7 * j) % self.vocab).unwrap_or(0);
        (0..self.batch).map(|i| (0..=self.seq).map(|j| id(i, j)).collect()).collect()
    }

    /// Multiplications and additions of a forward pass over sequences of a length, head included, each
    /// token attending to half of its sequence on average; norms and activations do not count.
    pub(super) fn flops(&self, batch: usize, seq: usize) -> f64 {
        let (d, f) = (self.d_model as f64, self.d_hidden as f64);
        let weights = self.n_layers as f64 * (4.0 * d * d + 3.0 * d * f) + self.vocab as f64 * d;
        let attention = self.n_layers as f64 * seq as f64 * d;
        2.0 * (weights + attention) * (batch * seq) as f64
    }
}

/// Values in `[-0.1, 0.1)`, norms around 1.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn random(name: &str, n: usize) -> Vec<f32> {
    let center = if name.contains("norm") { 1.0 } else { 0.0 };
    let start = Seed(7).split(name).0;
    // Weyl's sequence: the values need not be good noise, only quick to make and the same everywhere.
    let step = 0x9e37_79b9_7f4a_7c15_u64;
    let draw = |i: usize| start.wrapping_add(step.wrapping_mul(i as u64)) as f64 / u64::MAX as f64;
    (0..n).map(|i| (center + 0.2 * (draw(i) - 0.5)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_has_its_seven_million_weights() {
        let weights: usize =
            Shape::LLAMA_7M.checkpoint().tensors.values().map(|tensor| tensor.data().len()).sum();
        assert_eq!(weights, 2 * 4096 * 256 + 6 * (4 * 256 * 256 + 3 * 256 * 688 + 2 * 256) + 256);
    }

    #[test]
    fn operations_are_two_a_weight_and_token_plus_attention() {
        let shape = Shape { n_layers: 1, ..Shape::SMALL };
        let weights = 4.0 * 1024.0 + 3.0 * 32.0 * 48.0 + 64.0 * 32.0;
        // Scores and values: 2 products of 32 wide rows over half of 10 tokens, 2 operations each.
        let expect = (2.0 * weights + 2.0 * 2.0 * 32.0 * 5.0) * 30.0;
        assert!((shape.flops(3, 10) - expect).abs() < 1e-6, "{}", shape.flops(3, 10));
    }
}
