//! Random decoders of a few thousand weights, and what the tests read off them.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};
use pycno_data::batch::ids_tensor;
use pycno_model::{Checkpoint, Decoder, HostTensor, LayerSpec, ModelSpec, RopeSpec, names};
use pycno_units::Seed;

/// Tokens the decoders know, as ids are counted.
pub(crate) const TOKENS: u32 = 40;
/// The same, as extents are.
pub(crate) const VOCAB: usize = TOKENS as usize;

/// What the tests run on: grouped queries with a tied head, and what else a decoder may have (uneven
/// layers as after pruning, biases, a window, a head of its own).
pub(crate) fn checkpoints() -> [(&'static str, Checkpoint); 2] {
    let even = vec![LayerSpec { n_heads: 4, n_kv_heads: 2, d_ffn: 40 }; 2];
    let uneven = vec![
        LayerSpec { n_heads: 4, n_kv_heads: 1, d_ffn: 24 },
        LayerSpec { n_heads: 2, n_kv_heads: 2, d_ffn: 36 },
    ];
    let plain = spec(even);
    let other = ModelSpec {
        attention_bias: true,
        mlp_bias: true,
        tied: false,
        window: Some(5),
        ..spec(uneven)
    };
    [("tied", checkpoint(plain)), ("uneven", checkpoint(other))]
}

fn spec(layers: Vec<LayerSpec>) -> ModelSpec {
    ModelSpec {
        vocab: VOCAB,
        d_model: 32,
        d_head: 8,
        layers,
        norm_eps: 1e-5,
        rope: RopeSpec { theta: 1e4, scaling: None },
        attention_bias: false,
        mlp_bias: false,
        tied: true,
        max_positions: 64,
        window: None,
    }
}

fn checkpoint(spec: ModelSpec) -> Checkpoint {
    let tensors = names::expected_shapes(&spec).into_iter().map(|(name, shape)| {
        let values = random(&name, shape.iter().product());
        (name, HostTensor::new(shape, values))
    });
    let tensors = tensors.collect();
    Checkpoint { spec, tensors, files: BTreeMap::new(), config: serde_json::Map::new() }
}

/// Values in `[-0.4, 0.4)`, norms around 1.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn random(name: &str, n: usize) -> Vec<f32> {
    let center = if name.contains("norm") { 1.0 } else { 0.0 };
    let draw = |i: usize| Seed(7).split(name).split(&i.to_string()).0 as f64 / u64::MAX as f64;
    (0..n).map(|i| (center + 0.8 * (draw(i) - 0.5)) as f32).collect()
}

/// Sequences of token ids.
pub(crate) fn sequences(n: u32, seq: u32) -> Vec<Vec<u32>> {
    let id = |i: u32, j: u32| (i * 5 + j * j + 3 * j) % TOKENS;
    (0..n).map(|i| (0..seq).map(|j| id(i, j)).collect()).collect()
}

/// Two sequences on a device, `[2, seq]`.
pub(crate) fn ids(seq: u32, device: &Device) -> Tensor<2, Int> {
    let sequences = sequences(2, seq);
    ids_tensor(&[&sequences[0], &sequences[1]], device)
}

/// Logits of hidden states on the host, flat.
pub(crate) fn logits(decoder: &Decoder, hidden: Tensor<3>) -> Vec<f32> {
    let [batch, seq, d_model] = hidden.dims();
    host(decoder.logits(hidden.reshape([batch * seq, d_model])))
}

pub(crate) fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

/// Checks that no value is further from its twin than the tolerance, relative to the largest of them.
#[track_caller]
pub(crate) fn check_close(what: &str, found: &[f32], expect: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expect.len(), "{what}");
    let scale = expect.iter().fold(f32::MIN_POSITIVE, |scale, x| scale.max(x.abs()));
    let differences = found.iter().zip(expect).map(|(a, b)| (a - b).abs() / scale);
    let worst = differences.fold(0.0, |worst: f32, x| if x.is_nan() { x } else { worst.max(x) });
    assert!(worst <= tolerance, "{what}: differs by {worst} of {scale}");
}
