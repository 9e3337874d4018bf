//! Random decoders of a few thousand weights, and what the tests read off them.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};
use pycno_data::batch::ids_tensor;
use pycno_model::{
    Activation, AttentionSpec, Checkpoint, Decoder, FfnSpec, HostTensor, LayerSpec, ModelSpec,
    NormPlacement, NormSpec, RopeSpec,
};
use pycno_units::Seed;

/// Tokens the decoders know, as ids are counted.
pub(crate) const TOKENS: u32 = 40;
/// The same, as extents are.
pub(crate) const VOCAB: usize = TOKENS as usize;

/// What the tests run on: grouped queries with a tied head; what else a Llama may have (uneven layers as after
/// pruning, biases, a window, a head of its own); and what Gemma adds to it.
pub(crate) fn checkpoints() -> [(&'static str, Checkpoint); 3] {
    let plain = spec(vec![layer([4, 2, 40]); 2]);
    let mut uneven = ModelSpec { tied: false, ..spec(vec![layer([4, 1, 24]), layer([2, 2, 36])]) };
    for layer in &mut uneven.layers {
        let attention = layer.attention.map(|attention| AttentionSpec {
            qkv_bias: true,
            o_bias: true,
            window: Some(5),
            ..attention
        });
        let ffn = layer.ffn.map(|ffn| FfnSpec { bias: true, ..ffn });
        *layer = LayerSpec { attention, ffn, ..*layer };
    }
    [("tied", checkpoint(plain)), ("uneven", checkpoint(uneven)), ("gemma", checkpoint(gemma()))]
}

/// A layer with a window and one without, each with a rotation of its own.
fn gemma() -> ModelSpec {
    let mut spec = spec(vec![layer([4, 2, 40]); 2]);
    for (layer, window) in spec.layers.iter_mut().zip([Some(5), None]) {
        let attention = layer.attention.map(|attention| AttentionSpec {
            qk_norm: true,
            window,
            rope: RopeSpec::plain(if window.is_some() { 1e4 } else { 1e6 }),
            scale: Some(0.3),
            softcap: Some(5.0),
            ..attention
        });
        let ffn = layer.ffn.map(|ffn| FfnSpec { activation: Activation::GeluTanh, ..ffn });
        *layer = LayerSpec { attention, ffn, norms: NormPlacement::BeforeAndAfter };
    }
    ModelSpec {
        norm: NormSpec { unit_offset: true, eps: 1e-6 },
        embedding_scale: Some(5.6),
        logit_softcap: Some(3.0),
        ..spec
    }
}

/// Query heads, key/value heads, channels.
fn layer([n_heads, n_kv_heads, d_ffn]: [usize; 3]) -> LayerSpec {
    let attention = AttentionSpec::plain(n_heads, n_kv_heads, 8, RopeSpec::plain(1e4));
    LayerSpec::pre_norm(attention, FfnSpec::swiglu(d_ffn))
}

fn spec(layers: Vec<LayerSpec>) -> ModelSpec {
    ModelSpec {
        vocab: VOCAB,
        d_model: 32,
        layers,
        norm: NormSpec::plain(1e-5),
        tied: true,
        max_positions: 64,
        embedding_scale: None,
        logit_softcap: None,
    }
}

fn checkpoint(spec: ModelSpec) -> Checkpoint {
    let center = if spec.norm.unit_offset { 0.0 } else { 1.0 };
    let tensors = spec.shapes().map(|(id, shape)| {
        let values = random(&id.to_string(), center, shape.iter().product());
        (id, HostTensor::new(shape, values))
    });
    let tensors = tensors.collect();
    Checkpoint::new(spec, tensors)
}

/// Values in `[-0.4, 0.4)`, those of norms around their center.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn random(name: &str, center: f64, n: usize) -> Vec<f32> {
    let center = if name.contains("norm") { center } else { 0.0 };
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
