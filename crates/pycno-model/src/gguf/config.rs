//! The `config.json` that a GGUF file was once converted from.

use serde_json::{Map, Value, json};

use super::{header::Gguf, metadata::Metadata};
use crate::{ModelError, ModelSpec, RopeSpec};

/// Config keys with the metadata keys of the special tokens.
const TOKEN_IDS: [(&str, &str); 3] = [
    ("bos_token_id", "tokenizer.ggml.bos_token_id"),
    ("eos_token_id", "tokenizer.ggml.eos_token_id"),
    ("pad_token_id", "tokenizer.ggml.padding_token_id"),
];

/// Builds the config; `f32` is what the weights are after unpacking.
pub(super) fn build(file: &Gguf<'_>, spec: &ModelSpec) -> Result<Map<String, Value>, ModelError> {
    let mut config = sizes(spec);
    let fixed = [
        ("architectures", json!(["LlamaForCausalLM"])),
        ("model_type", json!("llama")),
        ("hidden_act", json!("silu")),
        ("torch_dtype", json!("float32")),
        ("dtype", json!("float32")),
        ("rope_scaling", rope_scaling(&spec.rope)),
    ];
    config.extend(fixed.map(|(key, value)| (key.to_owned(), value)));
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

fn sizes(spec: &ModelSpec) -> Map<String, Value> {
    let layer = spec.uniform_layer();
    let pairs = [
        ("vocab_size", json!(spec.vocab)),
        ("hidden_size", json!(spec.d_model)),
        ("intermediate_size", json!(layer.map(|layer| layer.d_ffn))),
        ("num_hidden_layers", json!(spec.layers.len())),
        ("num_attention_heads", json!(layer.map(|layer| layer.n_heads))),
        ("num_key_value_heads", json!(layer.map(|layer| layer.n_kv_heads))),
        ("head_dim", json!(spec.d_head)),
        ("max_position_embeddings", json!(spec.max_positions)),
        ("rms_norm_eps", json!(spec.norm_eps)),
        ("rope_theta", json!(spec.rope.theta)),
        ("tie_word_embeddings", json!(spec.tied)),
        ("attention_bias", json!(spec.attention_bias)),
        ("mlp_bias", json!(spec.mlp_bias)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn rope_scaling(rope: &RopeSpec) -> Value {
    rope.scaling.as_ref().map_or(Value::Null, |scaling| {
        json!({
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_positions,
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::gguf::{
        fixture::{Fixture, refusal},
        metadata::Value,
        parse,
    };

    #[test]
    fn the_config_says_what_the_metadata_said() {
        let bytes = Fixture::llama().bytes();
        let config = parse(std::path::Path::new("a.gguf"), &bytes).unwrap().config;
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
