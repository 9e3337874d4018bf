//! What of a Rust text is code, comment or test.

use crate::TextFile;

/// Says whether a line is a comment as a whole.
pub fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Cuts the text before its unit tests, which sit at the foot of the file.
pub fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod tests").map_or(text, |at| &text[..=at])
}

/// Yields the numbered lines that are not comments as a whole.
pub fn lines(file: &TextFile) -> impl Iterator<Item = (usize, &str)> {
    file.numbered().filter(|(_, line)| !is_comment(line))
}

/// Gives the package of a file: the folder below `crates/`, else the top folder's package.
pub fn package(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    match parts.next()? {
        "crates" => parts.next(),
        "tests" => Some("pycno-tests"),
        "benches" => Some("pycno-benches"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_foot_do_not_count_and_a_mention_of_them_does() {
        assert_eq!(without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), "a\nb\n");
        assert_eq!(without_tests("a\n// mod tests\n"), "a\n// mod tests\n");
    }

    #[test]
    fn doc_lines_are_comments() {
        assert!(is_comment("  //! x") && is_comment("/// x") && !is_comment("x // y"));
    }

    #[test]
    fn a_path_names_its_package() {
        assert_eq!(package("crates/pycno-data/src/lib.rs"), Some("pycno-data"));
        assert_eq!(package("tests/lib.rs"), Some("pycno-tests"));
        assert_eq!(package("README.md"), None);
    }
}
