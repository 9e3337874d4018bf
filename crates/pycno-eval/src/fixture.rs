//! A tiny random model, a tiny tokenizer and tiny tasks for this crate's tests.

use std::collections::BTreeMap;

use burn::tensor::Device;
use pycno_data::Tokenizer;
use pycno_model::{
    AttentionSpec, Checkpoint, Decoder, FfnSpec, HostTensor, LayerSpec, ModelSpec, NormSpec, Part,
    RopeSpec, TensorId,
};
use pycno_units::Seed;

use crate::{Item, Task, TaskItems, items::Pair};

/// Two layers of random weights.
pub(crate) fn decoder(vocab: usize) -> Decoder {
    Decoder::new(&checkpoint(vocab), &Device::flex()).unwrap()
}

/// A decoder whose every output is `NaN`.
pub(crate) fn broken_decoder(vocab: usize) -> Decoder {
    let mut checkpoint = checkpoint(vocab);
    let norm = HostTensor::new(vec![8], vec![f32::NAN; 8]);
    checkpoint.tensors.insert(TensorId::outside(Part::FinalNorm), norm);
    Decoder::new(&checkpoint, &Device::flex()).unwrap()
}

fn checkpoint(vocab: usize) -> Checkpoint {
    let attention = AttentionSpec::plain(2, 1, 4, RopeSpec::plain(1e4));
    let spec = ModelSpec {
        vocab,
        d_model: 8,
        layers: vec![LayerSpec::pre_norm(attention, FfnSpec::swiglu(12)); 2],
        norm: NormSpec::plain(1e-5),
        tied: false,
        max_positions: 16,
        embedding_scale: None,
        logit_softcap: None,
    };
    let random = |(id, shape): (TensorId, Vec<usize>)| (id, random(&id.to_string(), shape));
    let tensors = spec.shapes().map(random).collect();
    let (files, config) = (BTreeMap::new(), serde_json::Map::new());
    Checkpoint { files, config, ..Checkpoint::new(spec, tensors) }
}

/// Uniform in `[-1, 1)`.
fn random(name: &str, shape: Vec<usize>) -> HostTensor {
    let seed = Seed(5).split(name);
    let value = |i: usize| (seed.split(&i.to_string()).0 >> 40) as f32 / 8_388_608.0 - 1.0;
    let data = (0..shape.iter().product()).map(value).collect();
    HostTensor::new(shape, data)
}

/// Each word is a token from id 3 on, a space before it included; `<s>` and `</s>` are 1 and 2.
pub(crate) fn tokenizer(words: &[&str], adds_bos: bool) -> Tokenizer {
    let config = br#"{"bos_token": "<s>", "eos_token": "</s>"}"#.to_vec();
    let files = BTreeMap::from([
        ("tokenizer.json".to_owned(), tokenizer_json(words, adds_bos)),
        ("tokenizer_config.json".to_owned(), config),
    ]);
    Tokenizer::from_files(&files).unwrap()
}

pub(crate) fn tokenizer_json(words: &[&str], adds_bos: bool) -> Vec<u8> {
    let words = ["<unk>", "<s>", "</s>"].iter().chain(words).enumerate();
    let vocab: serde_json::Map<_, _> =
        words.map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |id: u32, content: &str| {
        serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
    };
    let template = serde_json::json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}});
    let template = if adds_bos { template } else { serde_json::Value::Null };
    let json = serde_json::json!({"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(1, "<s>"), special(2, "</s>")], "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": template, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}});
    json.to_string().into_bytes()
}

/// A multiple-choice task: contexts and their continuations, the first of which is right.
pub(crate) fn items_of(items: &[(&str, &[&str])]) -> TaskItems {
    let pair = |context: &str, continuation: &str| Pair {
        context: context.to_owned(),
        continuation: continuation.to_owned(),
        answer: continuation.trim_start().to_owned(),
    };
    let items = items.iter().enumerate().map(|(i, (context, continuations))| Item {
        id: i.to_string(),
        stratum: None,
        gold: 0,
        pairs: continuations.iter().map(|continuation| pair(context, continuation)).collect(),
    });
    task_items(crate::task::builtin("arc_easy").unwrap(), items.collect(), None)
}

/// A text in windows.
pub(crate) fn text_task(text: &str, window: usize, window_limit: Option<usize>) -> TaskItems {
    let toml = format!(
        "name = \"text\"\nversion = 1\nfile = \"t.txt\"\nlicense = \"MIT\"\n\
         [kind.bits-per-byte]\nwindow = {window}\n"
    );
    let whole =
        Pair { context: String::new(), continuation: text.to_owned(), answer: text.to_owned() };
    let item = Item { id: "0".to_owned(), stratum: None, gold: 0, pairs: vec![whole] };
    task_items(Task::parse(&toml, "text").unwrap(), vec![item], window_limit)
}

fn task_items(task: Task, items: Vec<Item>, window_limit: Option<usize>) -> TaskItems {
    TaskItems {
        n_available: items.len(),
        file_sha256: String::new(),
        prompts_hash: String::new(),
        items_sha256: String::new(),
        task,
        items,
        window_limit,
    }
}
