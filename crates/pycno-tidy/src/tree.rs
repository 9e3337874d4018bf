//! The working tree as texts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::Breach;

/// Endings of the files that are read as text; all others are data.
const TEXT_ENDINGS: [&str; 12] =
    ["rs", "toml", "md", "py", "sh", "json", "jsonl", "csv", "txt", "html", "svg", "yml"];

/// Folders that are built or run, never committed.
const NOT_COMMITTED: [&str; 5] = ["target", "runs", "__pycache__", ".venv", ".git"];

/// A text with its path below the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextFile {
    /// Path below the root of the workspace, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl TextFile {
    /// Pairs a path with its text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Says whether the path ends in one of `endings`, given without the dot.
    pub fn ends_in(&self, endings: &[&str]) -> bool {
        ending(&self.path).is_some_and(|found| endings.contains(&found))
    }

    /// Yields the lines with their numbers, from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().zip(1..).map(|(line, number)| (number, line))
    }
}

/// Gives the root of the workspace, two folders above this package.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads every text file below `root` that could be committed, sorted by path.
///
/// # Errors
///
/// Whatever the file system answers; a text that is not UTF-8 is an error too.
pub fn files(root: &Path) -> io::Result<Vec<TextFile>> {
    let mut found = Vec::new();
    collect(root, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Runs a rule over the whole tree and lists its breaches, one per line.
///
/// # Errors
///
/// As [`files`].
pub fn hold(rule: impl Fn(&TextFile) -> Vec<Breach>) -> io::Result<String> {
    let breaches: Vec<String> =
        files(&root())?.iter().flat_map(rule).map(|breach| breach.to_string()).collect();
    Ok(breaches.join("\n"))
}

fn collect(folder: &Path, below: &str, found: &mut Vec<TextFile>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            if !NOT_COMMITTED.contains(&name.as_str()) {
                collect(&entry.path(), &path, found)?;
            }
        } else if is_text(&path) {
            found.push(TextFile { text: fs::read_to_string(entry.path())?, path });
        }
    }
    Ok(())
}

fn is_text(path: &str) -> bool {
    path.starts_with(".ci/") || ending(path).is_some_and(|found| TEXT_ENDINGS.contains(&found))
}

fn ending(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.rsplit_once('.').map(|(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_dot_has_no_ending_and_the_scripts_of_ci_are_text() {
        assert_eq!(ending("a.b/run"), None);
        assert_eq!(ending("a/lib.rs"), Some("rs"));
        assert!(is_text(".ci/run") && is_text(".ci/cache") && !is_text("a/model.safetensors"));
    }

    #[test]
    fn lines_are_numbered_from_one() {
        let file = TextFile::new("a.rs", "x\ny\n");
        assert_eq!(file.numbered().collect::<Vec<_>>(), [(1, "x"), (2, "y")]);
    }
}
