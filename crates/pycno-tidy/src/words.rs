//! One vocabulary: a word of the glossary's "never" column is not used for the thing it would name.

use crate::{Breach, TextFile};

/// Offender and the glossary's word. The first halves keep this file from finding itself.
const OFFENDERS: [(&str, &str); 13] = [
    (concat!("sali", "ency"), "importance"),
    (concat!("sali", "encies"), "importances"),
    (concat!("he", "al"), "recover"),
    (concat!("he", "aled"), "recovered"),
    (concat!("hea", "ling"), "recovery"),
    (concat!("re", "train"), "recover"),
    (concat!("re", "trained"), "recovered"),
    (concat!("re", "training"), "recovery"),
    (concat!("fine", "tune"), "recover"),
    (concat!("fine", "tuned"), "recovered"),
    (concat!("fine", "tuning"), "recovery"),
    (concat!("num_", "heads"), "n_heads"),
    (concat!("num_", "layers"), "n_layers"),
];

/// The glossary itself has to name what it forbids, and lists of other programs' keys have their words.
const EXEMPT: [&str; 3] =
    ["GLOSSARY.md", "crates/pycno-model/src/gguf/known.rs", "crates/pycno-model/src/hf/known.rs"];

/// Finds words that the glossary forbids, in identifiers, comments and documents.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    if !file.ends_in(&["rs", "md"]) || EXEMPT.contains(&file.path.as_str()) {
        return Vec::new();
    }
    file.numbered().flat_map(|(number, line)| line_breaches(&file.path, number, line)).collect()
}

fn line_breaches(path: &str, number: usize, line: &str) -> Vec<Breach> {
    identifiers(line)
        .flat_map(|word| std::iter::once(word.to_owned()).chain(parts(word)))
        .filter_map(|word| OFFENDERS.iter().find(|(never, _)| *never == word))
        .map(|(never, say)| Breach::new(path, number, format!("say `{say}`, found `{never}`")))
        .collect()
}

fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Splits `snake_case` and `CamelCase` into lower-case words; a word that is its own part gives none.
fn parts(word: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for c in word.chars() {
        if c == '_' || c.is_uppercase() {
            found.push(String::new());
        }
        if let Some(last) = found.last_mut().filter(|_| c != '_') {
            last.push(c.to_ascii_lowercase());
        }
    }
    found.retain(|part| !part.is_empty() && part != word);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: usize) {
        let found = breaches(&TextFile::new("crates/a/src/x.rs", text));
        assert_eq!(found.len(), expect, "{text}: {found:?}");
    }

    #[test]
    fn every_offender_is_found_alone_in_snake_case_and_in_camel_case() {
        for (never, _) in OFFENDERS {
            check(&format!("// the {never} of a layer\n"), 1);
        }
        let first = OFFENDERS[0].0;
        check(&format!("let layer_{first} = 1;\n"), 1);
        let camel = format!("{}{}", first[..1].to_uppercase(), &first[1..]);
        check(&format!("struct {camel}Config;\n"), 1);
    }

    #[test]
    fn words_that_contain_an_offender_are_fine() {
        check("// health, wholly, constrained by num_attention_heads\n", 0);
    }

    #[test]
    fn the_glossary_may_name_them() {
        let text = format!("never {}\n", OFFENDERS[0].0);
        assert!(breaches(&TextFile::new("GLOSSARY.md", &text)).is_empty());
    }
}
