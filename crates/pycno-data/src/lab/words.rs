//! The words of the lab's world, and the tokenizer made of them.

use std::collections::BTreeMap;

use serde_json::json;

/// Beginnings and ends of first names.
const FIRST: [[&str; 8]; 2] = [
    ["Sa", "Ke", "Li", "Mo", "Nu", "Ra", "Ti", "Zo"],
    ["da", "lin", "mar", "ko", "vi", "sel", "ro", "na"],
];
/// Beginnings and ends of last names.
const LAST: [[&str; 8]; 2] = [
    ["Al", "Bren", "Cor", "Dun", "Fal", "Gar", "Hol", "Pen"],
    ["ford", "wick", "more", "ley", "stone", "field", "ridge", "worth"],
];
/// Beginnings and ends of places.
const PLACE: [[&str; 8]; 2] = [
    ["Ash", "Elm", "Fern", "Glen", "Oak", "Rush", "Thorn", "West"],
    ["by", "ton", "holm", "mouth", "haven", "gate", "bury", "dale"],
];
/// What people do.
pub(crate) const JOBS: [&str; 32] = [
    "actor", "baker", "barber", "builder", "butcher", "carver", "clerk", "cook", "cooper", "diver",
    "doctor", "driver", "dyer", "farmer", "fisher", "gardener", "glazier", "hunter", "judge",
    "lawyer", "mason", "miller", "miner", "nurse", "painter", "pilot", "potter", "sailor",
    "singer", "smith", "tailor", "weaver",
];
/// What people keep.
pub(crate) const PETS: [&str; 16] = [
    "cat", "crow", "dog", "duck", "fox", "frog", "goat", "goose", "hare", "hen", "mouse", "newt",
    "owl", "pony", "sheep", "toad",
];
/// What people like.
pub(crate) const COLORS: [&str; 8] =
    ["black", "blue", "brown", "green", "grey", "red", "white", "yellow"];
/// What people have in their hands, in the order of every story.
pub(crate) const THINGS: [&str; 4] = ["bell", "book", "coin", "drum"];
/// Beginnings and ends of the operations of programs.
const OPERATION: ([&str; 16], [&str; 8]) = (
    ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z"],
    ["av", "ek", "im", "ob", "un", "elf", "ost", "ang"],
);
/// What holds sentences together.
const GLUE: [&str; 31] = [
    "question", "steps", "answer", ":", ".", "?", "=", "the", "a", "of", "is", "in", "as", "has",
    "who", "where", "what", "does", "do", "work", "lives", "live", "home", "works", "job", "keeps",
    "keep", "pet", "likes", "like", "color",
];
/// The largest number there is a word for.
pub(crate) const LARGEST: usize = 160;
/// The largest number to add or to take away; with its sign it is a word.
pub(crate) const LARGEST_TERM: usize = 32;
/// Names of lines, in order.
pub(crate) const LINES: [&str; 8] = ["i", "j", "k", "l", "m", "n", "o", "p"];
/// Before a text of its own; ends every document.
pub(crate) const END: &str = "<end>";
/// The marks, which are words without a space before them.
const MARKS: &str = "[.?:]";
/// Stands for what the world has no word for.
const UNKNOWN: &str = "<unk>";

fn joined([starts, ends]: [[&str; 8]; 2]) -> Vec<String> {
    starts.iter().flat_map(|start| ends.iter().map(move |end| format!("{start}{end}"))).collect()
}

/// The 64 first names.
pub(crate) fn first_names() -> Vec<String> {
    joined(FIRST)
}

/// The 64 last names.
pub(crate) fn last_names() -> Vec<String> {
    joined(LAST)
}

/// The 64 places.
pub(crate) fn places() -> Vec<String> {
    joined(PLACE)
}

/// The 128 operations of programs, the most used first.
pub(crate) fn operations() -> Vec<String> {
    let (starts, ends) = OPERATION;
    ends.iter().flat_map(|end| starts.iter().map(move |start| format!("{start}{end}"))).collect()
}

/// Every word, special ones first; a word's place is its token.
fn vocabulary() -> Vec<String> {
    let plain = [&GLUE[..], &LINES, &JOBS, &PETS, &COLORS, &THINGS].concat();
    let plain = plain.into_iter().map(str::to_owned);
    let numbers = (0..=LARGEST).map(|number| number.to_string());
    let terms = (1..=LARGEST_TERM).flat_map(|number| [format!("+{number}"), format!("-{number}")]);
    let specials = [UNKNOWN.to_owned(), END.to_owned()].into_iter();
    specials
        .chain(numbers)
        .chain(terms)
        .chain(plain)
        .chain(first_names())
        .chain(last_names())
        .chain(places())
        .chain(operations())
        .collect()
}

/// The files that travel with a checkpoint that speaks the lab's language: `tokenizer.json` and
/// `tokenizer_config.json`. One token per word, a number or a mark.
pub fn tokenizer_files() -> BTreeMap<String, Vec<u8>> {
    let words = vocabulary();
    let vocab: serde_json::Map<String, serde_json::Value> =
        words.iter().enumerate().map(|(id, word)| (word.clone(), id.into())).collect();
    let special = |id: usize, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, UNKNOWN), special(1, END)],
        "normalizer": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Split", "pattern": {"Regex": MARKS}, "behavior": "Isolated", "invert": false}]},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN}});
    let config = json!({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END,
        "bos_token": END, "unk_token": UNKNOWN, "clean_up_tokenization_spaces": false});
    BTreeMap::from([
        ("tokenizer.json".to_owned(), pretty(&tokenizer)),
        ("tokenizer_config.json".to_owned(), pretty(&config)),
    ])
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Tokenizer;

    #[test]
    fn every_word_is_one_token_of_its_own() {
        let words = vocabulary();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        let tokenizer = Tokenizer::from_files(&tokenizer_files()).unwrap();
        assert_eq!(tokenizer.vocab_len(), words.len());
        assert!(words.len() <= 1024, "{}", words.len());
        for (id, word) in words.iter().enumerate() {
            let id = u32::try_from(id).unwrap();
            assert_eq!(tokenizer.encode(word, true).unwrap(), [id], "{word}");
        }
    }

    #[test]
    fn numbers_are_words_and_marks_stand_alone() {
        let tokenizer = Tokenizer::from_files(&tokenizer_files()).unwrap();
        let ids = tokenizer.encode("47 i +5? answer: 52.", false).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), "47 i +5 ? answer : 52 .");
        assert_eq!(ids.len(), 8);
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(1)));
    }
}
