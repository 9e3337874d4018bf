//! A Hugging Face tokenizer with its hash and its special tokens.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{DataError, hash::sha256_hex};

/// Text to token ids and back.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    hash: String,
    bos: Option<Special>,
    eos: Option<Special>,
}

#[derive(Clone, Debug)]
struct Special {
    id: u32,
    text: String,
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`; BOS and EOS stay unknown.
    ///
    /// Truncation and padding stored in the file are dropped: cutting and padding are the caller's.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenizer`] if the file is no tokenizer.
    pub fn from_json(json: &[u8]) -> Result<Self, DataError> {
        let failed = |source| DataError::Tokenizer { action: "be read", source };
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(failed)?;
        inner.with_truncation(None).map_err(failed)?;
        inner.with_padding(None);
        Ok(Self { inner, hash: sha256_hex(json), bos: None, eos: None })
    }

    /// Reads `tokenizer.json` and, where there is one, `tokenizer_config.json` for BOS and EOS, from
    /// the files that travel with a checkpoint.
    ///
    /// # Errors
    ///
    /// [`DataError::NoTokenizer`] without `tokenizer.json`; else what is wrong with either file.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, DataError> {
        let json = files
            .get("tokenizer.json")
            .ok_or_else(|| DataError::NoTokenizer { found: files.keys().cloned().collect() })?;
        let mut tokenizer = Self::from_json(json)?;
        if let Some(config) = files.get("tokenizer_config.json") {
            let config: Map<String, Value> = serde_json::from_slice(config)
                .map_err(|source| DataError::TokenizerConfig { source })?;
            tokenizer.bos = tokenizer.special(&config, "bos_token")?;
            tokenizer.eos = tokenizer.special(&config, "eos_token")?;
        }
        Ok(tokenizer)
    }

    /// A special token is written as text, or as an object with its text under `content`.
    fn special(
        &self,
        config: &Map<String, Value>,
        key: &'static str,
    ) -> Result<Option<Special>, DataError> {
        let written = config.get(key).and_then(|value| value.get("content").or(Some(value)));
        let Some(text) = written.and_then(Value::as_str) else { return Ok(None) };
        let id = self.inner.token_to_id(text);
        let id = id.ok_or_else(|| DataError::SpecialToken { key, token: text.to_owned() })?;
        Ok(Some(Special { id, text: text.to_owned() }))
    }

    /// Token ids of a text; `special` lets the tokenizer's post-processor add what it adds (BOS, say).
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenizer`] if the tokenizer has no token for some of the text.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, DataError> {
        let encoding = self.inner.encode_fast(text, special).map_err(encode_failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Token ids with the tokenizer's own default of special tokens, as lm-evaluation-harness encodes
    /// prompts: none are added to a text that begins with BOS already.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_default(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode(text, self.adds_special_to(text))
    }

    /// As [`Tokenizer::encode_default`], with the byte of the text where each token ends.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_with_ends(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>), DataError> {
        let special = self.adds_special_to(text);
        let encoding = self.inner.encode(text, special).map_err(encode_failed)?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end).collect();
        Ok((encoding.get_ids().to_vec(), ends))
    }

    /// Token ids of many texts, on all cores, in their order and without special tokens.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, DataError> {
        let encodings =
            self.inner.encode_batch_fast(texts.to_vec(), false).map_err(encode_failed)?;
        Ok(encodings.iter().map(|encoding| encoding.get_ids().to_vec()).collect())
    }

    fn adds_special_to(&self, text: &str) -> bool {
        !self.bos.as_ref().is_some_and(|bos| text.starts_with(&bos.text))
    }

    /// The text of token ids, special tokens included.
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenizer`] if the decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.inner
            .decode(ids, false)
            .map_err(|source| DataError::Tokenizer { action: "decode", source })
    }

    /// The token before an empty context: BOS, else EOS.
    pub fn prefix_token(&self) -> Option<u32> {
        self.bos().or(self.eos())
    }

    /// Beginning of sequence.
    pub fn bos(&self) -> Option<u32> {
        self.bos.as_ref().map(|bos| bos.id)
    }

    /// End of sequence; separates packed documents.
    pub fn eos(&self) -> Option<u32> {
        self.eos.as_ref().map(|eos| eos.id)
    }

    /// Tokens there are, added ones included.
    pub fn vocab_len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// SHA-256 of `tokenizer.json`.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

fn encode_failed(source: tokenizers::Error) -> DataError {
    DataError::Tokenizer { action: "encode", source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Words split at whitespace; `<s>` before every text if `adds_bos`.
    pub(crate) fn word_level(words: &[&str], adds_bos: bool) -> Vec<u8> {
        let mut vocab = Map::new();
        for (id, word) in ["<unk>", "<s>", "</s>"].iter().chain(words).enumerate() {
            vocab.insert((*word).to_owned(), id.into());
        }
        let special = |id: u32, content: &str| {
            serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        };
        let template = serde_json::json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}});
        let json = serde_json::json!({"version": "1.0",
            "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
            "padding": null, "added_tokens": [special(1, "<s>"), special(2, "</s>")],
            "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": if adds_bos { template } else { Value::Null }, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}});
        json.to_string().into_bytes()
    }

    pub(crate) fn tokenizer(words: &[&str], adds_bos: bool) -> Tokenizer {
        Tokenizer::from_files(&files(
            words,
            adds_bos,
            r#"{"bos_token": "<s>", "eos_token": "</s>"}"#,
        ))
        .unwrap()
    }

    fn files(words: &[&str], adds_bos: bool, config: &str) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("tokenizer.json".to_owned(), word_level(words, adds_bos)),
            ("tokenizer_config.json".to_owned(), config.as_bytes().to_vec()),
        ])
    }

    #[test]
    fn specials_are_added_when_asked_and_never_twice() {
        let tokenizer = tokenizer(&["a", "b"], true);
        assert_eq!(tokenizer.encode("a b", true).unwrap(), [1, 3, 4]);
        assert_eq!(tokenizer.encode("a b", false).unwrap(), [3, 4]);
        assert_eq!(tokenizer.encode_default("a b").unwrap(), [1, 3, 4]);
        assert_eq!(tokenizer.encode_default("<s> a").unwrap(), [1, 3]);
    }

    #[test]
    fn truncation_stored_in_the_file_is_dropped() {
        let tokenizer = tokenizer(&["a"], false);
        assert_eq!(tokenizer.encode("a a a a a a", true).unwrap(), [3; 6]);
    }

    #[test]
    fn ends_are_bytes_of_the_text() {
        let tokenizer = tokenizer(&["h\u{e9}", "b"], true);
        let (ids, ends) = tokenizer.encode_with_ends("h\u{e9} b").unwrap();
        assert_eq!((ids, ends), (vec![1, 3, 4], vec![0, 3, 5]));
    }

    #[test]
    fn many_texts_keep_their_order() {
        let tokenizer = tokenizer(&["a", "b"], true);
        assert_eq!(tokenizer.encode_all(&["b", "a b", ""]).unwrap(), [vec![4], vec![3, 4], vec![]]);
        assert_eq!(tokenizer.decode(&[3, 4]).unwrap(), "a b");
        assert_eq!(tokenizer.vocab_len(), 5);
    }

    #[test]
    fn special_tokens_come_from_the_config_as_text_or_object() {
        let read = |config| {
            let tokenizer = Tokenizer::from_files(&files(&["a"], false, config)).unwrap();
            (tokenizer.bos(), tokenizer.eos(), tokenizer.prefix_token())
        };
        assert_eq!(
            read(r#"{"bos_token": "<s>", "eos_token": "</s>"}"#),
            (Some(1), Some(2), Some(1))
        );
        assert_eq!(read(r#"{"eos_token": {"content": "</s>"}}"#), (None, Some(2), Some(2)));
        assert_eq!(read(r#"{"bos_token": null}"#), (None, None, None));
    }

    #[track_caller]
    fn check_refused(files: &BTreeMap<String, Vec<u8>>, message: &str) {
        let error = Tokenizer::from_files(files).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let config = BTreeMap::from([("vocab.txt".to_owned(), vec![])]);
        check_refused(&config, "found [vocab.txt]");
        check_refused(&files(&[], false, r#"{"bos_token": "<bos>"}"#), "bos_token is \"<bos>\"");
        check_refused(&files(&[], false, "[]"), "expected a JSON object");
        let broken = BTreeMap::from([("tokenizer.json".to_owned(), b"{".to_vec())]);
        check_refused(&broken, "tokenizer cannot be read");
    }
}
