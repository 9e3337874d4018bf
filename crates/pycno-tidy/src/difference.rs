//! Departures from papers and reference code, as marked in the sources.

use crate::{Breach, TextFile, code};

/// The mark; written in two halves so that this file does not find itself.
const MARK: &str = concat!("DIFFER", "ENCE:");

/// Words a reason has at least: fewer cannot say what differs and why.
const FEWEST_WORDS: usize = 5;

/// One marked departure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// Path below the root of the workspace.
    pub path: String,
    /// Line of the mark, from 1.
    pub line: usize,
    /// What differs and why, in one line.
    pub reason: String,
}

/// Lists the departures that a Rust file marks; a reason runs to the end of its comment paragraph.
pub fn collect(file: &TextFile) -> Vec<Difference> {
    if !file.ends_in(&["rs"]) {
        return Vec::new();
    }
    file.numbered()
        .filter(|(_, line)| code::is_comment(line))
        .filter_map(|(number, line)| Some((number, line.split_once(MARK)?.1)))
        .map(|(line, start)| Difference {
            path: file.path.clone(),
            line,
            reason: reason(file, line, start),
        })
        .collect()
}

/// Finds departures that do not say why.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    collect(file)
        .into_iter()
        .filter(|found| found.reason.split_whitespace().count() < FEWEST_WORDS)
        .map(|found| Breach::new(&found.path, found.line, "a departure says what differs and why"))
        .collect()
}

fn reason(file: &TextFile, line: usize, start: &str) -> String {
    let rest = file.text.lines().skip(line).map_while(paragraph);
    std::iter::once(start.trim()).chain(rest).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Gives the text of a comment line that goes on with the paragraph.
fn paragraph(line: &str) -> Option<&str> {
    let text = line.trim().strip_prefix("//")?.trim_start_matches(['/', '!']).trim();
    (!text.is_empty() && !text.contains(MARK)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_runs_over_its_paragraph() {
        let text =
            format!("x\n/// {MARK} we count norms,\n/// the paper does not say.\n///\n/// Next.\n");
        let found = collect(&TextFile::new("a.rs", &text));
        let reason = "we count norms, the paper does not say.".to_owned();
        assert_eq!(found, [Difference { path: "a.rs".to_owned(), line: 2, reason }]);
    }

    #[test]
    fn a_mark_without_a_reason_is_found() {
        let file = TextFile::new("a.rs", &format!("// {MARK} yes.\nfn f() {{}}\n"));
        assert_eq!(breaches(&file).len(), 1);
    }
}
