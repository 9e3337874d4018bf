//! Logits against those of `transformers`.

use burn::tensor::Device;
use pycno_model::{AttentionSpec, ComputeDtype, Decoder, ModelSpec, RopeSpec};

use crate::fixture::{NAMES, checkpoint, difference, expected, logits};

/// Two float32 forward passes that sum in different orders, logits up to 10.
const TOLERANCE: f32 = 1e-4;

#[test]
fn logits_are_those_of_transformers() {
    for name in NAMES {
        let decoder = Decoder::new(&checkpoint(name), &Device::flex()).unwrap();
        let expected = expected(name);
        let found = logits(&decoder, decoder.hidden(expected.ids));
        let worst = difference(&found, &expected.logits);
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}

/// Rounding of weights and activations to 11 and 8 bits, through three layers; logits up to 10.
const HALF_TOLERANCES: [(ComputeDtype, f32); 2] =
    [(ComputeDtype::F16, 0.1), (ComputeDtype::Bf16, 0.8)];

#[test]
fn half_precision_comes_close_and_is_another_computation() {
    for (dtype, tolerance) in HALF_TOLERANCES {
        for name in NAMES {
            let device = Device::flex();
            let decoder = Decoder::computing_in(dtype, &checkpoint(name), &device).unwrap();
            let expected = expected(name);
            let found = logits(&decoder, decoder.hidden(expected.ids));
            let worst = difference(&found, &expected.logits);
            assert!(worst <= tolerance && worst > TOLERANCE, "{name} in {dtype}: {worst}");
        }
    }
}

fn each(spec: &mut ModelSpec, change: fn(&mut AttentionSpec)) {
    spec.layers.iter_mut().filter_map(|layer| layer.attention.as_mut()).for_each(change);
}

/// What the fixtures are for: each variant must matter to the logits it was made with.
#[test]
fn ignoring_what_a_variant_adds_would_show() {
    type Ignore = fn(&mut ModelSpec);
    let cases: [(&str, Ignore); 13] = [
        ("llama3_rope", |spec| each(spec, |attention| attention.rope.scaling = None)),
        ("mistral_window", |spec| each(spec, |attention| attention.window = None)),
        ("other_eps_theta", |spec| spec.norm.eps = 1e-5),
        ("other_eps_theta", |spec| each(spec, |attention| attention.rope.theta = 1e4)),
        ("qwen2", |spec| each(spec, |attention| attention.window = None)),
        ("gemma2", |spec| each(spec, |attention| attention.window = None)),
        ("gemma2", |spec| each(spec, |attention| attention.softcap = None)),
        ("gemma2", |spec| spec.logit_softcap = None),
        ("gemma3", |spec| each(spec, |attention| attention.window = None)),
        ("gemma3", |spec| each(spec, |attention| attention.rope = RopeSpec::plain(1e4))),
        ("gemma3", |spec| each(spec, |attention| attention.scale = None)),
        ("gemma3", |spec| spec.embedding_scale = None),
        ("gemma3", |spec| spec.norm.unit_offset = false),
    ];
    for (name, ignore) in cases {
        let mut checkpoint = checkpoint(name);
        ignore(&mut checkpoint.spec);
        let decoder = Decoder::new(&checkpoint, &Device::flex()).unwrap();
        let expected = expected(name);
        let found = logits(&decoder, decoder.hidden(expected.ids));
        let worst = difference(&found, &expected.logits);
        assert!(worst > 100.0 * TOLERANCE, "{name}: {worst}");
    }
}
