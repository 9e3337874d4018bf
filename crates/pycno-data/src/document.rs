//! JSON files that travel with a checkpoint.

use std::collections::BTreeMap;

use pycno_units::without_byte_order_mark;
use serde_json::{Map, Value};

use crate::DataError;

/// The JSON object in a file of that name; empty without such a file.
pub(crate) fn object(
    files: &BTreeMap<String, Vec<u8>>,
    file: &'static str,
) -> Result<Map<String, Value>, DataError> {
    let Some(bytes) = files.get(file) else { return Ok(Map::new()) };
    let parsed = serde_json::from_slice(without_byte_order_mark(bytes));
    parsed.map_err(|source| DataError::TokenizerFile { file, source })
}
