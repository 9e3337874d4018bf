//! SentencePiece BPE: pieces with scores, from which the merges follow.

use serde_json::{Value, json};

use super::{
    metadata::Metadata,
    tokenizer::{Parts, Vocabulary},
};
use crate::ModelError;

const SCORES: &str = "tokenizer.ggml.scores";
/// What stands for a space, U+2581.
const SPACE: &str = "\u{2581}";

/// A split of a piece in two.
struct Merge<'a> {
    score: f64,
    left: &'a str,
    right: &'a str,
}

/// Builds the parts of a SentencePiece tokenizer.
pub(super) fn parts(
    metadata: &Metadata,
    vocabulary: &Vocabulary<'_>,
    unknown: Option<&str>,
) -> Result<Parts, ModelError> {
    let scores = metadata.required(SCORES, metadata.floats(SCORES)?)?;
    if scores.len() != vocabulary.tokens.len() {
        let expected = format!("{} entries, one per token", vocabulary.tokens.len());
        return Err(metadata.wrong(SCORES, expected, scores.len().to_string()));
    }
    let prefix = metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let model = json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": unknown,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": true,
        "byte_fallback": true,
        "ignore_merges": false,
        "vocab": vocabulary.json(),
        "merges": merges(vocabulary, scores),
    });
    Ok(Parts {
        normalizer: normalizer(prefix),
        pre_tokenizer: Value::Null,
        decoder: decoder(prefix),
        model,
        add_bos: true,
    })
}

fn normalizer(prefix: bool) -> Value {
    let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
    let prepend = prefix.then(|| json!({ "type": "Prepend", "prepend": SPACE }));
    let steps: Vec<Value> = prepend.into_iter().chain([replace]).collect();
    json!({ "type": "Sequence", "normalizers": steps })
}

fn decoder(prefix: bool) -> Value {
    let strip = json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 });
    let mut steps = vec![
        json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    steps.extend(prefix.then_some(strip));
    json!({ "type": "Sequence", "decoders": steps })
}

/// Every split of a piece into two pieces, best score first; ties as transformers' converter has them:
/// longer left parts, longer right parts, then lower ids.
///
/// DIFFERENCE: the converter also merges into and out of control and byte pieces, which SentencePiece
/// never matches in a text.
fn merges(vocabulary: &Vocabulary<'_>, scores: &[f64]) -> Vec<Value> {
    let mut merges: Vec<Merge<'_>> = vec![];
    for (id, piece) in vocabulary.tokens.iter().enumerate() {
        if vocabulary.is_normal(id) {
            let mut splits = splits(vocabulary, piece);
            splits.sort_by_key(|(left, right)| (vocabulary.ids[left], vocabulary.ids[right]));
            let score = scores[id];
            merges.extend(splits.into_iter().map(|(left, right)| Merge { score, left, right }));
        }
    }
    let lengths = |merge: &Merge<'_>| (merge.left.chars().count(), merge.right.chars().count());
    merges.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| lengths(b).cmp(&lengths(a))));
    merges.iter().map(|merge| json!([merge.left, merge.right])).collect()
}

fn splits<'a>(vocabulary: &Vocabulary<'_>, piece: &'a str) -> Vec<(&'a str, &'a str)> {
    let known = |part: &str| vocabulary.ids.get(part).is_some_and(|id| vocabulary.is_normal(*id));
    let cuts = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
    cuts.filter(|(left, right)| known(left) && known(right)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{
        fixture::{Fixture, parsed, refusal},
        metadata::Value as Entry,
    };

    /// Pieces `<unk>`, `<s>`, `a`, `b` and one more.
    fn fixture(last: &str, scores: &[f64]) -> Fixture {
        let tokens = ["<unk>", "<s>", "a", "b", last].map(str::to_owned);
        Fixture::llama()
            .without("tokenizer.ggml.merges")
            .without("tokenizer.ggml.pre")
            .with("tokenizer.ggml.model", Entry::Text("llama".to_owned()))
            .with("tokenizer.ggml.tokens", Entry::Texts(tokens.to_vec()))
            .with("tokenizer.ggml.token_type", Entry::Integers(vec![2, 3, 1, 1, 1]))
            .with("tokenizer.ggml.unknown_token_id", Entry::Integer(0))
            .with(SCORES, Entry::Floats(scores.to_vec()))
    }

    #[track_caller]
    fn check(fixture: &Fixture, pointer: &str, expect: &Value) {
        let checkpoint = parsed(&fixture.bytes()).unwrap();
        let tokenizer: Value = serde_json::from_slice(&checkpoint.files["tokenizer.json"]).unwrap();
        assert_eq!(tokenizer.pointer(pointer), Some(expect), "{pointer}");
    }

    #[test]
    fn a_piece_is_the_merge_of_its_parts() {
        let fixture = fixture("ab", &[0.0, 0.0, -1.0, -2.0, -3.0]);
        check(&fixture, "/model/merges", &json!([["a", "b"]]));
        check(&fixture, "/model/unk_token", &json!("<unk>"));
        check(&fixture, "/model/byte_fallback", &json!(true));
        check(&fixture, "/post_processor/single/0/SpecialToken/id", &json!("<s>"));
    }

    #[test]
    fn better_scores_come_first_and_longer_left_parts_break_ties() {
        let tokens = ["a", "aa", "aaa"].map(str::to_owned);
        let vocabulary = Vocabulary::plain(&tokens);
        let expect = [json!(["a", "a"]), json!(["aa", "a"]), json!(["a", "aa"])];
        assert_eq!(merges(&vocabulary, &[-1.0, -2.0, -3.0]), expect);
        let expect = [json!(["aa", "a"]), json!(["a", "aa"]), json!(["a", "a"])];
        assert_eq!(merges(&vocabulary, &[-1.0, -3.0, -2.0]), expect);
    }

    #[test]
    fn the_prefix_space_can_be_switched_off() {
        let fixture = fixture("ab", &[0.0; 5]);
        check(&fixture, "/normalizer/normalizers/0/type", &json!("Prepend"));
        check(&fixture, "/decoder/decoders/3/type", &json!("Strip"));
        let fixture = fixture.with("tokenizer.ggml.add_space_prefix", Entry::Bool(false));
        check(&fixture, "/normalizer/normalizers/0/type", &json!("Replace"));
        check(
            &fixture,
            "/decoder/decoders",
            &json!([
                { "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " },
                { "type": "ByteFallback" },
                { "type": "Fuse" },
            ]),
        );
    }

    #[test]
    fn scores_must_be_there_for_every_piece() {
        assert!(refusal(&fixture("ab", &[0.0; 4])).contains("scores: expected 5 entries"));
        assert!(refusal(&fixture("ab", &[]).without(SCORES)).contains("tokenizer.ggml.scores"));
    }
}
