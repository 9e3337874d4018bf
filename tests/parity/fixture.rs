//! The models of `golden/parity` and a few lines around them.

use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_model::{Checkpoint, Decoder, hf};
use safetensors::{SafeTensors, tensor::TensorView};

/// Every model that `make.py` writes.
pub(crate) const NAMES: [&str; 14] = [
    "mha_tied",
    "gqa_untied",
    "biases",
    "explicit_head_dim",
    "llama3_rope",
    "mistral_window",
    "other_eps_theta",
    "gqa_sharded",
    "bf16_file",
    "f16_file",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
];

/// What `transformers` gave.
pub(crate) struct Expected {
    /// `[batch, seq]`
    pub(crate) ids: Tensor<2, Int>,
    /// `[batch, seq, vocab]`, flat.
    pub(crate) logits: Vec<f32>,
}

pub(crate) fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/parity").join(name)
}

#[expect(clippy::expect_used, reason = "a fixture that cannot be read fails the test")]
pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    hf::read(&folder(name)).expect("a fixture reads")
}

#[expect(clippy::expect_used, reason = "a fixture that cannot be read fails the test")]
pub(crate) fn expected(name: &str) -> Expected {
    let bytes =
        std::fs::read(folder(name).join("expected.safetensors")).expect("the file is there");
    let file = SafeTensors::deserialize(&bytes).expect("the file is sound");
    let view = |name| file.tensor(name).expect("the tensor is there");
    let ids = numbers(&view("input_ids"), i64::from_le_bytes);
    let shape = view("input_ids").shape().to_vec();
    Expected {
        ids: Tensor::from_data(TensorData::new(ids, shape), &Device::flex()),
        logits: numbers(&view("logits"), f32::from_le_bytes),
    }
}

fn numbers<T, const N: usize>(view: &TensorView<'_>, number: fn([u8; N]) -> T) -> Vec<T> {
    let (bytes, rest) = view.data().as_chunks::<N>();
    assert!(rest.is_empty(), "{} bytes over", rest.len());
    bytes.iter().map(|bytes| number(*bytes)).collect()
}

/// Logits of some hidden states, flat.
#[expect(clippy::expect_used, reason = "floats convert to f32")]
pub(crate) fn logits(decoder: &Decoder, hidden: Tensor<3>) -> Vec<f32> {
    let [batch, seq, d_model] = hidden.dims();
    let logits = decoder.logits(hidden.reshape([batch * seq, d_model]));
    logits.into_data().convert::<f32>().try_to_vec().expect("floats convert to f32")
}

/// The largest difference; NaN if any value is.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, x| if x > worst || x.is_nan() { x } else { worst })
}
