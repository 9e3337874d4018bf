//! The `config.json` that a GGUF file was once converted from.

use serde_json::{Map, Value, json};

use super::{arch::Architecture, header::Gguf, metadata::Metadata};
use crate::{ModelError, ModelSpec, hf};

/// Config keys with the metadata keys of the special tokens.
const TOKEN_IDS: [(&str, &str); 3] = [
    ("bos_token_id", "tokenizer.ggml.bos_token_id"),
    ("eos_token_id", "tokenizer.ggml.eos_token_id"),
    ("pad_token_id", "tokenizer.ggml.padding_token_id"),
];

/// Builds the config; `f32` is what the weights are after unpacking.
pub(super) fn build(
    file: &Gguf<'_>,
    architecture: &Architecture,
    spec: &ModelSpec,
) -> Result<Map<String, Value>, ModelError> {
    let mut config = hf::config::with_spec(spec, &architecture.config(), "float32")?;
    for (key, metadata_key) in TOKEN_IDS {
        let id = token_id(&file.metadata, metadata_key, spec.vocab)?;
        config.insert(key.to_owned(), json!(id));
    }
    Ok(config)
}

/// The id of a special token, which must be in the vocabulary.
pub(super) fn token_id(
    metadata: &Metadata,
    key: &str,
    vocab: usize,
) -> Result<Option<usize>, ModelError> {
    match metadata.size(key)? {
        Some(id) if id >= vocab => {
            Err(metadata.wrong(key, format!("an id below {vocab}"), id.to_string()))
        }
        id => Ok(id),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::gguf::{
        fixture::{Fixture, parsed, refusal},
        metadata::Value,
    };

    #[test]
    fn the_config_says_what_the_metadata_said() {
        let bytes = Fixture::llama().bytes();
        let config = parsed(&bytes).unwrap().config;
        let expect = [
            ("model_type", json!("llama")),
            ("hidden_size", json!(16)),
            ("num_key_value_heads", json!(2)),
            ("rms_norm_eps", json!(1e-5)),
            ("bos_token_id", json!(1)),
            ("pad_token_id", json!(null)),
            ("tie_word_embeddings", json!(true)),
        ];
        for (key, value) in expect {
            assert_eq!(config.get(key), Some(&value), "{key}");
        }
    }

    #[test]
    fn ids_beyond_the_vocabulary_are_refused() {
        let fixture = Fixture::llama().with("tokenizer.ggml.bos_token_id", Value::Integer(5));
        assert!(refusal(&fixture).contains("bos_token_id: expected an id below 5, found 5"));
    }
}
