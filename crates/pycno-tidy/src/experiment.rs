//! An experiment is a folder with a study, or the results an example recomputes, and a page of five
//! headings.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Breach, TextFile};

/// The headings of an experiment's page, in order.
pub const HEADINGS: [&str; 5] = ["Question", "Setup", "Result", "Verdict", "What next"];

/// What the experiment is made by: a study that the command line runs, or an example that writes
/// its results.
const MADE_BY: [&str; 3] = ["study.toml", "family.toml", "result.csv"];

/// Finds folders of `experiments/` without a study (or results) or a page, and pages with other
/// headings.
pub fn breaches(files: &[TextFile]) -> Vec<Breach> {
    let paths: BTreeMap<&str, &TextFile> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    folders(files)
        .into_iter()
        .flat_map(|folder| {
            let has = |name: &str| paths.contains_key(format!("{folder}/{name}").as_str());
            let page = format!("{folder}/README.md");
            let no_page = (!has("README.md")).then_some("an experiment has a README.md");
            let unmade = !MADE_BY.iter().any(|name| has(name));
            let unmade =
                unmade.then_some("an experiment has a study.toml, a family.toml or a result.csv");
            let missing = no_page.into_iter().chain(unmade);
            missing
                .map(|text| Breach::new(&folder, 0, text))
                .chain(paths.get(page.as_str()).and_then(|file| page_breach(file)))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn folders(files: &[TextFile]) -> BTreeSet<String> {
    files
        .iter()
        .filter_map(|file| file.path.strip_prefix("experiments/")?.split_once('/'))
        .map(|(folder, _)| format!("experiments/{folder}"))
        .collect()
}

fn page_breach(file: &TextFile) -> Option<Breach> {
    let found: Vec<&str> = file.text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if found != HEADINGS {
        let text = format!("the headings are {HEADINGS:?}, found {found:?}");
        return Some(Breach::new(&file.path, 0, text));
    }
    let empty =
        file.text.split("\n## ").skip(1).find(|part| part.lines().skip(1).all(str::is_empty))?;
    let heading = empty.lines().next().unwrap_or_default();
    Some(Breach::new(&file.path, 0, format!("nothing is said under `{heading}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(parts: &[(&str, &str)]) -> TextFile {
        let sections: Vec<String> =
            parts.iter().map(|(head, body)| format!("## {head}\n\n{body}\n")).collect();
        TextFile::new("experiments/x/README.md", &format!("# X\n\n{}", sections.join("\n")))
    }

    #[track_caller]
    fn check(parts: &[(&str, &str)], expect: usize) {
        let study = TextFile::new("experiments/x/study.toml", "");
        assert_eq!(breaches(&[page(parts), study]).len(), expect);
    }

    #[test]
    fn five_headings_with_text_are_a_page() {
        check(&HEADINGS.map(|head| (head, "Text.")), 0);
    }

    #[test]
    fn a_missing_a_swapped_and_an_empty_heading_are_found() {
        check(&HEADINGS.map(|head| (head, "Text."))[..4], 1);
        check(
            &[
                ("Setup", "a"),
                ("Question", "a"),
                ("Result", "a"),
                ("Verdict", "a"),
                ("What next", "a"),
            ],
            1,
        );
        check(&HEADINGS.map(|head| (head, if head == "Verdict" { "" } else { "Text." })), 1);
    }

    #[test]
    fn recomputed_results_stand_for_a_study() {
        let results = TextFile::new("experiments/x/result.csv", "");
        let parts = HEADINGS.map(|head| (head, "Text."));
        assert_eq!(breaches(&[page(&parts), results]), []);
        assert_eq!(breaches(&[page(&parts)]).len(), 1);
    }

    #[test]
    fn a_folder_without_a_study_or_a_page_is_found() {
        let lone = TextFile::new("experiments/x/notes.md", "x");
        assert_eq!(breaches(&[lone]).len(), 2);
    }
}
