//! A file holds one idea, so it stays short.

use crate::{Breach, TextFile, code};

/// Lines a file may have without its unit tests.
pub const CEILING: usize = 400;

/// Finds a Rust file longer than [`CEILING`] without its tests.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let length = code::without_tests(&file.text).lines().count();
    if length <= CEILING || !file.ends_in(&["rs"]) {
        return Vec::new();
    }
    let found = format!("at most {CEILING} lines without the tests, found {length}");
    vec![Breach::new(&file.path, 0, found)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: usize) {
        assert_eq!(breaches(&TextFile::new("crates/a/src/x.rs", text)).len(), expect);
    }

    #[test]
    fn the_ceiling_itself_is_allowed_and_one_line_more_is_not() {
        check(&"x\n".repeat(CEILING), 0);
        check(&"x\n".repeat(CEILING + 1), 1);
    }

    #[test]
    fn tests_do_not_count() {
        check(&format!("x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "y\n".repeat(CEILING)), 0);
    }
}
