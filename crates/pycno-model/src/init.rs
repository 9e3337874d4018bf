//! Weights to begin with.

use std::collections::BTreeMap;

use pycno_units::Seed;
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

use crate::{Checkpoint, HostTensor, ModelSpec, names};

/// Standard deviation of the first logits where the head is the embedding: the embedding's is this over
/// `sqrt(d_model)`.
///
/// That is about what the blocks write into the residual stream. Under the 0.02 of GPT-2 the first block drowns
/// which token it read, and small models learn to copy at several times the tokens.
const LOGITS: f64 = 3.5;

/// A model before its first step, without a tokenizer's files. The same seed gives the same bytes on every
/// machine, and a tensor's values depend on its name and shape alone.
///
/// Norms are 1, biases 0. Matrices have variance `1 / d_in`, so that outputs vary as inputs do; those that
/// write into the residual stream are divided by `sqrt(layers)` (GPT-2 divides by the root of the number of
/// residual layers: Radford et al. 2019, section 2.3).
///
/// DIFFERENCE: values are drawn evenly from an interval of that variance, not from a normal distribution:
/// no logarithm, whose last bit is the machine's.
pub fn initial(spec: &ModelSpec, seed: Seed) -> Checkpoint {
    let tensors = names::expected_shapes(spec).into_iter().map(|(name, shape)| {
        let values = values(&name, &shape, (spec.layers.len(), seed));
        (name, HostTensor::new(shape, values))
    });
    let tensors = tensors.collect();
    Checkpoint {
        spec: spec.clone(),
        tensors,
        files: BTreeMap::new(),
        config: serde_json::Map::new(),
    }
}

fn values(name: &str, shape: &[usize], (n_layers, seed): (usize, Seed)) -> Vec<f32> {
    let n = shape.iter().product();
    let &[_, d_in] = shape else {
        let value = if name.rsplit('.').next() == Some("bias") { 0.0 } else { 1.0 };
        return vec![value; n];
    };
    let deviation = match name {
        names::EMBEDDING => LOGITS / (d_in as f64).sqrt(),
        name if writes(name) => 1.0 / ((n_layers * d_in) as f64).sqrt(),
        _ => 1.0 / (d_in as f64).sqrt(),
    };
    // Even on [-b, b] has variance b^2 / 3.
    let bound = 3_f64.sqrt() * deviation;
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed.split(name).0);
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let mut value = || (bound * (2.0 * draw.random::<f64>() - 1.0)) as f32;
    std::iter::repeat_with(&mut value).take(n).collect()
}

/// Whether a matrix writes into the residual stream.
fn writes(name: &str) -> bool {
    name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerSpec, RopeSpec};

    fn spec() -> ModelSpec {
        ModelSpec {
            vocab: 300,
            d_model: 64,
            d_head: 16,
            layers: vec![LayerSpec { n_heads: 4, n_kv_heads: 2, d_ffn: 168 }; 8],
            norm_eps: 1e-5,
            rope: RopeSpec { theta: 1e4, scaling: None },
            attention_bias: true,
            mlp_bias: false,
            tied: false,
            max_positions: 128,
            window: None,
        }
    }

    #[test]
    fn spreads_are_those_of_the_rule() {
        let model = initial(&spec(), Seed(1));
        model.check().unwrap();
        for (part, expect) in [
            ("model.embed_tokens.weight", 3.5 / 8.0),
            ("lm_head.weight", 0.125),
            ("model.layers.3.self_attn.q_proj.weight", 0.125),
            ("model.layers.3.self_attn.o_proj.weight", 0.125 / 8.0_f64.sqrt()),
            ("model.layers.3.mlp.down_proj.weight", 1.0 / (8.0 * 168.0_f64).sqrt()),
        ] {
            let data = model.tensors[part].data();
            let square: f64 = data.iter().map(|x| f64::from(*x).powi(2)).sum();
            let found = (square / data.len() as f64).sqrt();
            assert!((found / expect - 1.0).abs() < 0.05, "{part}: {found}, not {expect}");
        }
        assert_eq!(model.tensors["model.norm.weight"].data(), [1.0; 64]);
        let bias = "model.layers.0.self_attn.q_proj.bias";
        assert_eq!(model.tensors[bias].data(), [0.0; 64]);
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_every_tensor_its_own() {
        let (one, two) = (initial(&spec(), Seed(1)), initial(&spec(), Seed(1)));
        assert_eq!(one.tensors, two.tensors);
        assert_ne!(one.tensors, initial(&spec(), Seed(2)).tensors);
        let of =
            |layer: usize| one.tensors[&names::in_layer(layer, "mlp.up_proj.weight")].data()[0];
        assert!((of(0) - of(1)).abs() > 0.0);
        let first = one.tensors["model.embed_tokens.weight"].data()[0];
        assert_eq!(first.to_bits(), FIRST.to_bits(), "{first:e}");
    }

    /// Whoever changes the draw on purpose changes this with it.
    const FIRST: f32 = 5.882_595e-1;
}
