//! Keys of `config.json` that no number of a forward pass depends on.
//!
//! What a family's reader asks for is honored, what stands here is known to be harmless, and every other key is
//! refused by name: it may change the function in a way that nobody here has heard of. A null says nothing.

/// Keys that may say anything.
pub(super) const HARMLESS: [&[&str]; 5] = [IDENTITY, EXECUTION, TRAINING, LABELS, GENERATION];

/// Which model this is; the family has been read from it.
const IDENTITY: &[&str] = &[
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "auto_map",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "is_llama_config",
    "max_sequence_length",
    "model_max_length",
    "model_type",
    "name_or_path",
    "pad_token_id",
    "sep_token_id",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
];

/// How `transformers` computes or keeps what it computes.
const EXECUTION: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_attn_implementation_internal",
    "_flash_attn_2_enabled",
    "attn_implementation",
    "cache_implementation",
    "chunk_size_feed_forward",
    "gradient_checkpointing",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pretraining_tp",
    "return_dict",
    "return_dict_in_generate",
    "torchscript",
    "use_bfloat16",
    "use_cache",
];

/// First weights and dropout: students here are trained without any.
const TRAINING: &[&str] = &["attention_dropout", "initializer_range"];

/// Heads of other tasks.
const LABELS: &[&str] = &[
    "finetuning_task",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "task_specific_params",
];

/// How text is drawn; older configs hold it, newer ones have a file of its own. Scores draw nothing.
const GENERATION: &[&str] = &[
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "is_decoder",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "tf_legacy_loss",
    "top_k",
    "top_p",
    "typical_p",
];

/// Keys that say nothing while they are false: what they switch on is not here.
pub(super) const OFF: [&str; 5] = [
    "add_cross_attention",
    "is_encoder_decoder",
    "rope_interleaved",
    "tie_encoder_decoder",
    "use_mrope",
];

/// Keys of a rotary table that its kind has no use for; `transformers` warns of them and goes on.
pub(super) const UNUSED_BY_DEFAULT_ROPE: [&str; 8] = [
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "high_freq_factor",
    "low_freq_factor",
    "original_max_position_embeddings",
    "truncate",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_stands_twice() {
        let all: Vec<&str> = HARMLESS.concat().into_iter().chain(OFF).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
