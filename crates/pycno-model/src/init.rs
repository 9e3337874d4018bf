//! Weights to begin with.

use pycno_units::Seed;
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

use crate::{Checkpoint, HostTensor, ModelSpec, Part, TensorId, TensorInfo, tensors::Param};

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
    let tensors = spec.tensors().into_iter().map(|(id, info)| {
        let shape = spec.shape(id, info);
        let values = values(spec, (id, info), &shape, seed);
        (id, HostTensor::new(shape, values))
    });
    Checkpoint::new(spec.clone(), tensors.collect())
}

fn values(
    spec: &ModelSpec,
    (id, info): (TensorId, TensorInfo),
    shape: &[usize],
    seed: Seed,
) -> Vec<f32> {
    let n = shape.iter().product();
    let &[_, d_in] = shape else {
        let gain = if spec.norm.unit_offset { 0.0 } else { 1.0 };
        return vec![if id.param == Param::Bias { 0.0 } else { gain }; n];
    };
    let deviation = if id.part == Part::Embedding {
        LOGITS / (d_in as f64).sqrt()
    } else if info.writes_residual {
        1.0 / ((spec.layers.len() * d_in) as f64).sqrt()
    } else {
        1.0 / (d_in as f64).sqrt()
    };
    // Even on [-b, b] has variance b^2 / 3.
    let bound = 3_f64.sqrt() * deviation;
    let mut draw = Xoshiro256PlusPlus::seed_from_u64(seed.split(&draw_name(id)).0);
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let mut value = || (bound * (2.0 * draw.random::<f64>() - 1.0)) as f32;
    std::iter::repeat_with(&mut value).take(n).collect()
}

/// What a tensor's draw is named after: its name in a Llama's folder, as it was when first shipped, so that a seed
/// keeps its model.
fn draw_name(id: TensorId) -> String {
    crate::hf::llama_name(id).unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionSpec, FfnSpec, LayerSpec, NormSpec, RopeSpec};

    fn spec() -> ModelSpec {
        let attention = AttentionSpec {
            qkv_bias: true,
            o_bias: true,
            ..AttentionSpec::plain(4, 2, 16, RopeSpec::plain(1e4))
        };
        ModelSpec {
            vocab: 300,
            d_model: 64,
            layers: vec![LayerSpec::pre_norm(attention, FfnSpec::swiglu(168)); 8],
            norm: NormSpec::plain(1e-5),
            tied: false,
            max_positions: 128,
            embedding_scale: None,
            logit_softcap: None,
        }
    }

    #[test]
    fn spreads_are_those_of_the_rule() {
        let model = initial(&spec(), Seed(1));
        model.check().unwrap();
        for (part, expect) in [
            (TensorId::outside(Part::Embedding), 3.5 / 8.0),
            (TensorId::outside(Part::Head), 0.125),
            (TensorId::weight(3, Part::Q), 0.125),
            (TensorId::weight(3, Part::O), 0.125 / 8.0_f64.sqrt()),
            (TensorId::weight(3, Part::Down), 1.0 / (8.0 * 168.0_f64).sqrt()),
        ] {
            let data = model.tensors[&part].values();
            let square: f64 = data.iter().map(|x| f64::from(*x).powi(2)).sum();
            let found = (square / data.len() as f64).sqrt();
            assert!((found / expect - 1.0).abs() < 0.05, "{part}: {found}, not {expect}");
        }
        assert_eq!(*model.tensors[&TensorId::outside(Part::FinalNorm)].values(), [1.0; 64]);
        let bias = TensorId::bias(0, Part::Q);
        assert_eq!(*model.tensors[&bias].values(), [0.0; 64]);
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_every_tensor_its_own() {
        let (one, two) = (initial(&spec(), Seed(1)), initial(&spec(), Seed(1)));
        assert_eq!(one.tensors, two.tensors);
        assert_ne!(one.tensors, initial(&spec(), Seed(2)).tensors);
        let of = |layer: usize| one.tensors[&TensorId::weight(layer, Part::Up)].values()[0];
        assert!((of(0) - of(1)).abs() > 0.0);
        let first = one.tensors[&TensorId::outside(Part::Embedding)].values()[0];
        assert_eq!(first.to_bits(), FIRST.to_bits(), "{first:e}");
    }

    /// Whoever changes the draw on purpose changes this with it.
    const FIRST: f32 = 5.882_595e-1;
}
