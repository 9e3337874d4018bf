//! What a stage's result depends on, as one hash: two stages with the same key have the same result, whichever
//! study asked for them and whatever it calls them.

use std::collections::BTreeMap;

use pycno_model::ComputeDtype;
use serde::Serialize;
use serde_json::Value;

use crate::{BURN, DeviceName, StudyError};

/// Digits of the hash in a folder's name: 64 bits.
const DIGITS: usize = 16;

/// What a stage does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// One task asked of one model.
    Eval,
    /// A model pruned.
    Prune,
    /// A pruned model trained again, or a student trained from scratch.
    Recover,
    /// Activations of a model over calibration text.
    Statistics,
    /// One budget of one size of a family, trained from scratch.
    Train,
}

/// What the bits of a result depend on besides what is computed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Numerics {
    backend: &'static str,
    /// The GPU, by the name its driver reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<String>,
    pub(crate) dtype: ComputeDtype,
    /// Sums round differently on `avx2` and on `avx512`.
    pub(crate) vector_extension: &'static str,
    burn: &'static str,
}

/// A stage's identity. Its hash covers everything but the label a run shows it under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StageKey {
    kind: StageKind,
    document: String,
    hash: String,
}

#[derive(Serialize)]
struct Document<'a> {
    kind: StageKind,
    version: u32,
    config: Value,
    inputs: BTreeMap<&'a str, &'a str>,
    numerics: &'a Numerics,
}

impl Numerics {
    /// Those of a device that computes in `dtype`.
    pub fn of(device: DeviceName, dtype: ComputeDtype) -> Self {
        Self {
            backend: device.backend_name(),
            part: device.part(),
            dtype,
            vector_extension: pycno_model::vector_extension(),
            burn: BURN,
        }
    }
}

impl StageKind {
    /// As folders are named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eval => "eval",
            Self::Prune => "prune",
            Self::Recover => "recover",
            Self::Statistics => "statistics",
            Self::Train => "train",
        }
    }
}

impl StageKey {
    /// Hashes what the result depends on: what is done (`kind`, and the `version` of the algorithm and of the
    /// files it leaves), how (`config`), to what (`inputs`, hashes by name), and what the bits depend on.
    ///
    /// # Errors
    ///
    /// [`StudyError::Study`] if the config cannot be written as JSON (a map whose keys are no text).
    pub fn new(
        (kind, version): (StageKind, u32),
        config: &impl Serialize,
        inputs: &[(&str, &str)],
        numerics: &Numerics,
    ) -> Result<Self, StudyError> {
        let refuse = |error| StudyError::Study { rule: format!("stage {}: {error}", kind.name()) };
        let inputs = inputs.iter().copied().collect();
        let config = serde_json::to_value(config).map_err(refuse)?;
        let document = Document { kind, version, config, inputs, numerics };
        let document = serde_json::to_string_pretty(&document).map_err(refuse)?;
        let hash = blake3::hash(document.as_bytes()).to_hex().to_string();
        Ok(Self { kind, document, hash })
    }

    /// The hash, in hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Everything that was hashed, as JSON for people to read.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The name of the stage's folder in a store.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.kind.name(), &self.hash[..DIGITS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(
        (kind, version): (StageKind, u32),
        limit: usize,
        weights: &str,
        dtype: ComputeDtype,
    ) -> StageKey {
        let numerics = Numerics::of(DeviceName::FLEX, dtype);
        StageKey::new((kind, version), &("limit", limit), &[("weights", weights)], &numerics)
            .unwrap()
    }

    #[test]
    fn a_key_sees_kind_version_config_inputs_and_numerics() {
        let first = key((StageKind::Eval, 1), 5, "a", ComputeDtype::F32);
        assert_eq!(first, key((StageKind::Eval, 1), 5, "a", ComputeDtype::F32));
        let others = [
            key((StageKind::Prune, 1), 5, "a", ComputeDtype::F32),
            key((StageKind::Eval, 2), 5, "a", ComputeDtype::F32),
            key((StageKind::Eval, 1), 6, "a", ComputeDtype::F32),
            key((StageKind::Eval, 1), 5, "b", ComputeDtype::F32),
            key((StageKind::Eval, 1), 5, "a", ComputeDtype::Bf16),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(first.hash(), other.hash(), "change {i}");
        }
    }

    #[test]
    fn a_key_tells_people_what_it_is_of() {
        let key = key((StageKind::Eval, 1), 5, "a", ComputeDtype::F32);
        let told: Value = serde_json::from_str(key.document()).unwrap();
        assert_eq!(told["kind"], "eval");
        assert_eq!(told["inputs"]["weights"], "a");
        assert_eq!(told["numerics"]["backend"], "flex");
        assert_eq!(told["numerics"]["burn"], BURN);
        assert!(key.folder().starts_with("eval-") && key.folder().len() == 5 + DIGITS);
    }
}
