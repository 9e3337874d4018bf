//! Writes small GGUF files for the tests, and lies in them where asked.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{metadata::Value, parse};
use crate::{Checkpoint, ModelError, map::FileBytes};

/// A file to be.
#[derive(Clone, Debug)]
pub(super) struct Fixture {
    pub(super) version: u32,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) tensors: Vec<Stored>,
}

/// A tensor to be: extents outermost first, GGML's type, the bytes.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) type_id: u32,
    pub(super) bytes: Vec<u8>,
    /// Added to the true offset.
    pub(super) shift: u64,
}

impl Fixture {
    /// One layer, d 16, 4 query and 2 key/value heads, FFN 6, five tokens, tied.
    pub(super) fn llama() -> Self {
        let mut fixture = Self { version: 3, values: BTreeMap::new(), tensors: vec![] };
        let text = |text: &str| Value::Text(text.to_owned());
        let texts = |texts: &[&str]| Value::Texts(texts.iter().map(ToString::to_string).collect());
        let values = [
            ("general.architecture", text("llama")),
            ("llama.block_count", Value::Integer(1)),
            ("llama.context_length", Value::Integer(32)),
            ("llama.embedding_length", Value::Integer(16)),
            ("llama.feed_forward_length", Value::Integer(6)),
            ("llama.attention.head_count", Value::Integer(4)),
            ("llama.attention.head_count_kv", Value::Integer(2)),
            ("llama.attention.layer_norm_rms_epsilon", Value::Single(1e-5)),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("smollm")),
            ("tokenizer.ggml.tokens", texts(&["<|end|>", "<|start|>", "a", "b", "ab"])),
            ("tokenizer.ggml.token_type", Value::Integers(vec![3, 3, 1, 1, 1])),
            ("tokenizer.ggml.merges", texts(&["a b"])),
            ("tokenizer.ggml.bos_token_id", Value::Integer(1)),
            ("tokenizer.ggml.eos_token_id", Value::Integer(0)),
        ];
        fixture.values.extend(values.map(|(key, value)| (key.to_owned(), value)));
        for (name, shape) in SHAPES {
            let n: u64 = shape.iter().product();
            let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
            fixture = fixture.with_f32(name, shape, &values);
        }
        fixture
    }

    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.values.insert(key.to_owned(), value);
        self
    }

    /// Adds or replaces a tensor.
    pub(super) fn with_f32(mut self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.retain(|tensor| tensor.name != name);
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.tensors.push(Stored { name, shape, type_id: 0, bytes, shift: 0 });
        self
    }

    /// Removes a key or a tensor.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.values.remove(name);
        self.tensors.retain(|tensor| tensor.name != name);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.values.len() as u64).to_le_bytes());
        for (key, value) in &self.values {
            string(&mut out, key);
            put(&mut out, value);
        }
        let mut data: Vec<u8> = vec![];
        for tensor in &self.tensors {
            data.resize(data.len().next_multiple_of(32), 0);
            string(&mut out, &tensor.name);
            out.extend(u32::try_from(tensor.shape.len()).unwrap().to_le_bytes());
            tensor.shape.iter().rev().for_each(|extent| out.extend(extent.to_le_bytes()));
            out.extend(tensor.type_id.to_le_bytes());
            out.extend((data.len() as u64).wrapping_add(tensor.shift).to_le_bytes());
            data.extend(&tensor.bytes);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }
}

const SHAPES: [(&str, &[u64]); 11] = [
    ("token_embd.weight", &[5, 16]),
    ("output_norm.weight", &[16]),
    ("blk.0.attn_norm.weight", &[16]),
    ("blk.0.ffn_norm.weight", &[16]),
    ("blk.0.attn_q.weight", &[16, 16]),
    ("blk.0.attn_k.weight", &[8, 16]),
    ("blk.0.attn_v.weight", &[8, 16]),
    ("blk.0.attn_output.weight", &[16, 16]),
    ("blk.0.ffn_gate.weight", &[6, 16]),
    ("blk.0.ffn_up.weight", &[6, 16]),
    ("blk.0.ffn_down.weight", &[16, 6]),
];

/// The error that reading the file gives, with its place.
#[track_caller]
pub(super) fn refusal(fixture: &Fixture) -> String {
    parsed(&fixture.bytes()).expect_err("a refusal").to_string()
}

/// Reads a file's bytes as those of `a.gguf`.
pub(super) fn parsed(bytes: &[u8]) -> Result<Checkpoint, ModelError> {
    parse(Path::new("a.gguf"), &Arc::new(FileBytes::Held(bytes.to_vec())))
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn array<T>(out: &mut Vec<u8>, type_id: u32, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    out.extend(9_u32.to_le_bytes());
    out.extend(type_id.to_le_bytes());
    out.extend((items.len() as u64).to_le_bytes());
    for item in items {
        put(out, item);
    }
}

fn put(out: &mut Vec<u8>, value: &Value) {
    let mut scalar = |type_id: u32, bytes: &[u8]| {
        out.extend(type_id.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::Bool(flag) => scalar(7, &[u8::from(*flag)]),
        Value::Integer(number) => scalar(11, &i64::try_from(*number).unwrap().to_le_bytes()),
        Value::Single(number) => scalar(6, &number.to_le_bytes()),
        Value::Double(number) => scalar(12, &number.to_le_bytes()),
        Value::Text(text) => {
            scalar(8, &[]);
            string(out, text);
        }
        Value::Bools(flags) => array(out, 7, flags, |out, flag| out.push(u8::from(*flag))),
        Value::Integers(all) => array(out, 11, all, |out, x| out.extend(x.to_le_bytes())),
        Value::Floats(all) => array(out, 12, all, |out, x| out.extend(x.to_le_bytes())),
        Value::Texts(texts) => array(out, 8, texts, |out, text| string(out, text)),
    }
}
