//! What the files beside `tokenizer.json` say of special tokens, as `transformers` 5 reads them
//! (`tokenization_utils_base.py`, `_from_pretrained`; `tokenization_utils_tokenizers.py`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use crate::{DataError, document::object};

const CONFIG: &str = "tokenizer_config.json";
/// Older files, which count where the config has no `added_tokens_decoder`.
const MAP: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// What they say.
#[derive(Debug, Default)]
pub(crate) struct Specials {
    /// Beginning of sequence: the file that names it, and its text.
    pub(crate) bos: Option<(&'static str, String)>,
    /// End of sequence.
    pub(crate) eos: Option<(&'static str, String)>,
    /// Whether BOS and EOS surround a text, where a file says so; else `tokenizer.json` does.
    pub(crate) surround: Option<[bool; 2]>,
    /// Whether special tokens written in a text are split like any other word.
    pub(crate) split: bool,
    /// Tokens beside the vocabulary, by id.
    pub(crate) added: BTreeMap<u32, AddedToken>,
}

impl Specials {
    /// Reads the files that travel with a checkpoint.
    pub(crate) fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, DataError> {
        let mut config = object(files, CONFIG)?;
        let mut named_by = CONFIG;
        let added = if let Some(decoder) = config.get("added_tokens_decoder") {
            decoded(decoder)?
        } else {
            let map = object(files, MAP)?;
            if ["bos_token", "eos_token"].iter().any(|key| map.contains_key(*key)) {
                named_by = MAP;
            }
            config.extend(map);
            numbered(&object(files, ADDED)?, &config)?
        };
        let named = |key| Some((named_by, text(config.get(key)?)?));
        Ok(Self {
            bos: named("bos_token"),
            eos: named("eos_token"),
            surround: surround(&config)?,
            split: flag(&config, "split_special_tokens")?,
            added,
        })
    }
}

/// A token is written as text, or as an object with its text under `content`.
fn text(written: &Value) -> Option<String> {
    written.get("content").unwrap_or(written).as_str().map(str::to_owned)
}

/// Whether BOS and EOS are added; if either key is there, both are decided by the config.
fn surround(config: &Map<String, Value>) -> Result<Option<[bool; 2]>, DataError> {
    let keys = ["add_bos_token", "add_eos_token"];
    if !keys.iter().any(|key| config.contains_key(*key)) {
        return Ok(None);
    }
    let [bos, eos] = keys.map(|key| flag(config, key));
    Ok(Some([bos?, eos?]))
}

fn flag(config: &Map<String, Value>, key: &'static str) -> Result<bool, DataError> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong(CONFIG, key, "true or false", other)),
    }
}

fn wrong(file: &'static str, key: &str, expected: &'static str, found: &Value) -> DataError {
    DataError::TokenizerKey { file, key: key.to_owned(), expected, found: found.to_string() }
}

/// `added_tokens_decoder`: tokens by id.
fn decoded(decoder: &Value) -> Result<BTreeMap<u32, AddedToken>, DataError> {
    let refuse = |found: &Value| wrong(CONFIG, "added_tokens_decoder", "tokens by id", found);
    let entries = decoder.as_object().ok_or_else(|| refuse(decoder))?;
    let token = |(id, value): (&String, &Value)| {
        let id = id.parse().map_err(|_| refuse(value))?;
        let table = value.as_object().ok_or_else(|| refuse(value))?;
        let token = serde_json::from_value(complete(table)).map_err(|_| refuse(value))?;
        Ok((id, token))
    };
    entries.iter().map(token).collect()
}

/// A token with the keys that it leaves out: not normalized if it is special, and nothing else.
fn complete(token: &Map<String, Value>) -> Value {
    let mut token = token.clone();
    let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
    for (key, absent) in [
        ("single_word", false),
        ("lstrip", false),
        ("rstrip", false),
        ("special", false),
        ("normalized", !special),
    ] {
        token.entry(key).or_insert(absent.into());
    }
    Value::Object(token)
}

/// `added_tokens.json`: ids by text; special are those that the config names.
fn numbered(
    added: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Result<BTreeMap<u32, AddedToken>, DataError> {
    let named: Vec<String> = config
        .iter()
        .filter(|(key, _)| key.ends_with("_token"))
        .filter_map(|(_, value)| text(value))
        .collect();
    let token = |(content, id): (&String, &Value)| {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| wrong(ADDED, content, "an id", &added[content]))?;
        Ok((id, AddedToken::from(content.clone(), named.contains(content))))
    };
    added.iter().map(token).collect()
}
