//! `config.json` of the llama and mistral families to and from [`ModelSpec`].
//!
//! An absent key means what `transformers` 5 takes it to mean. A key that would change the function and
//! that the decoder does not know is an error, never ignored.

use std::path::Path;

use serde_json::{Map, Value};

use super::keys::Keys;
use crate::{LayerSpec, Llama3Scaling, ModelError, ModelSpec, RopeSpec};

/// Layers beyond this are taken for a mistake.
const MOST_LAYERS: usize = 1 << 16;
/// The frequencies' base where the file names none, as in `transformers`.
const DEFAULT_THETA: f64 = 10_000.0;
/// Keys whose arrays have nothing to do with layers, whatever their length.
const NOT_PER_LAYER: [&str; 2] = ["architectures", "eos_token_id"];

/// What differs between the families this reader knows.
struct Family {
    model_type: &'static str,
    architecture: &'static str,
    /// `num_key_value_heads` where it is absent (not where it is null).
    kv_heads: Option<usize>,
    max_positions: usize,
    window: Option<usize>,
    /// Whether `attention_bias`, `mlp_bias` exist.
    biases: bool,
    /// Whether `transformers` refuses a `hidden_size` that the heads do not divide.
    heads_divide_width: bool,
}

const FAMILIES: [Family; 2] = [
    Family {
        model_type: "llama",
        architecture: "LlamaForCausalLM",
        kv_heads: None,
        max_positions: 2048,
        window: None,
        biases: true,
        heads_divide_width: true,
    },
    Family {
        model_type: "mistral",
        architecture: "MistralForCausalLM",
        kv_heads: Some(8),
        max_positions: 131_072,
        window: Some(4096),
        biases: false,
        heads_divide_width: false,
    },
];

/// Reads the shape of a model from its `config.json`; `path` is for messages.
///
/// # Errors
///
/// [`ModelError::Malformed`], naming file and key: an unknown family, rotary kind, activation or
/// per-layer list, a quantized model, a value out of range.
pub fn spec(config: &Map<String, Value>, path: &Path) -> Result<ModelSpec, ModelError> {
    let keys = Keys::new(config, path, "");
    let family = family(&keys)?;
    refuse_unknown(&keys)?;
    let n_layers = keys.size("num_hidden_layers")?;
    if n_layers > MOST_LAYERS {
        return Err(keys.wrong("num_hidden_layers", &format!("at most {MOST_LAYERS}")));
    }
    refuse_layer_lists(&keys, n_layers)?;
    let layer = layer(&keys, family)?;
    Ok(ModelSpec {
        vocab: keys.size("vocab_size")?,
        d_model: keys.size("hidden_size")?,
        d_head: d_head(&keys, layer.n_heads)?,
        layers: vec![layer; n_layers],
        norm_eps: keys.positive_or("rms_norm_eps", 1e-6)?,
        rope: rope(&keys)?,
        attention_bias: bias(&keys, family, "attention_bias")?,
        mlp_bias: bias(&keys, family, "mlp_bias")?,
        tied: keys.bool_or("tie_word_embeddings", false)?,
        max_positions: keys.size_or("max_position_embeddings", family.max_positions)?,
        window: window(&keys, family)?,
    })
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
    let family = written_family(spec, original)?;
    let layer = uniform_layer(spec, family)?;
    if family.heads_divide_width && !spec.d_model.is_multiple_of(layer.n_heads) {
        let what =
            format!("hidden_size {} is no multiple of {} heads", spec.d_model, layer.n_heads);
        return Err(ModelError::Inexpressible { what, format: family.model_type.to_owned() });
    }
    let mut config = original.clone();
    // Lists of the old length; both kinds of family rebuild them from the other keys.
    config.retain(|key, _| !matches!(key.as_str(), "layer_types" | "max_window_layers"));
    set_shape(&mut config, spec, layer);
    set_family(&mut config, spec, family);
    set_rope(&mut config, spec);
    for key in ["torch_dtype", "dtype"] {
        config.insert(key.to_owned(), dtype.into());
    }
    let written = self::spec(&config, Path::new("config.json"))?;
    if written == *spec {
        Ok(config)
    } else {
        let what = format!("the model is {spec:?} and its config would say {written:?}");
        Err(ModelError::Inexpressible { what, format: family.model_type.to_owned() })
    }
}

fn family(keys: &Keys<'_>) -> Result<&'static Family, ModelError> {
    let known = FAMILIES.map(|family| family.model_type).join(", ");
    FAMILIES
        .iter()
        .find(|family| keys.get("model_type").and_then(Value::as_str) == Some(family.model_type))
        .ok_or_else(|| keys.wrong("model_type", &format!("one of {known}")))
}

/// Keys that say the weights are not what their names suggest.
fn refuse_unknown(keys: &Keys<'_>) -> Result<(), ModelError> {
    for (key, expected) in [
        ("quantization_config", "no quantization (weights in F32, F16 or BF16)"),
        ("per_layer_config", "layers of one shape"),
        ("compression_config", "no compression"),
    ] {
        if keys.get(key).is_some() {
            return Err(keys.wrong(key, expected));
        }
    }
    match keys.get("hidden_act") {
        None => {}
        Some(Value::String(act)) if act == "silu" => {}
        Some(_) => return Err(keys.wrong("hidden_act", "silu")),
    }
    if (keys.positive_or("partial_rotary_factor", 1.0)? - 1.0).abs() > 0.0 {
        return Err(keys.wrong("partial_rotary_factor", "1"));
    }
    Ok(())
}

/// An array of the layers' number probably says something per layer; only full attention is known.
fn refuse_layer_lists(keys: &Keys<'_>, n_layers: usize) -> Result<(), ModelError> {
    if let Some(types) = keys.get("layer_types") {
        let full = |list: &Vec<Value>| list.iter().all(|kind| kind == "full_attention");
        if !types.as_array().is_some_and(full) {
            return Err(keys.wrong("layer_types", "full_attention in every layer"));
        }
    }
    for (key, value) in keys.all() {
        let per_layer = value.as_array().is_some_and(|list| list.len() == n_layers);
        let known = key == "layer_types" || NOT_PER_LAYER.contains(&key.as_str());
        if per_layer && !known {
            return Err(keys.wrong(key, "no list with an entry per layer"));
        }
    }
    Ok(())
}

fn layer(keys: &Keys<'_>, family: &Family) -> Result<LayerSpec, ModelError> {
    let n_heads = keys.size("num_attention_heads")?;
    let absent = !keys.all().contains_key("num_key_value_heads");
    let default = family.kv_heads.filter(|_| absent).unwrap_or(n_heads);
    let n_kv_heads = keys.size_or("num_key_value_heads", default)?;
    if !n_heads.is_multiple_of(n_kv_heads) {
        let expected = format!("a multiple of num_key_value_heads ({n_kv_heads})");
        return Err(keys.wrong("num_attention_heads", &expected));
    }
    Ok(LayerSpec { n_heads, n_kv_heads, d_ffn: keys.size("intermediate_size")? })
}

fn d_head(keys: &Keys<'_>, n_heads: usize) -> Result<usize, ModelError> {
    let d_model = keys.size("hidden_size")?;
    let explicit = keys.get("head_dim").is_some();
    if !explicit && !d_model.is_multiple_of(n_heads) {
        return Err(keys.wrong("hidden_size", &format!("a multiple of the {n_heads} heads")));
    }
    let d_head = keys.size_or("head_dim", d_model / n_heads)?;
    if d_head.is_multiple_of(2) {
        Ok(d_head)
    } else {
        let key = if explicit { "head_dim" } else { "hidden_size" };
        Err(keys.wrong(key, &format!("heads of an even width (rotary pairs), not {d_head}")))
    }
}

fn bias(keys: &Keys<'_>, family: &Family, key: &str) -> Result<bool, ModelError> {
    let bias = keys.bool_or(key, false)?;
    if bias && !family.biases {
        return Err(keys.wrong(key, &format!("false ({} has no biases)", family.model_type)));
    }
    Ok(bias)
}

/// `sliding_window`; null says none, and a family without windows ignores the key, as `transformers` does.
fn window(keys: &Keys<'_>, family: &Family) -> Result<Option<usize>, ModelError> {
    let Some(default) = family.window else { return Ok(None) };
    match keys.all().get("sliding_window") {
        Some(Value::Null) => Ok(None),
        _ => keys.size_or("sliding_window", default).map(Some),
    }
}

/// `rope_theta` and `rope_scaling`, or both inside `rope_parameters` (`transformers` 5).
fn rope(keys: &Keys<'_>) -> Result<RopeSpec, ModelError> {
    let outer = keys.positive_or("rope_theta", DEFAULT_THETA)?;
    let Some(inner) = keys.table("rope_parameters")? else {
        let scaling = keys.table("rope_scaling")?.map_or(Ok(None), |table| scaling(&table))?;
        return Ok(RopeSpec { theta: outer, scaling });
    };
    if (inner.positive_or("partial_rotary_factor", 1.0)? - 1.0).abs() > 0.0 {
        return Err(inner.wrong("partial_rotary_factor", "1"));
    }
    Ok(RopeSpec { theta: inner.positive_or("rope_theta", outer)?, scaling: scaling(&inner)? })
}

fn scaling(keys: &Keys<'_>) -> Result<Option<Llama3Scaling>, ModelError> {
    // Older files say `type`.
    let key = if keys.get("rope_type").is_none() { "type" } else { "rope_type" };
    match keys.get(key).and_then(Value::as_str) {
        Some("llama3") => llama3(keys).map(Some),
        Some("default") => Ok(None),
        _ => Err(keys.wrong("rope_type", "one of default, llama3")),
    }
}

fn llama3(keys: &Keys<'_>) -> Result<Llama3Scaling, ModelError> {
    let scaling = Llama3Scaling {
        factor: keys.positive("factor")?,
        low_freq_factor: keys.positive("low_freq_factor")?,
        high_freq_factor: keys.positive("high_freq_factor")?,
        original_max_positions: keys.size("original_max_position_embeddings")?,
    };
    if scaling.high_freq_factor > scaling.low_freq_factor {
        Ok(scaling)
    } else {
        let expected = format!("more than low_freq_factor ({})", scaling.low_freq_factor);
        Err(keys.wrong("high_freq_factor", &expected))
    }
}

/// The original's family; for a model that never had a config, the one that fits.
fn written_family(
    spec: &ModelSpec,
    original: &Map<String, Value>,
) -> Result<&'static Family, ModelError> {
    if original.contains_key("model_type") {
        return family(&Keys::new(original, Path::new("config.json"), ""));
    }
    Ok(&FAMILIES[usize::from(spec.window.is_some())])
}

fn uniform_layer(spec: &ModelSpec, family: &Family) -> Result<LayerSpec, ModelError> {
    let refused = |what| ModelError::Inexpressible { what, format: family.model_type.to_owned() };
    if let Some(layer) = spec.uniform_layer() {
        return Ok(layer);
    }
    let Some(first) = spec.layers.first() else {
        return Err(refused("the model has no layers".to_owned()));
    };
    let differs = |of: fn(&LayerSpec) -> usize| spec.layers.iter().any(|l| of(l) != of(first));
    let what: Vec<&str> = [
        ("n_heads", differs(|layer| layer.n_heads)),
        ("n_kv_heads", differs(|layer| layer.n_kv_heads)),
        ("d_ffn", differs(|layer| layer.d_ffn)),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    Err(refused(format!("layers differ in {}", what.join(", "))))
}

fn set_shape(config: &mut Map<String, Value>, spec: &ModelSpec, layer: LayerSpec) {
    for (key, value) in [
        ("vocab_size", spec.vocab),
        ("hidden_size", spec.d_model),
        ("intermediate_size", layer.d_ffn),
        ("num_hidden_layers", spec.layers.len()),
        ("num_attention_heads", layer.n_heads),
        ("num_key_value_heads", layer.n_kv_heads),
        ("head_dim", spec.d_head),
        ("max_position_embeddings", spec.max_positions),
    ] {
        config.insert(key.to_owned(), value.into());
    }
    config.insert("tie_word_embeddings".to_owned(), spec.tied.into());
    config.insert("rms_norm_eps".to_owned(), spec.norm_eps.into());
}

fn set_family(config: &mut Map<String, Value>, spec: &ModelSpec, family: &Family) {
    config.insert("model_type".to_owned(), family.model_type.into());
    config.insert("architectures".to_owned(), vec![family.architecture].into());
    config.insert("hidden_act".to_owned(), "silu".into());
    if family.biases || spec.attention_bias || spec.mlp_bias {
        config.insert("attention_bias".to_owned(), spec.attention_bias.into());
        config.insert("mlp_bias".to_owned(), spec.mlp_bias.into());
    }
    if family.window.is_some() {
        config.insert("sliding_window".to_owned(), spec.window.into());
    }
}

/// Leaves rotary keys that say the right thing; else writes the older form, which every version reads.
fn set_rope(config: &mut Map<String, Value>, spec: &ModelSpec) {
    let said = rope(&Keys::new(config, Path::new("config.json"), ""));
    let explicit = config.contains_key("rope_theta") || config.contains_key("rope_parameters");
    if explicit && said.is_ok_and(|said| said == spec.rope) {
        return;
    }
    config.retain(|key, _| key != "rope_parameters");
    config.insert("rope_theta".to_owned(), spec.rope.theta.into());
    let scaling = spec.rope.scaling.as_ref().map(|scaling| {
        serde_json::json!({
            "rope_type": "llama3",
            "factor": scaling.factor,
            "low_freq_factor": scaling.low_freq_factor,
            "high_freq_factor": scaling.high_freq_factor,
            "original_max_position_embeddings": scaling.original_max_positions,
        })
    });
    config.insert("rope_scaling".to_owned(), scaling.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hf::fixture;

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
        let layer = LayerSpec { n_heads: 4, n_kv_heads: 4, d_ffn: 6 };
        let expect = ModelSpec {
            vocab: 10,
            d_model: 8,
            d_head: 2,
            layers: vec![layer; 2],
            norm_eps: 1e-6,
            rope: RopeSpec { theta: 10_000.0, scaling: None },
            attention_bias: false,
            mlp_bias: false,
            tied: false,
            max_positions: 2048,
            window: None,
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
        assert_eq!(
            (spec.layers[0].n_kv_heads, spec.max_positions, spec.window),
            (8, 131_072, Some(4096))
        );
        let mistral =
            json!({ "model_type": "mistral", "num_key_value_heads": 2, "sliding_window": null });
        assert_eq!(read(&mistral).unwrap().window, None);
    }

    #[test]
    fn rotary_keys_are_read_in_both_places() {
        let scaling = json!({
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        let old = read(&json!({ "rope_theta": 5e5, "rope_scaling": scaling })).unwrap().rope;
        let mut inner = scaling;
        inner["rope_theta"] = json!(5e5);
        let new = read(&json!({ "rope_parameters": inner })).unwrap().rope;
        assert_eq!(old, new);
        assert_eq!(new.theta.to_bits(), 5e5f64.to_bits());
        assert_eq!(new.scaling.unwrap().original_max_positions, 8192);
        let plain = json!({ "rope_parameters": { "rope_type": "default", "rope_theta": 7.0 } });
        assert_eq!(read(&plain).unwrap().rope, RopeSpec { theta: 7.0, scaling: None });
    }

    #[test]
    fn what_the_decoder_does_not_know_is_refused_by_key() {
        let yarn = json!({ "rope_scaling": { "rope_type": "yarn", "factor": 4.0 } });
        refused(&yarn, &["rope_scaling.rope_type", "default, llama3", "yarn"]);
        refused(&json!({ "rope_scaling": { "type": "linear" } }), &["rope_scaling.rope_type"]);
        refused(&json!({ "model_type": "gpt2" }), &["model_type", "llama, mistral", "gpt2"]);
        refused(&json!({ "model_type": null }), &["model_type", "null"]);
        refused(&json!({ "hidden_act": "gelu" }), &["hidden_act", "silu", "gelu"]);
        refused(&json!({ "quantization_config": { "bits": 4 } }), &["quantization_config"]);
        refused(&json!({ "partial_rotary_factor": 0.5 }), &["partial_rotary_factor", "0.5"]);
        let biased =
            json!({ "model_type": "mistral", "num_key_value_heads": 2, "attention_bias": true });
        refused(&biased, &["attention_bias", "mistral has no biases"]);
    }

    #[test]
    fn lists_per_layer_are_refused_unless_they_say_nothing() {
        refused(&json!({ "no_rope_layers": [1, 0] }), &["no_rope_layers", "per layer"]);
        let sliding = json!({ "layer_types": ["full_attention", "sliding_attention"] });
        refused(&sliding, &["layer_types", "full_attention"]);
        assert!(read(&json!({ "layer_types": ["full_attention", "full_attention"] })).is_ok());
        assert!(read(&json!({ "eos_token_id": [1, 2] })).is_ok());
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
        student.layers = vec![LayerSpec { n_heads: 2, n_kv_heads: 1, d_ffn: 5 }; 3];
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
            let spec = ModelSpec { window, ..read(&json!({})).unwrap() };
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
        differing.layers[1].d_ffn = 4;
        let expect = "layers differ in d_ffn; the llama format cannot express it";
        assert_eq!(refusal(&differing), expect);
        let windowed = ModelSpec { window: Some(4), ..plain.clone() };
        assert!(refusal(&windowed).contains("cannot express"));
        let mut odd = plain;
        odd.layers = vec![LayerSpec { n_heads: 3, n_kv_heads: 3, d_ffn: 6 }; 2];
        assert!(refusal(&odd).contains("no multiple of 3 heads"));
    }
}
