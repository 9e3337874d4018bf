//! A trained model's own words: greedy continuation of stories260K (origin in `PROVENANCE.md` of the data).

use burn::tensor::{Device, Int, Tensor, TensorData};
use pycno_data::Tokenizer;
use pycno_model::{Decoder, hf};
use pycno_tests::data_dir_for;
use pycno_units::ParamCount;

use crate::fixture::logits;

const PROMPT: &str = "Once upon a time, Lily and Ben went to the park.";
const CONTINUATION: &str = "They saw a big box with a big box.";
/// Enough for the continuation: the vocabulary has few whole words.
const STEPS: usize = 40;

fn tokens(ids: &[u32]) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), &Device::flex())
}

/// The most likely token after the last.
fn greedy(decoder: &Decoder, hidden: Tensor<3>) -> u32 {
    let last = hidden.dims()[1] - 1;
    let logits = logits(decoder, hidden.narrow(1, last, 1));
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    u32::try_from(best.unwrap_or_default()).unwrap_or_default()
}

#[test]
fn stories260k_continues_word_for_word() {
    let Some(data) = data_dir_for("stories260k_continues_word_for_word") else { return };
    let checkpoint = hf::read(&data.join("models/stories260K")).unwrap();
    let tokenizer = Tokenizer::from_files(&checkpoint.files).unwrap();
    let decoder = Decoder::new(&checkpoint, &Device::flex()).unwrap();
    let mut ids = tokenizer.encode(PROMPT, true).unwrap();
    let mut cache = decoder.cache();
    let mut hidden = decoder.step(tokens(&ids), &mut cache);
    for _ in 0..STEPS {
        let next = greedy(&decoder, hidden);
        ids.push(next);
        hidden = decoder.step(tokens(&[next]), &mut cache);
    }
    let text = tokenizer.decode(&ids).unwrap();
    let (_, continuation) = text.split_once(PROMPT).unwrap();
    assert!(continuation.trim_start().starts_with(CONTINUATION), "{text}");
    assert_eq!(checkpoint.spec.param_counts().total, ParamCount(260_032.0));
}
