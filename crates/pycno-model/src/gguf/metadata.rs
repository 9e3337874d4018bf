//! Metadata of a GGUF file: typed values by key, and typed questions that name the key in their errors.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::ModelError;

/// Characters of a text that a message quotes.
const QUOTED: usize = 60;

/// A metadata value. Widths of the file are forgotten, except that `f32` is not `f64`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Integer(i128),
    Single(f32),
    Double(f64),
    Text(String),
    Bools(Vec<bool>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
}

impl Value {
    /// As a message quotes it; of a list what it is of.
    pub(super) fn quoted(&self) -> String {
        match self {
            Self::Bool(flag) => flag.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Single(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Text(text) => format!("{:?}", text.chars().take(QUOTED).collect::<String>()),
            list => list.kind().to_owned(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Integer(_) => "an integer",
            Self::Single(_) | Self::Double(_) => "a float",
            Self::Text(_) => "a string",
            Self::Bools(_) => "an array of bools",
            Self::Integers(_) => "an array of integers",
            Self::Floats(_) => "an array of floats",
            Self::Texts(_) => "an array of strings",
        }
    }
}

/// The metadata of one file.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) path: PathBuf,
    pub(super) values: BTreeMap<String, Value>,
    /// Keys that were asked for.
    asked: Mutex<BTreeSet<String>>,
}

impl Metadata {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), values: BTreeMap::new(), asked: Mutex::default() }
    }

    /// The value of a key, which counts as asked for.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        self.values.get(key)
    }

    /// Keys that were not asked for, with their values.
    pub(super) fn left(&self) -> impl Iterator<Item = (&str, &Value)> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let left = self.values.iter().filter(move |(key, _)| !asked.contains(*key));
        left.map(|(key, value)| (key.as_str(), value))
    }

    /// An error about a key or a tensor of this file.
    pub(super) fn wrong(
        &self,
        part: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> ModelError {
        ModelError::Malformed {
            path: self.path.clone(),
            part: part.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(super) fn missing(&self, key: &str) -> ModelError {
        self.wrong(key, "a value", "none")
    }

    /// Makes an absent answer an error.
    pub(super) fn required<T>(&self, key: &str, answer: Option<T>) -> Result<T, ModelError> {
        answer.ok_or_else(|| self.missing(key))
    }

    /// A size: at most `u32::MAX`, so that the product of two fits into 64 bits.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Value::Integer(number) = value else {
            return Err(self.unlike(key, "an integer", value));
        };
        let size = u32::try_from(*number).ok().and_then(|size| usize::try_from(size).ok());
        let size = size.ok_or_else(|| self.wrong(key, "a size below 2^32", number.to_string()))?;
        Ok(Some(size))
    }

    /// A size that must be there and at least 1.
    pub(super) fn extent(&self, key: &str) -> Result<usize, ModelError> {
        let size = self.required(key, self.size(key)?)?;
        if size == 0 { Err(self.wrong(key, "at least 1", "0")) } else { Ok(size) }
    }

    /// A float, positive and finite. Singles become the double with the same shortest decimal form,
    /// so that `1e-5` stays `1e-5`.
    pub(super) fn positive(&self, key: &str) -> Result<Option<f64>, ModelError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = match value {
            Value::Single(number) => number.to_string().parse().unwrap_or(f64::NAN),
            Value::Double(number) => *number,
            other => return Err(self.unlike(key, "a float", other)),
        };
        if number > 0.0 && number.is_finite() {
            Ok(Some(number))
        } else {
            Err(self.wrong(key, "a positive number", number.to_string()))
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.unlike(key, "a bool", other)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.unlike(key, "a string", other)),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<&[String]>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Texts(texts)) => Ok(Some(texts)),
            Some(other) => Err(self.unlike(key, "an array of strings", other)),
        }
    }

    pub(super) fn integers(&self, key: &str) -> Result<Option<&[i64]>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Integers(integers)) => Ok(Some(integers)),
            Some(other) => Err(self.unlike(key, "an array of integers", other)),
        }
    }

    pub(super) fn floats(&self, key: &str) -> Result<Option<&[f64]>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Floats(floats)) => Ok(Some(floats)),
            Some(other) => Err(self.unlike(key, "an array of floats", other)),
        }
    }

    fn unlike(&self, key: &str, expected: &str, found: &Value) -> ModelError {
        self.wrong(key, expected, found.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Value, expect: Option<f64>) {
        let mut metadata = Metadata::new(Path::new("a.gguf"));
        metadata.values.insert("eps".to_owned(), value);
        assert_eq!(metadata.positive("eps").ok().flatten(), expect);
    }

    #[test]
    fn singles_keep_their_decimal_form() {
        check(Value::Single(1e-5), Some(1e-5));
        check(Value::Single(100000.0), Some(100000.0));
        check(Value::Double(1e-6), Some(1e-6));
    }

    #[test]
    fn numbers_out_of_range_and_of_another_type_are_refused() {
        check(Value::Single(f32::NAN), None);
        check(Value::Single(f32::INFINITY), None);
        check(Value::Double(0.0), None);
        check(Value::Integer(1), None);
    }
}
