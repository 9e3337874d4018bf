//! Typed access to a JSON table whose errors name file and key.

use std::path::Path;

use serde_json::{Map, Value};

use crate::ModelError;

/// Sizes beyond this are taken for a mistake; products of two stay within `usize`.
const LARGEST: u64 = 1 << 31;
/// Longest value quoted in a message.
const QUOTED: usize = 60;

/// A JSON table with the file and the key it stands under.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path,
    prefix: &'a str,
}

impl<'a> Keys<'a> {
    pub(super) const fn new(map: &'a Map<String, Value>, path: &'a Path, prefix: &'a str) -> Self {
        Self { map, path, prefix }
    }

    pub(super) const fn all(&self) -> &'a Map<String, Value> {
        self.map
    }

    /// The value of a key; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The error that a key's value is not what it should be.
    pub(super) fn wrong(&self, key: &str, expected: &str) -> ModelError {
        let found = self.map.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
        let found = match found.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{}...", &found[..end]),
            None => found,
        };
        let dot = if self.prefix.is_empty() { "" } else { "." };
        let part = format!("{}{dot}{key}", self.prefix);
        ModelError::malformed(self.path, &part, expected, found)
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, ModelError> {
        self.get(key)
            .and_then(Value::as_u64)
            .filter(|size| (1..=LARGEST).contains(size))
            .and_then(|size| usize::try_from(size).ok())
            .ok_or_else(|| self.wrong(key, &format!("a whole number in 1..={LARGEST}")))
    }

    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize, ModelError> {
        if self.get(key).is_some() { self.size(key) } else { Ok(default) }
    }

    /// A size; `default` where it is absent, unless the key must be there.
    pub(super) fn size_or_given(
        &self,
        key: &str,
        default: Option<usize>,
    ) -> Result<usize, ModelError> {
        match default {
            Some(default) => self.size_or(key, default),
            None => self.size(key),
        }
    }

    pub(super) fn positive(&self, key: &str) -> Result<f64, ModelError> {
        self.get(key)
            .and_then(Value::as_f64)
            .filter(|x| *x > 0.0 && x.is_finite())
            .ok_or_else(|| self.wrong(key, "a positive number"))
    }

    pub(super) fn positive_or(&self, key: &str, default: f64) -> Result<f64, ModelError> {
        if self.get(key).is_some() { self.positive(key) } else { Ok(default) }
    }

    pub(super) fn bool_or(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    /// A table inside this one.
    pub(super) fn table<'b>(&'b self, key: &'b str) -> Result<Option<Keys<'b>>, ModelError>
    where
        'a: 'b,
    {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Keys { map, path: self.path, prefix: key })),
            Some(_) => Err(self.wrong(key, "a table")),
        }
    }
}
