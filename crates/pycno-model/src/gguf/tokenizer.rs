//! `tokenizer.json` and `tokenizer_config.json` rebuilt from `tokenizer.*` metadata.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{byte_level, config::token_id, header::Gguf, metadata::Metadata, sentencepiece};
use crate::{ModelError, ModelSpec};

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";

/// Token types by GGUF's numbers.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Config keys with the metadata keys of their ids.
const NAMED_TOKENS: [(&str, &str); 4] = [
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
];

/// Tokens by id, with their types.
pub(super) struct Vocabulary<'a> {
    pub(super) tokens: &'a [String],
    types: Option<&'a [i64]>,
    /// Ids by token.
    pub(super) ids: BTreeMap<&'a str, usize>,
}

/// What a tokenizer model decides.
pub(super) struct Parts {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) decoder: Value,
    pub(super) model: Value,
    /// Whether BOS is added where the file does not say.
    pub(super) add_bos: bool,
}

/// Token texts by config key, and which of them surround a text.
struct Specials<'a> {
    named: BTreeMap<&'static str, (usize, &'a str)>,
    add_bos: bool,
    add_eos: bool,
}

/// Builds both files.
pub(super) fn files(
    file: &Gguf<'_>,
    spec: &ModelSpec,
) -> Result<BTreeMap<String, Vec<u8>>, ModelError> {
    let metadata = &file.metadata;
    let vocabulary = Vocabulary::read(metadata, spec.vocab)?;
    let named = named_tokens(metadata, &vocabulary)?;
    let parts = match metadata.required(MODEL, metadata.text(MODEL)?)? {
        "gpt2" => byte_level::parts(metadata, &vocabulary)?,
        "llama" => {
            let unknown = named.get("unk_token").map(|(_, text)| *text);
            sentencepiece::parts(metadata, &vocabulary, unknown)?
        }
        other => return Err(metadata.wrong(MODEL, "one of gpt2, llama", other)),
    };
    let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(parts.add_bos);
    let add_eos = metadata.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
    let specials = Specials { named, add_bos, add_eos };
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": vocabulary.added(),
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": specials.template(metadata)?,
        "decoder": parts.decoder,
        "model": parts.model,
    });
    let config = specials.config(metadata.text("tokenizer.chat_template")?, spec.max_positions);
    let bytes = |value: Value| value.to_string().into_bytes();
    Ok(BTreeMap::from([
        ("tokenizer.json".to_owned(), bytes(tokenizer)),
        ("tokenizer_config.json".to_owned(), bytes(config)),
    ]))
}

fn named_tokens<'a>(
    metadata: &Metadata,
    vocabulary: &Vocabulary<'a>,
) -> Result<BTreeMap<&'static str, (usize, &'a str)>, ModelError> {
    let mut named = BTreeMap::new();
    for (name, key) in NAMED_TOKENS {
        let id = token_id(metadata, key, vocabulary.tokens.len())?;
        named.extend(id.map(|id| (name, (id, vocabulary.tokens[id].as_str()))));
    }
    Ok(named)
}

impl<'a> Vocabulary<'a> {
    /// Reads tokens and types; both must have one entry a row of the embedding.
    fn read(metadata: &'a Metadata, vocab: usize) -> Result<Self, ModelError> {
        let tokens = metadata.required(TOKENS, metadata.texts(TOKENS)?)?;
        let types = metadata.integers(TYPES)?;
        for (key, len) in [(TOKENS, Some(tokens.len())), (TYPES, types.map(<[i64]>::len))] {
            if let Some(len) = len.filter(|len| *len != vocab) {
                let expected = format!("{vocab} entries, one per row of token_embd.weight");
                return Err(metadata.wrong(key, expected, len.to_string()));
            }
        }
        let mut ids = BTreeMap::new();
        for (id, token) in tokens.iter().enumerate() {
            if let Some(other) = ids.insert(token.as_str(), id) {
                let found = format!("{token:?} as {other} and {id}");
                return Err(metadata.wrong(TOKENS, "every token once", found));
            }
        }
        Ok(Self { tokens, types, ids })
    }

    /// Normal tokens only.
    #[cfg(test)]
    pub(super) fn plain(tokens: &'a [String]) -> Self {
        let ids = tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
        Self { tokens, types: None, ids }
    }

    fn type_of(&self, id: usize) -> i64 {
        self.types.map_or(NORMAL, |types| types[id])
    }

    pub(super) fn is_normal(&self, id: usize) -> bool {
        self.type_of(id) == NORMAL
    }

    /// The vocabulary as a JSON object, in order of ids.
    pub(super) fn json(&self) -> Value {
        let entries = self.tokens.iter().enumerate();
        Value::Object(entries.map(|(id, token)| (token.clone(), json!(id))).collect())
    }

    /// Tokens that are found in a text before anything else is done to it.
    fn added(&self) -> Vec<Value> {
        let tokens = self.tokens.iter().enumerate();
        let added =
            tokens.filter(|(id, _)| matches!(self.type_of(*id), UNKNOWN | CONTROL | USER_DEFINED));
        added
            .map(|(id, token)| {
                json!({
                    "id": id,
                    "content": token,
                    "single_word": false,
                    "lstrip": false,
                    "rstrip": false,
                    "normalized": false,
                    "special": self.type_of(id) != USER_DEFINED,
                })
            })
            .collect()
    }
}

impl Specials<'_> {
    /// The post-processor that puts BOS and EOS around a text, or null.
    fn template(&self, metadata: &Metadata) -> Result<Value, ModelError> {
        let token = |wanted: bool, name: &str, key: &str| {
            let token = if wanted { Some(self.named.get(name)) } else { None };
            token.map(|token| token.ok_or_else(|| metadata.missing(key))).transpose()
        };
        let bos = token(self.add_bos, "bos_token", "tokenizer.ggml.bos_token_id")?;
        let eos = token(self.add_eos, "eos_token", "tokenizer.ggml.eos_token_id")?;
        if bos.is_none() && eos.is_none() {
            return Ok(Value::Null);
        }
        let special = |(_, text): &(usize, &str), segment: usize| json!({ "SpecialToken": { "id": text, "type_id": segment } });
        let around = |name: &str, segment: usize| {
            let text = json!({ "Sequence": { "id": name, "type_id": segment } });
            let before = bos.map(|token| special(token, segment));
            before.into_iter().chain([text]).chain(eos.map(|token| special(token, segment)))
        };
        let used = bos.into_iter().chain(eos).map(|(id, text)| {
            ((*text).to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] }))
        });
        Ok(json!({
            "type": "TemplateProcessing",
            "single": around("A", 0).collect::<Vec<_>>(),
            "pair": around("A", 0).chain(around("B", 1)).collect::<Vec<_>>(),
            "special_tokens": used.collect::<Map<_, _>>(),
        }))
    }

    fn config(&self, chat_template: Option<&str>, max_positions: usize) -> Value {
        let mut config = Map::from_iter([
            ("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast")),
            ("model_max_length".to_owned(), json!(max_positions)),
            ("clean_up_tokenization_spaces".to_owned(), json!(false)),
            ("add_bos_token".to_owned(), json!(self.add_bos)),
            ("add_eos_token".to_owned(), json!(self.add_eos)),
        ]);
        config.extend(self.named.iter().map(|(name, (_, text))| ((*name).to_owned(), json!(text))));
        config.extend(chat_template.map(|text| ("chat_template".to_owned(), json!(text))));
        Value::Object(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{
        fixture::{Fixture, parsed, refusal},
        metadata::Value as Entry,
    };

    fn built(fixture: &Fixture, name: &str) -> Value {
        let checkpoint = parsed(&fixture.bytes()).unwrap();
        serde_json::from_slice(&checkpoint.files[name]).unwrap()
    }

    #[track_caller]
    fn check(fixture: &Fixture, pointer: &str, expect: &Value) {
        let tokenizer = built(fixture, "tokenizer.json");
        assert_eq!(tokenizer.pointer(pointer), Some(expect), "{pointer}");
    }

    #[test]
    fn control_tokens_are_special_and_user_defined_ones_are_added() {
        let types = Entry::Integers(vec![3, 4, 1, 1, 1]);
        let fixture = Fixture::llama().with(TYPES, types);
        check(&fixture, "/added_tokens/0/content", &json!("<|end|>"));
        check(&fixture, "/added_tokens/0/special", &json!(true));
        check(&fixture, "/added_tokens/1/special", &json!(false));
        assert!(built(&fixture, "tokenizer.json").pointer("/added_tokens/2").is_none());
    }

    #[test]
    fn bos_is_added_where_the_file_says_so() {
        let fixture = Fixture::llama();
        check(&fixture, "/post_processor", &Value::Null);
        let fixture = fixture.with("tokenizer.ggml.add_bos_token", Entry::Bool(true));
        check(&fixture, "/post_processor/single/0/SpecialToken/id", &json!("<|start|>"));
        check(&fixture, "/post_processor/pair/2/SpecialToken/type_id", &json!(1));
        check(&fixture, "/post_processor/special_tokens/<|start|>/ids", &json!([1]));
        let without = fixture.without("tokenizer.ggml.bos_token_id");
        assert!(
            refusal(&without).contains("tokenizer.ggml.bos_token_id: expected a value, found none")
        );
    }

    #[test]
    fn the_config_names_special_tokens_and_carries_the_chat_template() {
        let template = Entry::Text("{{ messages }}".to_owned());
        let fixture = Fixture::llama().with("tokenizer.chat_template", template);
        let config = built(&fixture, "tokenizer_config.json");
        assert_eq!(config["bos_token"], "<|start|>");
        assert_eq!(config["eos_token"], "<|end|>");
        assert_eq!(config["model_max_length"], 32);
        assert_eq!(config["chat_template"], "{{ messages }}");
    }

    #[test]
    fn vocabularies_that_lie_are_refused() {
        let texts = |n: usize| Entry::Texts((0..n).map(|i| format!("t{i}")).collect());
        let with = |key: &str, value| refusal(&Fixture::llama().with(key, value));
        assert!(with(TOKENS, texts(4)).contains("tokens: expected 5 entries"));
        assert!(with(TYPES, Entry::Integers(vec![1; 6])).contains("found 6"));
        assert!(with(TOKENS, Entry::Texts(vec!["a".to_owned(); 5])).contains("every token once"));
        assert!(with(MODEL, Entry::Text("bert".to_owned())).contains("one of gpt2, llama"));
        assert!(with(TOKENS, Entry::Bool(true)).contains("an array of strings, found a bool"));
        let without = Fixture::llama().without(TOKENS);
        assert!(refusal(&without).contains("tokenizer.ggml.tokens: expected a value"));
    }
}
