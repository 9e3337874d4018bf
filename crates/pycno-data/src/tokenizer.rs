//! A Hugging Face tokenizer with its hash and its special tokens.

use std::collections::BTreeMap;

use pycno_units::without_byte_order_mark;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use tokenizers::{AddedToken, processors::template::TemplateProcessing};

use crate::{DataError, guard::guarded, hash::sha256_hex, specials::Specials};

const READ: &str = "read the tokenizer";
const ENCODE: &str = "encode a text";

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
        let json = without_byte_order_mark(json);
        let inner = attempt(READ, || {
            let mut inner = tokenizers::Tokenizer::from_bytes(json)?;
            inner.with_truncation(None)?;
            inner.with_padding(None);
            Ok(inner)
        })?;
        Ok(Self { inner, hash: sha256_hex(json), bos: None, eos: None })
    }

    /// Reads `tokenizer.json` and what the files beside it say of special tokens, from the files that travel with a
    /// checkpoint.
    ///
    /// # Errors
    ///
    /// [`DataError::NoTokenizer`] without `tokenizer.json`; else what is wrong with one of the files.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, DataError> {
        let json = files
            .get("tokenizer.json")
            .ok_or_else(|| DataError::NoTokenizer { found: files.keys().cloned().collect() })?;
        let mut tokenizer = Self::from_json(json)?;
        let specials = Specials::read(files)?;
        tokenizer.add(specials.added)?;
        tokenizer.inner.set_encode_special_tokens(specials.split);
        tokenizer.bos = tokenizer.special("bos_token", specials.bos)?;
        tokenizer.eos = tokenizer.special("eos_token", specials.eos)?;
        if let Some(surround) = specials.surround {
            tokenizer.surround(surround)?;
        }
        Ok(tokenizer)
    }

    /// Adds tokens that the files beside `tokenizer.json` name, or says of known ones how they are found in a text.
    fn add(&mut self, added: BTreeMap<u32, AddedToken>) -> Result<(), DataError> {
        for (expected, token) in added {
            let text = token.content.clone();
            attempt(READ, || self.inner.add_tokens([token]))?;
            let found = self.inner.token_to_id(&text);
            if found != Some(expected) {
                return Err(DataError::AddedToken { token: text, expected, found });
            }
        }
        Ok(())
    }

    fn special(
        &self,
        key: &'static str,
        named: Option<(&'static str, String)>,
    ) -> Result<Option<Special>, DataError> {
        let Some((file, text)) = named else { return Ok(None) };
        match self.inner.token_to_id(&text) {
            Some(id) => Ok(Some(Special { id, text })),
            None => Err(DataError::SpecialToken { file, key, token: text }),
        }
    }

    /// Puts BOS and EOS around a text as the config says, whatever `tokenizer.json` does. A token that is asked for and
    /// not named is not added, as in `transformers`.
    fn surround(&mut self, [bos, eos]: [bool; 2]) -> Result<(), DataError> {
        let bos = self.bos.clone().filter(|_| bos);
        let eos = self.eos.clone().filter(|_| eos);
        let wanted: Vec<u32> = bos.iter().chain(&eos).map(|special| special.id).collect();
        // What does so already stays as it is: it may do more, such as trimming offsets.
        if self.encode("", true)? == wanted {
            return Ok(());
        }
        let processor = template(bos.as_ref(), eos.as_ref());
        let processor: TemplateProcessing =
            attempt(READ, || Ok(serde_json::from_value(processor)?))?;
        self.inner.with_post_processor(Some(processor));
        Ok(())
    }

    /// Token ids of a text; `special` lets the tokenizer's post-processor add what it adds (BOS, say).
    ///
    /// # Errors
    ///
    /// [`DataError::Tokenizer`] if the tokenizer has no token for some of the text.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, DataError> {
        let encoding = attempt(ENCODE, || self.inner.encode_fast(text, special))?;
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
        let encoding = attempt(ENCODE, || self.inner.encode(text, special))?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end).collect();
        Ok((encoding.get_ids().to_vec(), ends))
    }

    /// Token ids of many texts, on all cores, in their order and without special tokens.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode`].
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, DataError> {
        texts.par_iter().map(|text| self.encode(text, false)).collect()
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
        attempt("decode ids", || self.inner.decode(ids, false))
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

/// Calls the library, which fails on some files and panics on others.
fn attempt<T>(
    action: &'static str,
    call: impl FnOnce() -> tokenizers::Result<T>,
) -> Result<T, DataError> {
    let outcome = guarded(call).unwrap_or_else(|panic| Err(panic.into()));
    outcome.map_err(|source| DataError::Tokenizer { action, source })
}

/// A post-processor that puts tokens around a text, as `tokenizer.json` writes it.
fn template(bos: Option<&Special>, eos: Option<&Special>) -> Value {
    let special = |it: &Special, segment: usize| {
        let text = &it.text;
        json!({ "SpecialToken": { "id": text, "type_id": segment } })
    };
    let around = |name: &str, segment: usize| -> Vec<Value> {
        let text = json!({ "Sequence": { "id": name, "type_id": segment } });
        let before = bos.map(|bos| special(bos, segment));
        before.into_iter().chain([text]).chain(eos.map(|eos| special(eos, segment))).collect()
    };
    let used = bos.into_iter().chain(eos).map(|Special { id, text }| {
        let entry = json!({ "id": text, "ids": [id], "tokens": [text] });
        (text.clone(), entry)
    });
    let (single, pair) = (around("A", 0), [around("A", 0), around("B", 1)].concat());
    let used: Map<String, Value> = used.collect();
    json!({ "single": single, "pair": pair, "special_tokens": used })
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

    #[test]
    fn special_tokens_may_stand_in_the_older_file() {
        let mut files = files(&["a"], false, r#"{"eos_token": "<s>"}"#);
        let map = br#"{"bos_token": "<s>", "eos_token": {"content": "</s>"}}"#;
        files.insert("special_tokens_map.json".to_owned(), map.to_vec());
        let read = Tokenizer::from_files(&files).unwrap();
        assert_eq!((read.bos(), read.eos()), (Some(1), Some(2)), "the older file counts");
        let config = br#"{"eos_token": "<s>", "added_tokens_decoder": {}}"#;
        files.insert("tokenizer_config.json".to_owned(), config.to_vec());
        let read = Tokenizer::from_files(&files).unwrap();
        assert_eq!((read.bos(), read.eos()), (None, Some(1)), "unless the newer key is there");
    }

    #[test]
    fn the_config_decides_what_surrounds_a_text_where_it_says_so() {
        let ids = |adds_bos, keys: &str| {
            let config = format!(r#"{{"bos_token": "<s>", "eos_token": "</s>"{keys}}}"#);
            let read = Tokenizer::from_files(&files(&["a"], adds_bos, &config)).unwrap();
            read.encode("a", true).unwrap()
        };
        assert_eq!(ids(true, ""), [1, 3]);
        assert_eq!(ids(true, r#", "add_bos_token": false"#), [3]);
        assert_eq!(ids(false, r#", "add_bos_token": true"#), [1, 3]);
        assert_eq!(ids(true, r#", "add_eos_token": true"#), [3, 2], "both keys are decided");
        assert_eq!(ids(false, r#", "add_bos_token": true, "add_eos_token": true"#), [1, 3, 2]);
    }

    #[test]
    fn tokens_beside_the_vocabulary_are_found_in_a_text() {
        let config = r#"{"added_tokens_decoder": {"4": {"content": "<new>", "special": true}}}"#;
        let read = Tokenizer::from_files(&files(&["a"], false, config)).unwrap();
        assert_eq!(read.encode("a<new> a", false).unwrap(), [3, 4, 3]);
        let mut older = files(&["a"], false, "{}");
        older.insert("added_tokens.json".to_owned(), br#"{"<new>": 4}"#.to_vec());
        let read = Tokenizer::from_files(&older).unwrap();
        assert_eq!(read.encode("a <new> a", false).unwrap(), [3, 4, 3]);
        let split = r#"{"bos_token": "<s>", "split_special_tokens": true}"#;
        let read = Tokenizer::from_files(&files(&["a"], false, split)).unwrap();
        assert_eq!(read.encode("a <s>", false).unwrap(), [3, 1], "a word of the vocabulary, too");
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
        check_refused(
            &files(&[], false, r#"{"add_bos_token": 1}"#),
            "expected true or false, found 1",
        );
        let decoder = r#"{"added_tokens_decoder": {"9": {"content": "<new>"}}}"#;
        check_refused(&files(&[], false, decoder), "\"<new>\" must have the id 9");
        check_refused(&files(&[], false, r#"{"added_tokens_decoder": [1]}"#), "tokens by id");
        check_refused(&files(&[], false, "[]"), "expected a JSON object");
        let broken = BTreeMap::from([("tokenizer.json".to_owned(), b"{".to_vec())]);
        check_refused(&broken, "tokenizer.json: cannot read the tokenizer");
    }
}
