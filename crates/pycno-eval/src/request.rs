//! From texts to token ids, by the rules of lm-evaluation-harness 0.4.13.
//!
//! A pair is encoded as one text, so that no token boundary is forced between prompt and answer:
//! `whole = enc(prompt + continuation)`, and what follows the first `len(enc(prompt))` ids is scored.
//! Special tokens follow the tokenizer's default; a prompt too long is cut from the left.

use pycno_data::{DataError, Tokenizer};

use crate::{EvalError, Item, TaskItems, TaskKind, items::Pair, task::BitsPerByteTask};

/// A task as token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// The items, or the windows of a text.
    pub items: Vec<EncodedItem>,
    /// Items or windows of the whole task.
    pub n_available: usize,
}

/// An item as token ids.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedItem {
    /// The item's id, or the window's number.
    pub id: String,
    /// The item's group.
    pub stratum: Option<String>,
    /// Index of the right request.
    pub gold: usize,
    /// What is asked.
    pub requests: Vec<Request>,
}

/// Some tokens and how many of them, at the end, are scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Context and continuation; the last id is a target only.
    pub ids: Vec<u32>,
    /// Tokens of the continuation.
    pub n_scored: usize,
    /// UTF-8 bytes of the scored text.
    pub scored_bytes: usize,
    /// Unicode characters of the answer.
    pub answer_chars: usize,
    /// UTF-8 bytes of the answer.
    pub answer_bytes: usize,
}

impl Request {
    /// What the model reads.
    pub fn inputs(&self) -> &[u32] {
        &self.ids[..self.ids.len() - 1]
    }

    /// What it should say at its last `n_scored` inputs.
    pub fn targets(&self) -> &[u32] {
        &self.ids[self.ids.len() - self.n_scored..]
    }
}

/// Encodes a task for a model that reads at most `max_positions` tokens.
///
/// # Errors
///
/// What of [`EvalError`] names an item: no prefix token, an empty or too long continuation, a text
/// shorter than a window.
pub fn encode(
    items: &TaskItems,
    tokenizer: &Tokenizer,
    max_positions: usize,
) -> Result<Encoded, EvalError> {
    let scope = Scope { task: &items.task.name, tokenizer, max_positions };
    if let TaskKind::BitsPerByte(kind) = &items.task.kind {
        return scope.windows(kind, items);
    }
    let encoded = items.items.iter().map(|item| scope.item(item)).collect::<Result<Vec<_>, _>>()?;
    Ok(Encoded { items: encoded, n_available: items.n_available })
}

struct Scope<'a> {
    task: &'a str,
    tokenizer: &'a Tokenizer,
    max_positions: usize,
}

impl Scope<'_> {
    fn item(&self, item: &Item) -> Result<EncodedItem, EvalError> {
        let requests = item.pairs.iter().map(|pair| self.pair(&item.id, pair));
        Ok(EncodedItem {
            id: item.id.clone(),
            stratum: item.stratum.clone(),
            gold: item.gold,
            requests: requests.collect::<Result<Vec<_>, _>>()?,
        })
    }

    fn pair(&self, item: &str, pair: &Pair) -> Result<Request, EvalError> {
        let (context, scored) = move_trailing_space(pair);
        let (mut ids, continuation) = if context.is_empty() {
            self.without_context(item, &scored)?
        } else {
            self.with_context(context, &scored)?
        };
        let n_scored = continuation.len();
        if n_scored == 0 {
            let (task, item) = (self.task.to_owned(), item.to_owned());
            return Err(EvalError::EmptyContinuation { task, item, text: scored });
        }
        if n_scored > self.max_positions {
            return Err(self.too_long(item, n_scored));
        }
        ids.extend(continuation);
        // One more than the positions, since the last id is not read.
        ids.drain(..ids.len().saturating_sub(self.max_positions + 1));
        Ok(Request {
            ids,
            n_scored,
            scored_bytes: scored.len(),
            answer_chars: pair.answer.chars().count(),
            answer_bytes: pair.answer.len(),
        })
    }

    fn with_context(&self, context: &str, scored: &str) -> Result<(Vec<u32>, Vec<u32>), EvalError> {
        let ids = self.encode(context)?;
        let whole = self.encode(&format!("{context}{scored}"))?;
        let continuation = whole.get(ids.len()..).unwrap_or(&[]).to_vec();
        Ok((ids, continuation))
    }

    /// The prefix token stands for the context; a continuation that begins with it already keeps one.
    fn without_context(&self, item: &str, scored: &str) -> Result<(Vec<u32>, Vec<u32>), EvalError> {
        let prefix = self.tokenizer.prefix_token().ok_or_else(|| EvalError::NoPrefix {
            task: self.task.to_owned(),
            item: item.to_owned(),
        })?;
        let mut ids = self.tokenizer.encode(scored, false).map_err(|source| self.data(source))?;
        if ids.first() == Some(&prefix) {
            ids.remove(0);
        }
        Ok((vec![prefix], ids))
    }

    /// Windows one after the other: window `i` reads tokens `i w .. (i + 1) w` and scores the token after each.
    fn windows(&self, kind: &BitsPerByteTask, items: &TaskItems) -> Result<Encoded, EvalError> {
        let window = kind.window;
        if window > self.max_positions {
            return Err(self.too_long("window", window));
        }
        let text = items.items.first().and_then(|item| item.pairs.first());
        let text = text.map_or("", |pair| pair.continuation.as_str());
        let (ids, ends) =
            self.tokenizer.encode_with_ends(text).map_err(|source| self.data(source))?;
        let n_available = ids.len().saturating_sub(1) / window;
        if n_available == 0 {
            let (task, need, found) = (self.task.to_owned(), window + 1, ids.len());
            return Err(EvalError::TextTooShort { task, need, found });
        }
        let taken = items.window_limit.map_or(n_available, |limit| limit.min(n_available));
        let encoded = (0..taken).map(|i| {
            let (first, last) = (i * window, (i + 1) * window);
            let bytes = ends[last].saturating_sub(ends[first]);
            EncodedItem {
                id: i.to_string(),
                stratum: None,
                gold: 0,
                requests: vec![Request {
                    ids: ids[first..=last].to_vec(),
                    n_scored: window,
                    scored_bytes: bytes,
                    answer_chars: bytes,
                    answer_bytes: bytes,
                }],
            }
        });
        Ok(Encoded { items: encoded.collect(), n_available })
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, EvalError> {
        self.tokenizer.encode_default(text).map_err(|source| self.data(source))
    }

    fn data(&self, source: DataError) -> EvalError {
        EvalError::Data { task: self.task.to_owned(), source }
    }

    fn too_long(&self, item: &str, found: usize) -> EvalError {
        let (task, item) = (self.task.to_owned(), item.to_owned());
        EvalError::TooLong { task, item, max: self.max_positions, found }
    }
}

/// Whitespace at the end of the prompt belongs to the continuation.
fn move_trailing_space(pair: &Pair) -> (&str, String) {
    let context = pair.context.trim_end();
    (context, format!("{}{}", &pair.context[context.len()..], pair.continuation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{items_of, text_task, tokenizer};

    const WORDS: [&str; 5] = ["a", "b", "c", "d", "e"]; // ids 3 to 7; <s> is 1, </s> is 2

    #[track_caller]
    fn check(context: &str, continuation: &str, max: usize, expect: (&[u32], usize)) {
        let items = items_of(&[(context, &[continuation])]);
        let encoded = encode(&items, &tokenizer(&WORDS, true), max).unwrap();
        let request = &encoded.items[0].requests[0];
        assert_eq!((&request.ids[..], request.n_scored), expect);
    }

    #[test]
    fn a_pair_is_encoded_whole_and_split_after_the_context() {
        check("a b", " c d", 10, (&[1, 3, 4, 5, 6], 2));
        check("a b ", "c", 10, (&[1, 3, 4, 5], 1));
    }

    #[test]
    fn an_empty_context_is_the_prefix_token() {
        check("", "a b", 10, (&[1, 3, 4], 2));
        check(" ", "a b", 10, (&[1, 3, 4], 2));
        check("", "<s> a", 10, (&[1, 3], 1));
    }

    #[test]
    fn a_long_context_is_cut_from_the_left() {
        check("a b c d", " e", 3, (&[4, 5, 6, 7], 1));
        check("a b", " c d e", 3, (&[4, 5, 6, 7], 3));
    }

    #[test]
    fn moved_whitespace_counts_as_scored_bytes_but_not_as_answer() {
        let items = items_of(&[("a \n", &["b"])]);
        let request = &encode(&items, &tokenizer(&WORDS, true), 9).unwrap().items[0].requests[0];
        assert_eq!((request.scored_bytes, request.answer_chars, request.answer_bytes), (3, 1, 1));
    }

    #[test]
    fn windows_score_every_next_token_once() {
        let encoded =
            encode(&text_task("a b c d e a b", 3, None), &tokenizer(&WORDS, false), 3).unwrap();
        let ids: Vec<&[u32]> = encoded.items.iter().map(|item| &item.requests[0].ids[..]).collect();
        assert_eq!(ids, [[3, 4, 5, 6], [6, 7, 3, 4]]);
        // Of "a b c d e a b" the first window scores " b c d".
        assert_eq!(encoded.items[0].requests[0].scored_bytes, 6);
        assert_eq!(
            (encoded.n_available, encoded.items[0].requests[0].targets()),
            (2, &[4, 5, 6][..])
        );
        let first = encode(&text_task("a b c d e a b", 3, Some(1)), &tokenizer(&WORDS, false), 3);
        let first = first.unwrap();
        assert_eq!((first.items.len(), first.n_available), (1, 2));
    }

    #[track_caller]
    fn check_refused(items: &TaskItems, max: usize, part: &str) {
        let error = encode(items, &tokenizer(&WORDS, false), max).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn what_cannot_be_scored_is_refused() {
        check_refused(
            &items_of(&[("a", &[" b c d"])]),
            2,
            "at most 2 tokens can be scored at once, got 3",
        );
        check_refused(
            &items_of(&[("a b", &[" "])]),
            9,
            "item 0: the continuation \" \" has no tokens",
        );
        check_refused(&text_task("a b c", 3, None), 9, "a window takes 4 tokens, the text has 3");
        check_refused(&text_task("a b c", 3, None), 2, "at most 2 tokens");
        let bare = Tokenizer::from_json(&crate::fixture::tokenizer_json(&WORDS, false));
        let error = encode(&items_of(&[("", &["a"])]), &bare.unwrap(), 9).unwrap_err().to_string();
        assert!(error.contains("neither BOS nor EOS"), "{error}");
    }
}
