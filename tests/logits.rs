//! A model's logits in a file, for `tests/parity/load_student.py` to compare with stock transformers.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_model::{Decoder, hf};
use pycno_units::Seed;
use safetensors::{Dtype, tensor::TensorView};

const BATCH: usize = 2;
const SEQ: usize = 24;

/// Runs the model in `folder` on fixed tokens and writes `input_ids` and `logits` to `out`.
///
/// # Panics
///
/// If the model cannot be read or the file cannot be written.
#[expect(clippy::unwrap_used, reason = "a test without its file has failed")]
pub fn export(folder: &Path, out: &Path) {
    let device = Device::flex();
    let decoder = Decoder::new(&hf::read(folder).unwrap(), &device).unwrap();
    let vocab = decoder.spec().vocab;
    let ids: Vec<i64> = (0..BATCH * SEQ)
        .map(|i| (Seed(1).split(&i.to_string()).0 % vocab as u64).cast_signed())
        .collect();
    let input = Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), [BATCH, SEQ]), &device);
    let hidden = decoder.hidden(input);
    let [_, _, d_model] = hidden.dims();
    let logits = decoder.logits(hidden.reshape([BATCH * SEQ, d_model]));
    let logits: Vec<f32> = logits.into_data().try_to_vec().unwrap();
    let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let logits: Vec<u8> = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors = [
        ("input_ids", TensorView::new(Dtype::I64, vec![BATCH, SEQ], &ids).unwrap()),
        ("logits", TensorView::new(Dtype::F32, vec![BATCH, SEQ, vocab], &logits).unwrap()),
    ];
    safetensors::serialize_to_file(tensors, None, out).unwrap();
}
