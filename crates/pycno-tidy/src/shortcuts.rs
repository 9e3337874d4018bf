//! No test is switched off, no panic stands for an answer, nothing is left to do in silence.

use crate::{Breach, TextFile, breach, code};

/// What must not stand in code; written in two halves so that this file does not find itself.
const FORBIDDEN: [&str; 4] = [
    concat!("#[", "ignore"),
    concat!("#[", "should_panic"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

/// Finds switched-off tests, tests that wait for a panic, and unwritten code.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    if !file.ends_in(&["rs"]) {
        return Vec::new();
    }
    breach::found(&file.path, code::lines(file), &FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shortcut_is_found_in_code_and_none_in_a_comment() {
        for word in FORBIDDEN {
            let planted = format!("fn f() {{\n    {word}\n}}\n");
            assert_eq!(breaches(&TextFile::new("a.rs", &planted)).len(), 1, "{word}");
            assert!(breaches(&TextFile::new("a.rs", &format!("// {word}\n"))).is_empty());
        }
    }
}
