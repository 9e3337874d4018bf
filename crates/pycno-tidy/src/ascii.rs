//! Sources, configs and documents are ASCII: what a reader sees is what the tools see.

use crate::{Breach, TextFile};

/// Finds every line of a `.rs`, `.toml` or `.md` file that is not ASCII. What lies in `reports/` is
/// rendered for readers, with real minus signs, and is no source.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    if !file.ends_in(&["rs", "toml", "md"]) || file.path.starts_with("reports/") {
        return Vec::new();
    }
    file.numbered()
        .filter_map(|(number, line)| Some((number, line.chars().find(|c| !c.is_ascii())?)))
        .map(|(number, c)| {
            Breach::new(&file.path, number, format!("only ASCII, found {}", c.escape_unicode()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_from_a_word_processor_is_found_with_its_line() {
        let found = breaches(&TextFile::new("a.md", "fine\na \u{2013} b\n"));
        assert_eq!(found, [Breach::new("a.md", 2, "only ASCII, found \\u{2013}")]);
    }

    #[test]
    fn data_may_hold_any_letter() {
        assert!(breaches(&TextFile::new("a.json", "\u{e9}")).is_empty());
        assert!(breaches(&TextFile::new("reports/x/report.md", "\u{d7}")).is_empty());
    }
}
