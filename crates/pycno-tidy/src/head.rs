//! Every Rust file begins by saying what it is.

use crate::{Breach, TextFile};

/// Finds a Rust file whose first line is not `//!` and a sentence.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|text| text.trim().len() >= 8);
    if says || !file.ends_in(&["rs"]) {
        return Vec::new();
    }
    vec![Breach::new(&file.path, 1, format!("the first line is `//! ..`, found `{first}`"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: usize) {
        assert_eq!(breaches(&TextFile::new("crates/a/src/x.rs", text)).len(), expect, "{text}");
    }

    #[test]
    fn a_file_without_its_sentence_is_found() {
        check("use std::fs;\n", 1);
        check("//!\n", 1);
        check("", 1);
        check("//! Reads corpora.\n", 0);
    }
}
