//! Dotted overrides: `--set student.0.recover.tokens=8K`.

use std::path::Path;

use toml::{Table, Value};

use crate::StudyError;

/// The text of a file, with overrides applied; `unreadable` as in [`apply`].
pub(crate) fn read(
    path: &Path,
    set: &[String],
    unreadable: impl FnOnce(Box<toml::de::Error>) -> StudyError,
) -> Result<String, StudyError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
    // Without any, lines and columns in errors are those of the file.
    if set.is_empty() { Ok(text) } else { apply(&text, set, unreadable) }
}

/// A table made of settings alone, as `--set KEY=VALUE` gives them.
///
/// # Errors
///
/// [`StudyError::Override`] for a setting without `=` or inside what is no table, and for settings that together are
/// not what `T` is.
pub fn settings<T: serde::de::DeserializeOwned>(set: &[String]) -> Result<T, StudyError> {
    let mut root = Value::Table(Table::new());
    for item in set {
        apply_one(&mut root, item)?;
    }
    let refused = |source: toml::de::Error| StudyError::Override {
        item: set.join(" --set "),
        reason: source.message().to_owned(),
    };
    root.try_into().map_err(refused)
}

/// Applies overrides to a text and writes it back as TOML; `unreadable` says what a text that is no TOML
/// should have been.
fn apply(
    text: &str,
    set: &[String],
    unreadable: impl FnOnce(Box<toml::de::Error>) -> StudyError,
) -> Result<String, StudyError> {
    let table: Table = toml::from_str(text).map_err(|source| unreadable(Box::new(source)))?;
    let mut root = Value::Table(table);
    for item in set {
        apply_one(&mut root, item)?;
    }
    toml::to_string(&root).map_err(|source| StudyError::Write { source })
}

fn apply_one(root: &mut Value, item: &str) -> Result<(), StudyError> {
    let bad = |reason: String| StudyError::Override { item: item.to_owned(), reason };
    let (path, value) = item.split_once('=').ok_or_else(|| bad("expected KEY=VALUE".into()))?;
    let mut at = root;
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    for key in parents.split('.').filter(|key| !key.is_empty()) {
        at = child(at, key).ok_or_else(|| bad(format!("there is no {key}")))?;
    }
    put(at, last, read_value(value)).ok_or_else(|| bad(format!("{last} cannot be set there")))
}

fn child<'a>(at: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match at {
        Value::Table(table) => table.get_mut(key),
        Value::Array(array) => array.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn put(at: &mut Value, key: &str, value: Value) -> Option<()> {
    match at {
        Value::Table(table) => {
            table.insert(key.to_owned(), value);
            Some(())
        }
        Value::Array(array) => {
            *array.get_mut(key.parse::<usize>().ok()?)? = value;
            Some(())
        }
        _ => None,
    }
}

/// Reads a TOML value; what is none is text, so that `tokens=8K` needs no quotes.
fn read_value(text: &str) -> Value {
    let table = toml::from_str::<Table>(&format!("value = {text}"));
    table
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[a]\nb = 1\n[[list]]\nc = \"x\"\n";

    fn applied(set: &str) -> Result<String, StudyError> {
        let unreadable = |source| StudyError::Parse { path: "study.toml".into(), source };
        apply(TEXT, &[set.to_owned()], unreadable)
    }

    #[track_caller]
    fn check(set: &str, expect: &str) {
        let found = applied(set).unwrap();
        assert!(found.contains(expect), "{found}");
    }

    #[test]
    fn values_keep_their_types() {
        check("a.b=2", "b = 2");
        check("a.b=8K", "b = \"8K\"");
        check("list.0.c=[1, 2]", "c = [1, 2]");
        check("a.new=0.5", "new = 0.5");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_an_error() {
        for set in ["a", "x.y=1", "list.1.c=1", "a.b.c=1"] {
            assert!(applied(set).is_err(), "{set}");
        }
    }
}
