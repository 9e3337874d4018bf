//! Typed access to a JSON table whose errors name file and key.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

use crate::ModelError;

/// Sizes beyond this are taken for a mistake; products of two stay within `usize`.
const LARGEST: u64 = 1 << 31;
/// Longest value quoted in a message.
const QUOTED: usize = 60;

/// A JSON table with the file and the key it stands under; it remembers which keys were asked for.
pub(super) struct Keys<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path,
    prefix: String,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { map, path, prefix: String::new(), asked: RefCell::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The value of a key, null included.
    pub(super) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.map.get(key)
    }

    /// The value of a key; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.raw(key).filter(|value| !value.is_null())
    }

    /// Keys whose value does not matter here.
    pub(super) fn ignore(&self, keys: &[&str]) {
        self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Refuses a key that was not asked for and is not null: nobody here knows what it changes.
    pub(super) fn expect_none_left(&self) -> Result<(), ModelError> {
        let asked = self.asked.borrow();
        let mut left =
            self.map.iter().filter(|(key, value)| !value.is_null() && !asked.contains(*key));
        match left.next() {
            None => Ok(()),
            Some((key, _)) => {
                let expected =
                    "no key that is not known here (take it out if it changes no number)";
                Err(self.wrong(key, expected))
            }
        }
    }

    /// The error that a key's value is not what it should be.
    pub(super) fn wrong(&self, key: &str, expected: &str) -> ModelError {
        let found = self.map.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
        let found = match found.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{}...", &found[..end]),
            None => found,
        };
        ModelError::malformed(self.path, &self.place(key), expected, found)
    }

    /// A key with the tables it stands in, such as `rope_parameters.rope_theta`.
    fn place(&self, key: &str) -> String {
        let dot = if self.prefix.is_empty() { "" } else { "." };
        format!("{}{dot}{key}", self.prefix)
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
    pub(super) fn table(&self, key: &str) -> Result<Option<Self>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { prefix: self.place(key), ..Self::new(map, self.path) }))
            }
            Some(_) => Err(self.wrong(key, "a table")),
        }
    }
}
