//! The name of a public type means one type in the whole workspace.

use std::collections::BTreeMap;

use crate::{Breach, TextFile, code};

/// How the definition of a public type begins; `pub(crate)` may repeat a name.
const BEGINS: [&str; 6] =
    ["pub struct ", "pub enum ", "pub union ", "pub trait ", "pub unsafe trait ", "pub type "];

/// Finds public types of the crates' sources whose name an earlier file or line has given to another type.
pub fn breaches(files: &[TextFile]) -> Vec<Breach> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let sources = files.iter().filter(|file| is_source(file));
    let types = sources.flat_map(|file| types(file).map(move |found| (file, found)));
    let mut breaches = Vec::new();
    for (file, (line, name)) in types {
        if let Some(other) = first.get(name) {
            let found = format!("a type has a name of its own, `{name}` is one of {other}");
            breaches.push(Breach::new(&file.path, line, found));
        } else {
            first.insert(name, &file.path);
        }
    }
    breaches
}

fn is_source(file: &TextFile) -> bool {
    let mut parts = file.path.split('/');
    parts.next() == Some("crates") && parts.nth(1) == Some("src") && file.ends_in(&["rs"])
}

/// The public types that a file defines, with their lines.
fn types(file: &TextFile) -> impl Iterator<Item = (usize, &str)> {
    let lines = code::without_tests(&file.text).lines().zip(1..);
    lines.filter_map(|(line, number)| Some((number, defined(line.trim_start())?)))
}

fn defined(line: &str) -> Option<&str> {
    let rest = BEGINS.iter().find_map(|begin| line.strip_prefix(begin))?;
    rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], lines: &[usize]) {
        let files: Vec<_> = files.iter().map(|(path, text)| TextFile::new(path, text)).collect();
        let found = breaches(&files);
        assert_eq!(found.iter().map(|breach| breach.line).collect::<Vec<_>>(), lines, "{found:?}");
    }

    const ONE: (&str, &str) = ("crates/a/src/lib.rs", "pub struct Role;\n");

    #[test]
    fn a_name_given_twice_is_found_whatever_kinds_the_types_are() {
        check(&[ONE, ("crates/b/src/x/y.rs", "//! Docs.\npub enum Role {\n")], &[2]);
        check(&[ONE, ("crates/b/src/x.rs", "pub trait Role: Sized {\n")], &[1]);
        check(&[ONE, ("crates/b/src/x.rs", "mod m {\n    pub type Role<T> = Vec<T>;\n}\n")], &[2]);
        check(&[("crates/a/src/x.rs", "pub struct Role;\npub struct Role;\n")], &[2]);
    }

    #[test]
    fn private_types_longer_names_tests_and_other_folders_do_not_count() {
        check(&[ONE, ("crates/b/src/x.rs", "pub(crate) struct Role;\nstruct Role;\n")], &[]);
        check(&[ONE, ("crates/b/src/x.rs", "pub struct RoleOf;\n/// pub struct Role;\n")], &[]);
        check(
            &[ONE, ("crates/b/src/x.rs", "\n#[cfg(test)]\nmod tests {\npub struct Role;\n")],
            &[],
        );
        check(&[ONE, ("crates/b/examples/x.rs", "pub struct Role;\n")], &[]);
        check(&[ONE, ("tests/lib.rs", "pub struct Role;\n")], &[]);
    }
}
