//! `unsafe` is forbidden in every crate root but two, and those two deny it.

use crate::{Breach, TextFile, code};

/// Packages whose root may say `deny`, with the number of functions that may lift it.
///
/// `pycno-model` maps weight files into memory and lets their pages go; `pycno-kernels` may hold vector code.
const LIFTED: [(&str, usize); 2] = [("pycno-kernels", usize::MAX), ("pycno-model", 2)];

/// Finds a crate root that lets `unsafe` in, and exceptions beyond the allowed number.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let Some(package) = code::package(&file.path) else { return Vec::new() };
    let lifted = LIFTED.iter().any(|(name, _)| *name == package);
    let says =
        |lint: &str| file.text.lines().any(|line| line == format!("#![{lint}(unsafe_code)]"));
    if !is_root(&file.path) || says("forbid") || (lifted && says("deny")) {
        return Vec::new();
    }
    vec![Breach::new(&file.path, 0, "a crate root says `#![forbid(unsafe_code)]`")]
}

/// Counts the functions of `files` that lift the rule, and reports a package with too many.
pub fn exceptions(files: &[TextFile]) -> Vec<Breach> {
    let lifts = |package: &str| {
        files.iter().filter(|f| code::package(&f.path) == Some(package)).map(count).sum()
    };
    LIFTED
        .iter()
        .map(|(package, most)| (package, most, lifts(package)))
        .filter(|(_, most, found): &(_, &usize, usize)| found > most)
        .map(|(package, most, found)| {
            Breach::new(
                package,
                0,
                format!("at most {most} functions may use unsafe, found {found}"),
            )
        })
        .collect()
}

fn count(file: &TextFile) -> usize {
    code::lines(file)
        .filter(|(_, line)| line.contains("(unsafe_code") && line.contains("#[expect"))
        .count()
}

fn is_root(path: &str) -> bool {
    let in_crate = path.starts_with("crates/")
        && path.matches('/').count() == 3
        && (path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs"));
    in_crate || path == "tests/lib.rs" || path == "benches/lib.rs"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expect: usize) {
        assert_eq!(breaches(&TextFile::new(path, text)).len(), expect, "{path}: {text}");
    }

    #[test]
    fn a_root_without_the_line_is_found_and_a_module_needs_none() {
        check("crates/pycno-data/src/lib.rs", "//! Docs.\n", 1);
        check("crates/pycno-data/src/lib.rs", "//! Docs.\n#![forbid(unsafe_code)]\n", 0);
        check("crates/pycno-data/src/corpus.rs", "//! Docs.\n", 0);
        check("tests/lib.rs", "//! Docs.\n", 1);
    }

    #[test]
    fn deny_is_enough_in_the_two_that_need_it_only() {
        check("crates/pycno-model/src/lib.rs", "#![deny(unsafe_code)]\n", 0);
        check("crates/pycno-data/src/lib.rs", "#![deny(unsafe_code)]\n", 1);
        check("crates/pycno-model/src/lib.rs", "//! `#![deny(unsafe_code)]`\n", 1);
    }

    #[test]
    fn a_third_exception_in_the_model_is_found() {
        let once = TextFile::new(
            "crates/pycno-model/src/map.rs",
            "#[expect(unsafe_code, reason = \"x\")]\n",
        );
        assert!(exceptions(&[once.clone(), once.clone()]).is_empty());
        assert_eq!(exceptions(&[once.clone(), once.clone(), once]).len(), 1);
    }
}
