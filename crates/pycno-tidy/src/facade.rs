//! `lib.rs` is crate docs, modules, re-exports and constants, no code.

use crate::{Breach, TextFile, code};

/// How a statement of a `lib.rs` may begin.
const ALLOWED: [&str; 6] = ["mod ", "pub mod ", "use ", "pub use ", "const ", "pub const "];

/// Finds code in the `lib.rs` of a crate.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let is_facade = file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs");
    if !is_facade {
        return Vec::new();
    }
    statements(file)
        .into_iter()
        .filter(|(_, statement)| !is_allowed(statement))
        .map(|(line, statement)| {
            let start: String = statement.chars().take(40).collect();
            Breach::new(&file.path, line, format!("only mod, use and const, found `{start}`"))
        })
        .collect()
}

/// A module with a body is code; the braces of a `use` and of a constant are not.
fn is_allowed(statement: &str) -> bool {
    ALLOWED.iter().any(|start| statement.starts_with(start))
        && !(statement.contains("mod ") && statement.contains('{') && !statement.contains("use "))
}

/// Splits the text without comments and attributes into statements that end in `;`.
fn statements(file: &TextFile) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in code::lines(file) {
        let line = line.trim();
        if open.is_none() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        let (start, text) = open.get_or_insert_with(|| (number, String::new()));
        text.push_str(line);
        if line.ends_with(';') {
            found.push((*start, std::mem::take(text)));
            open = None;
        }
    }
    found.extend(open);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: &[usize]) {
        let found = breaches(&TextFile::new("crates/a/src/lib.rs", text));
        assert_eq!(found.iter().map(|breach| breach.line).collect::<Vec<_>>(), lines, "{found:?}");
    }

    #[test]
    fn modules_re_exports_and_constants_are_all_a_facade_has() {
        check("//! Docs.\n#![forbid(unsafe_code)]\n\nmod a;\n#[cfg(x)]\npub mod b;\n", &[]);
        check(
            "pub use a::{\n    B,\n    C,\n};\n\n/// Version.\npub const FORMAT: u32 = 1;\n",
            &[],
        );
    }

    #[test]
    fn a_function_a_type_and_a_module_with_a_body_are_code() {
        check("//! Docs.\nmod a;\npub fn f() {}\n", &[3]);
        check("pub struct X;\n", &[1]);
        check("pub mod prelude {\n    pub fn f();\n}\n", &[1, 3]);
    }
}
