//! One place where a rule is broken.

use std::fmt;

/// A broken rule: the file, the line (from 1; 0 when the whole file is meant) and what was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach {
    /// Path below the root of the workspace, with forward slashes.
    pub path: String,
    /// Line from 1, or 0 for the whole file.
    pub line: usize,
    /// What was allowed and what was found.
    pub found: String,
}

impl Breach {
    /// Makes a breach at `line` of `path`.
    pub fn new(path: &str, line: usize, found: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, found: found.into() }
    }
}

/// Finds forbidden words in numbered lines of a file.
pub(crate) fn found<'a>(
    path: &str,
    lines: impl Iterator<Item = (usize, &'a str)>,
    forbidden: &[&str],
) -> Vec<Breach> {
    lines
        .flat_map(|(number, line)| forbidden.iter().map(move |word| (number, line, word)))
        .filter(|(_, line, word)| line.contains(**word))
        .map(|(number, _, word)| Breach::new(path, number, format!("found `{word}`")))
        .collect()
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.found)
    }
}
