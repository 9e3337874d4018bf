//! JSON documents with a format version, read so that the version is judged before the fields.

use pycno_units::without_byte_order_mark;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::PruneError;

/// Name and version of a kind of document.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) document: &'static str,
    pub(crate) format: u32,
}

impl Kind {
    /// Refuses another version, then parses.
    pub(crate) fn read<T: DeserializeOwned>(self, json: &str) -> Result<T, PruneError> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object with a format")]
        struct Versioned {
            format: u32,
        }
        let json = without_byte_order_mark(json.as_bytes());
        let refuse = |source| PruneError::Json { document: self.document, source };
        let versioned: Versioned = serde_json::from_slice(json).map_err(refuse)?;
        self.expect(versioned.format)?;
        serde_json::from_slice(json).map_err(refuse)
    }

    pub(crate) const fn expect(self, found: u32) -> Result<(), PruneError> {
        let Self { document, format: expected } = self;
        if found == expected {
            Ok(())
        } else {
            Err(PruneError::Format { document, expected, found })
        }
    }
}

/// Writes a value as JSON in one line; equal values give equal bytes.
///
/// # Panics
///
/// If the type is one that JSON cannot hold, which none of this crate's is.
#[expect(clippy::expect_used, reason = "structs, sequences, strings and numbers always serialize")]
pub(crate) fn write<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// The BLAKE3 hash of a value's JSON, in hex.
pub(crate) fn hash<T: Serialize>(value: &T) -> String {
    blake3::hash(write(value).as_bytes()).to_hex().to_string()
}
