//! Byte-level BPE: merges come with the file, the pre-tokenizer only by name.

use serde_json::{Value, json};

use super::{
    metadata::Metadata,
    tokenizer::{Parts, Vocabulary},
};
use crate::ModelError;

const PRE: &str = "tokenizer.ggml.pre";
const MERGES: &str = "tokenizer.ggml.merges";

/// Pre-tokenizers that are known, by llama.cpp's names.
const KNOWN: &str = "gpt-2, llama-bpe, qwen2, smollm";

/// Llama 3's split; digits in threes.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's split; digits one by one.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Builds the parts of a byte-level tokenizer.
pub(super) fn parts(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Parts, ModelError> {
    let pre = metadata.required(PRE, metadata.text(PRE)?)?;
    let pre_tokenizer =
        pre_tokenizer(pre).ok_or_else(|| metadata.wrong(PRE, format!("one of {KNOWN}"), pre))?;
    let llama3 = pre == "llama-bpe";
    let model = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": null,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": false,
        "byte_fallback": false,
        "ignore_merges": llama3,
        "vocab": vocabulary.json(),
        "merges": merges(metadata, vocabulary)?,
    });
    Ok(Parts {
        normalizer: if pre == "qwen2" { json!({ "type": "NFC" }) } else { Value::Null },
        pre_tokenizer,
        decoder: byte_level(true, true),
        model,
        add_bos: llama3,
    })
}

fn pre_tokenizer(pre: &str) -> Option<Value> {
    let sequence = |first: Value, second: Value| json!({ "type": "Sequence", "pretokenizers": [first, second] });
    let split = |regex: &str| {
        json!({
            "type": "Split",
            "pattern": { "Regex": regex },
            "behavior": "Isolated",
            "invert": false,
        })
    };
    Some(match pre {
        "gpt-2" => byte_level(false, true),
        "smollm" => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            sequence(digits, byte_level(false, true))
        }
        "llama-bpe" => sequence(split(LLAMA3), byte_level(false, false)),
        "qwen2" => sequence(split(QWEN2), byte_level(false, false)),
        _ => return None,
    })
}

fn byte_level(add_prefix_space: bool, use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": true,
        "use_regex": use_regex,
    })
}

/// Merges as pairs, each of which must join two tokens to a third.
fn merges(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Vec<Value>, ModelError> {
    let merges = metadata.required(MERGES, metadata.texts(MERGES)?)?;
    merges
        .iter()
        .enumerate()
        .map(|(rank, merge)| {
            let known = |token: &str| vocabulary.ids.contains_key(token);
            match merge.split_once(' ') {
                Some((left, right))
                    if known(left) && known(right) && known(&format!("{left}{right}")) =>
                {
                    Ok(json!([left, right]))
                }
                _ => {
                    let found = format!("{merge:?} at {rank}");
                    Err(metadata.wrong(MERGES, "two tokens that join to a third", found))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{
        fixture::{Fixture, parsed, refusal},
        metadata::Value as Entry,
    };

    fn tokenizer(pre: &str) -> Value {
        let fixture = Fixture::llama().with(PRE, Entry::Text(pre.to_owned()));
        let checkpoint = parsed(&fixture.bytes()).unwrap();
        serde_json::from_slice(&checkpoint.files["tokenizer.json"]).unwrap()
    }

    #[track_caller]
    fn check(pre: &str, pointer: &str, expect: &Value) {
        assert_eq!(tokenizer(pre).pointer(pointer), Some(expect), "{pre} {pointer}");
    }

    #[test]
    fn pre_tokenizers_are_known_by_name() {
        check("gpt-2", "/pre_tokenizer/use_regex", &json!(true));
        check("smollm", "/pre_tokenizer/pretokenizers/0/individual_digits", &json!(true));
        check("smollm", "/pre_tokenizer/pretokenizers/1/use_regex", &json!(true));
        check("llama-bpe", "/pre_tokenizer/pretokenizers/1/use_regex", &json!(false));
        check("qwen2", "/pre_tokenizer/pretokenizers/0/pattern/Regex", &json!(QWEN2));
        check("qwen2", "/normalizer/type", &json!("NFC"));
    }

    #[test]
    fn llama_3_ignores_merges_and_adds_bos_unasked() {
        check("llama-bpe", "/model/ignore_merges", &json!(true));
        check("llama-bpe", "/post_processor/special_tokens/<|start|>/ids", &json!([1]));
        check("smollm", "/model/ignore_merges", &json!(false));
        check("smollm", "/model/merges", &json!([["a", "b"]]));
    }

    #[test]
    fn unknown_names_and_broken_merges_are_refused() {
        let pre = Fixture::llama().with(PRE, Entry::Text("tekken".to_owned()));
        assert!(refusal(&pre).contains("one of gpt-2, llama-bpe, qwen2, smollm, found tekken"));
        for merge in ["ab", "a c", "b a"] {
            let fixture = Fixture::llama().with(MERGES, Entry::Texts(vec![merge.to_owned()]));
            assert!(refusal(&fixture).contains("two tokens that join to a third"), "{merge}");
        }
    }
}
