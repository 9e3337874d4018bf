//! Metadata keys that no number of a forward pass depends on.
//!
//! What a reader asks for is honored, what stands here is known to be harmless, and every other key that llama.cpp
//! could act on is refused by name. It acts on keys of the architecture, of the tokenizer, of adapters and of split
//! files; `general` describes, and whatever else a file holds is nobody's.

use super::metadata::{Metadata, Value};
use crate::ModelError;

/// Keys of an architecture, after its prefix.
const HARMLESS: [&str; 5] = [
    // They say how long the model was trained at; the scaling itself stands in keys that are read.
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    // How rows of q and k are ordered: as every converter of this architecture does it.
    "tensor_data_layout",
    // Of what the first block reads in a translation.
    "decoder_start_token_id",
    "vocab_only",
];

/// Keys of an architecture that say with a 0 that they are not used.
const UNUSED_IF_ZERO: [&str; 13] = [
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.scale",
    "attention.sliding_window",
    "attn_logit_softcapping",
    "embedding_scale",
    "expert_count",
    "expert_used_count",
    "final_logit_softcapping",
    "leading_dense_block_count",
    "logit_scale",
    "residual_scale",
    "rope.scale_linear",
];

/// Factors that change nothing where they are 1.
const UNUSED_IF_ONE: [&str; 5] = [
    "embedding_scale",
    "logit_scale",
    "residual_scale",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
];

/// Keys of a tokenizer that are for drawing text, for other tasks, or for other programs; and those of the other kind
/// of tokenizer, which its reader asks for.
const TOKENIZER: [&str; 21] = [
    "tokenizer.chat_templates",
    "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.fim_mid_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_pre_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
    "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.middle_token_id",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.prefix_token_id",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.suffix_token_id",
    "tokenizer.ggml.token_type_count",
    "tokenizer.huggingface.json",
];

/// Beginnings of keys that hold templates by name.
const TEMPLATES: &str = "tokenizer.chat_template.";

/// Keys that say something only if they are true.
const OFF: [&str; 3] = [
    "tokenizer.ggml.add_sep_token",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.treat_whitespace_as_suffix",
];

/// Refuses what was not asked for and is not known to be harmless, once everything has been read.
pub(super) fn check_left(metadata: &Metadata, architecture: &str) -> Result<(), ModelError> {
    expect_whole_model(metadata)?;
    for (key, value) in metadata.left() {
        let of_model = key.strip_prefix(architecture).and_then(|rest| rest.strip_prefix('.'));
        let harmless = match of_model {
            Some(name) => HARMLESS.contains(&name) || is_unused(name, value),
            None if key.starts_with("tokenizer.") => is_harmless_to_tokens(key, value),
            None => !key.starts_with("adapter."),
        };
        if !harmless {
            let expected = "no key that is not known here, or one that says it is not used";
            return Err(metadata.wrong(key, expected, value.quoted()));
        }
    }
    Ok(())
}

/// Refuses files that hold something else: an adapter, a projector, a part of a model.
fn expect_whole_model(metadata: &Metadata) -> Result<(), ModelError> {
    let key = "general.type";
    if let Some(kind) = metadata.text(key)?.filter(|kind| *kind != "model") {
        return Err(metadata.wrong(key, "a model", kind));
    }
    let key = "split.count";
    match metadata.size(key)?.filter(|count| *count > 1) {
        None => Ok(()),
        Some(count) => {
            let expected = "a whole model; join its parts first (llama-gguf-split --merge)";
            Err(metadata.wrong(key, expected, format!("one of {count} parts")))
        }
    }
}

fn is_unused(name: &str, value: &Value) -> bool {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Single(number) => f64::from(*number),
        Value::Double(number) => *number,
        _ => return false,
    };
    let is = |wanted: f64| (number - wanted).abs() < f64::EPSILON;
    UNUSED_IF_ZERO.contains(&name) && is(0.0) || UNUSED_IF_ONE.contains(&name) && is(1.0)
}

fn is_harmless_to_tokens(key: &str, value: &Value) -> bool {
    let off = OFF.contains(&key) && *value == Value::Bool(false);
    off || TOKENIZER.contains(&key) || key.starts_with(TEMPLATES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::fixture::{Fixture, parsed, refusal};

    #[track_caller]
    fn check(key: &str, value: Value, expect: Option<&str>) {
        let fixture = Fixture::llama().with(key, value);
        match expect {
            Some(words) => {
                let message = refusal(&fixture);
                assert!(message.contains(key) && message.contains(words), "{message}");
            }
            None => {
                parsed(&fixture.bytes()).unwrap();
            }
        }
    }

    #[test]
    fn a_key_of_the_model_that_is_not_known_is_refused() {
        check("llama.residual_scale", Value::Single(0.2), Some("found 0.2"));
        check("llama.expert_count", Value::Integer(8), Some("found 8"));
        check("llama.attention.scale", Value::Single(1.0), Some("found 1"));
        check("llama.attention.causal", Value::Bool(false), Some("found false"));
        check("llama.some_day", Value::Text("yes".to_owned()), Some("found \"yes\""));
        check("tokenizer.ggml.remove_extra_whitespaces", Value::Bool(true), Some("found true"));
        check("tokenizer.ggml.some_day", Value::Bool(true), Some("not known here"));
        check("adapter.type", Value::Text("lora".to_owned()), Some("lora"));
    }

    #[test]
    fn what_is_not_used_or_not_of_the_model_is_left_alone() {
        check("llama.residual_scale", Value::Single(1.0), None);
        check("llama.expert_count", Value::Integer(0), None);
        check("llama.rope.scaling.finetuned", Value::Bool(true), None);
        check("tokenizer.ggml.add_sep_token", Value::Bool(false), None);
        check("tokenizer.chat_template.tool_use", Value::Text(String::new()), None);
        check("general.some_day", Value::Text("yes".to_owned()), None);
        check("somebody.quantized_by", Value::Text("me".to_owned()), None);
        check("mistral.some_day", Value::Integer(3), None);
    }

    #[test]
    fn parts_and_adapters_are_no_models() {
        check("split.count", Value::Integer(3), Some("one of 3 parts"));
        check("split.count", Value::Integer(1), None);
        check("general.type", Value::Text("adapter".to_owned()), Some("expected a model"));
        check("general.type", Value::Text("model".to_owned()), None);
    }
}
