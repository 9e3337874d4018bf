//! `config.json` to and from [`ModelSpec`], whatever the family.
//!
//! An absent key means what `transformers` 5 takes it to mean. A key that would change the function and
//! that the decoder does not know is an error, never ignored.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    family::{FAMILIES, ModelFamily},
    keys::Keys,
    known::HARMLESS,
};
use crate::{ModelError, ModelSpec};

/// Reads the shape of a model from its `config.json`; `path` is for messages.
///
/// # Errors
///
/// [`ModelError::Malformed`], naming file and key: an unknown family, rotary kind, activation or
/// per-layer list, a quantized model, a value out of range.
pub fn spec(config: &Map<String, Value>, path: &Path) -> Result<ModelSpec, ModelError> {
    let keys = Keys::new(config, path);
    let spec = (family(config, path)?.spec)(&keys)?;
    for harmless in HARMLESS {
        keys.ignore(harmless);
    }
    keys.expect_none_left()?;
    Ok(spec)
}

/// Writes the shape of a model over the `config.json` of the one it came from (empty if none).
///
/// Keys the shape does not decide are kept. The result is read again and must give back the spec.
///
/// # Errors
///
/// [`ModelError::Inexpressible`] for layers that differ and for all else the format lacks;
/// [`ModelError::Malformed`] if the original has a key this reader refuses.
pub fn with_spec(
    spec: &ModelSpec,
    original: &Map<String, Value>,
    dtype: &str,
) -> Result<Map<String, Value>, ModelError> {
    let path = Path::new("config.json");
    let family = if original.contains_key("model_type") {
        family(original, path)?
    } else {
        ModelFamily::for_spec(spec)
    };
    let inexpressible =
        |what| ModelError::Inexpressible { what, format: family.model_type.to_owned() };
    let mut config = original.clone();
    config.insert("model_type".to_owned(), family.model_type.into());
    config.insert("architectures".to_owned(), vec![family.architecture].into());
    (family.write)(spec, &mut config).map_err(inexpressible)?;
    for key in ["torch_dtype", "dtype"] {
        config.insert(key.to_owned(), dtype.into());
    }
    let written = self::spec(&config, path)?;
    if written == *spec {
        Ok(config)
    } else {
        let what = format!("the model is {spec:?} and its config would say {written:?}");
        Err(inexpressible(what))
    }
}

/// The family of a config.
pub(super) fn family(
    config: &Map<String, Value>,
    path: &Path,
) -> Result<&'static ModelFamily, ModelError> {
    let named = config.get("model_type").and_then(Value::as_str).and_then(ModelFamily::named);
    named.ok_or_else(|| {
        let known = FAMILIES.map(|family| family.model_type).join(", ");
        Keys::new(config, path).wrong("model_type", &format!("one of {known}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{AttentionSpec, FfnSpec, LayerSpec, NormSpec, RopeScaling, RopeSpec, hf::fixture};

    /// A block of a Llama: query heads, key/value heads, their width, channels.
    fn layer([n_heads, n_kv_heads, d_head, d_ffn]: [usize; 4]) -> LayerSpec {
        let attention = AttentionSpec::plain(n_heads, n_kv_heads, d_head, RopeSpec::plain(1e4));
        LayerSpec::pre_norm(attention, FfnSpec::swiglu(d_ffn))
    }

    fn attention(spec: &ModelSpec) -> AttentionSpec {
        spec.layers[0].attention.unwrap()
    }

    fn read(changes: &Value) -> Result<ModelSpec, ModelError> {
        spec(&fixture::config_with(changes), Path::new("dir/config.json"))
    }

    /// Checks that a config is refused with a message that names the file and says each of `words`.
    #[track_caller]
    fn refused(changes: &Value, words: &[&str]) {
        let message = read(changes).unwrap_err().to_string();
        for word in ["config.json"].iter().chain(words) {
            assert!(message.contains(word), "{message:?} does not say {word:?}");
        }
    }

    #[test]
    fn absent_keys_mean_what_transformers_takes_them_to_mean() {
        let expect = ModelSpec {
            vocab: 10,
            d_model: 8,
            layers: vec![layer([4, 4, 2, 6]); 2],
            norm: NormSpec::plain(1e-6),
            tied: false,
            max_positions: 2048,
            embedding_scale: None,
            logit_softcap: None,
        };
        assert_eq!(read(&json!({})).unwrap(), expect);
        let nulls = json!({ "head_dim": null, "num_key_value_heads": null, "rope_scaling": null });
        assert_eq!(read(&nulls).unwrap(), expect);
    }

    #[test]
    fn mistral_has_defaults_of_its_own() {
        let spec =
            read(&json!({ "model_type": "mistral", "num_attention_heads": 8, "head_dim": 2 }));
        let spec = spec.unwrap();
        let AttentionSpec { n_kv_heads, window, .. } = attention(&spec);
        assert_eq!((n_kv_heads, spec.max_positions, window), (8, 131_072, Some(4096)));
        let mistral =
            json!({ "model_type": "mistral", "num_key_value_heads": 2, "sliding_window": null });
        assert_eq!(attention(&read(&mistral).unwrap()).window, None);
    }

    #[test]
    fn rotary_keys_are_read_in_both_places() {
        let scaling = json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        let rope = |changes: &Value| attention(&read(changes).unwrap()).rope;
        let old = rope(&json!({ "rope_theta": 5e5, "rope_scaling": scaling }));
        let mut inner = scaling;
        inner["rope_theta"] = json!(5e5);
        let new = rope(&json!({ "rope_parameters": inner }));
        assert_eq!(old, new);
        assert_eq!(new.theta.to_bits(), 5e5f64.to_bits());
        let Some(RopeScaling::Llama3(scaling)) = new.scaling else { panic!("{new:?}") };
        assert_eq!(scaling.original_max_positions, 8192);
        let plain = json!({ "rope_parameters": { "rope_type": "default", "rope_theta": 7.0 } });
        assert_eq!(rope(&plain), RopeSpec::plain(7.0));
        let gemma = json!({ "model_type": "gemma3_text", "head_dim": 2, "sliding_window": 4,
            "num_key_value_heads": 2, "rope_scaling": { "type": "linear", "factor": 4.0 } });
        let layers = read(&gemma).unwrap().layers;
        assert_eq!(layers[0].attention.unwrap().rope, RopeSpec::plain(1e4), "a window");
        let gemma = json!({ "model_type": "gemma3_text", "head_dim": 2, "sliding_window": 4,
            "num_key_value_heads": 2, "layer_types": ["full_attention", "full_attention"],
            "rope_scaling": { "type": "linear", "factor": 4.0 } });
        let full = read(&gemma).unwrap().layers[0].attention.unwrap().rope;
        assert_eq!(full.scaling, Some(RopeScaling::Linear { factor: 4.0 }));
    }

    /// What `transformers` 5.23 makes of rotary keys in several places, read off its `rope_parameters`.
    #[test]
    fn of_several_rotary_places_the_one_that_transformers_takes_counts() {
        let rope = |changes: &Value| attention(&read(changes).unwrap()).rope;
        let default = |theta: f64| json!({ "rope_type": "default", "rope_theta": theta });
        assert_eq!(rope(&json!({ "rope_scaling": default(50.0) })), RopeSpec::plain(50.0));
        assert_eq!(
            rope(&json!({ "rope_parameters": { "rope_theta": 50.0 } })),
            RopeSpec::plain(50.0)
        );
        assert_eq!(rope(&json!({ "rope_theta": 7.0, "rope_scaling": {} })), RopeSpec::plain(7.0));
        let inner_counts = json!({ "rope_theta": 7.0, "rope_parameters": default(50.0) });
        assert_eq!(rope(&inner_counts), RopeSpec::plain(50.0));
        let older_counts =
            json!({ "rope_scaling": default(50.0), "rope_parameters": default(7.0) });
        assert_eq!(rope(&older_counts), RopeSpec::plain(50.0));
        let empty = json!({ "rope_scaling": {}, "rope_parameters": default(7.0) });
        assert_eq!(rope(&empty), RopeSpec::plain(7.0));
        let idle = json!({ "rope_scaling": { "rope_type": "default", "factor": 8.0 } });
        assert_eq!(rope(&idle), RopeSpec::plain(1e4));
        let newer_word = json!({ "rope_scaling": { "rope_type": "default", "type": "yarn" } });
        assert_eq!(rope(&newer_word), RopeSpec::plain(1e4));
        let llama3 = json!({ "max_position_embeddings": 64, "rope_scaling": { "rope_type": "llama3",
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0 } });
        let Some(RopeScaling::Llama3(scaling)) = rope(&llama3).scaling else { panic!("no llama3") };
        assert_eq!(scaling.original_max_positions, 64);
    }

    #[test]
    fn a_key_that_nobody_here_knows_is_refused_unless_it_is_null() {
        refused(&json!({ "residual_multiplier": 0.2 }), &["residual_multiplier", "not known here"]);
        refused(&json!({ "no_rope_layers": [1, 0] }), &["no_rope_layers", "not known here"]);
        let inner = json!({ "rope_parameters": { "rope_theta": 7.0, "mrope_section": [1] } });
        refused(&inner, &["rope_parameters.mrope_section", "not known here"]);
        refused(&json!({ "is_encoder_decoder": true }), &["is_encoder_decoder", "false"]);
        let harmless = json!({ "residual_multiplier": null, "use_cache": false, "temperature": 0.7,
            "is_encoder_decoder": false, "torch_dtype": "bfloat16", "eos_token_id": [1, 2] });
        assert!(read(&harmless).is_ok());
    }

    #[test]
    fn what_the_decoder_does_not_know_is_refused_by_key() {
        let yarn = json!({ "rope_scaling": { "rope_type": "yarn", "factor": 4.0 } });
        refused(&yarn, &["rope_scaling.rope_type", "default, llama3", "\"yarn\""]);
        let older = json!({ "rope_scaling": { "type": "dynamic", "factor": 4.0 } });
        refused(&older, &["rope_scaling.type", "default, llama3", "\"dynamic\""]);
        refused(&json!({ "rope_scaling": { "rope_type": "llama3" } }), &["rope_scaling.factor"]);
        refused(
            &json!({ "model_type": "gpt2" }),
            &["model_type", "llama, mistral, qwen2, qwen3, gemma2, gemma3_text", "gpt2"],
        );
        refused(&json!({ "model_type": null }), &["model_type", "null"]);
        refused(&json!({ "hidden_act": "gelu" }), &["hidden_act", "silu", "gelu"]);
        refused(&json!({ "quantization_config": { "bits": 4 } }), &["quantization_config"]);
        refused(&json!({ "partial_rotary_factor": 0.5 }), &["partial_rotary_factor", "0.5"]);
        let biased =
            json!({ "model_type": "mistral", "num_key_value_heads": 2, "attention_bias": true });
        refused(&biased, &["attention_bias", "mistral has no biases"]);
    }

    #[test]
    fn lists_of_layers_are_refused_unless_they_say_nothing() {
        let sliding = json!({ "layer_types": ["full_attention", "sliding_attention"] });
        refused(&sliding, &["layer_types", "full_attention"]);
        assert!(read(&json!({ "layer_types": ["full_attention", "full_attention"] })).is_ok());
    }

    #[test]
    fn sizes_out_of_range_are_refused_by_key() {
        refused(&json!({ "hidden_size": null }), &["hidden_size", "whole number", "null"]);
        refused(&json!({ "vocab_size": -1 }), &["vocab_size", "-1"]);
        refused(&json!({ "intermediate_size": 0 }), &["intermediate_size", "found 0"]);
        refused(
            &json!({ "num_hidden_layers": 1u64 << 31 }),
            &["num_hidden_layers", "at most 65536"],
        );
        refused(&json!({ "num_key_value_heads": 3 }), &["num_attention_heads", "multiple", "3"]);
        refused(&json!({ "head_dim": 3 }), &["head_dim", "even"]);
        refused(&json!({ "hidden_size": 10 }), &["hidden_size", "multiple of the 4 heads"]);
        refused(&json!({ "rms_norm_eps": 0 }), &["rms_norm_eps", "positive"]);
        refused(
            &json!({ "tie_word_embeddings": "yes" }),
            &["tie_word_embeddings", "true or false"],
        );
    }

    #[test]
    fn a_student_is_written_over_its_teachers_config() {
        let original = fixture::config_with(&json!({
            "bos_token_id": 1, "layer_types": ["full_attention", "full_attention"], "dtype": "float16",
        }));
        let mut student = read(&json!({ "head_dim": 2 })).unwrap();
        student.layers = vec![layer([2, 1, 2, 5]); 3];
        student.tied = true;
        let config = with_spec(&student, &original, "bfloat16").unwrap();
        for (key, value) in [
            ("num_hidden_layers", json!(3)),
            ("num_attention_heads", json!(2)),
            ("num_key_value_heads", json!(1)),
            ("intermediate_size", json!(5)),
            ("head_dim", json!(2)),
            ("tie_word_embeddings", json!(true)),
            ("dtype", json!("bfloat16")),
            ("torch_dtype", json!("bfloat16")),
            ("bos_token_id", json!(1)),
        ] {
            assert_eq!(config[key], value, "{key}");
        }
        assert!(!config.contains_key("layer_types"));
    }

    #[test]
    fn a_model_without_a_past_gets_a_whole_config() {
        for window in [None, Some(16)] {
            let mut spec = read(&json!({})).unwrap();
            for layer in &mut spec.layers {
                layer.attention.as_mut().unwrap().window = window;
            }
            let config = with_spec(&spec, &Map::new(), "float32").unwrap();
            assert_eq!(super::spec(&config, Path::new("c")).unwrap(), spec);
        }
    }

    #[test]
    fn what_the_format_cannot_say_is_refused_by_name() {
        let refusal = |spec: &ModelSpec| {
            with_spec(spec, &fixture::config(), "float32").unwrap_err().to_string()
        };
        let plain = read(&json!({})).unwrap();
        let mut differing = plain.clone();
        differing.layers[1] = differing.layers[1].with_d_ffn(4);
        let expect = "layers differ in d_ffn; the llama format cannot express it";
        assert_eq!(refusal(&differing), expect);
        let mut windowed = plain.clone();
        windowed.layers[0].attention.as_mut().unwrap().window = Some(4);
        assert!(refusal(&windowed).contains("cannot express"));
        let mut odd = plain;
        odd.layers = vec![layer([3, 3, 2, 6]); 2];
        assert!(refusal(&odd).contains("no multiple of 3 heads"));
    }
}
