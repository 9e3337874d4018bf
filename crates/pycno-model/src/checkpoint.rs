//! A checkpoint as a value: spec, named tensors on the host, the tokenizer's files.

use std::{collections::BTreeMap, sync::Arc};

use crate::{ModelError, ModelSpec, ParamCounts, names};

/// A tensor on the host in `f32`, row-major; cloning shares the data.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    shape: Vec<usize>,
    data: Arc<Vec<f32>>,
}

impl HostTensor {
    /// Joins shape and data.
    ///
    /// # Panics
    ///
    /// If their sizes differ.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} against data");
        Self { shape, data: Arc::new(data) }
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
}

/// A model at rest.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Shape of the model.
    pub spec: ModelSpec,
    /// Weights by Hugging Face name and in its layout (`Linear` is `[out, in]`).
    pub tensors: BTreeMap<String, HostTensor>,
    /// Files that travel unchanged: `tokenizer.json`, `tokenizer_config.json`, ...
    pub files: BTreeMap<String, Vec<u8>>,
    /// `config.json` as read, or as built from GGUF metadata; the writer edits what surgery changes.
    pub config: serde_json::Map<String, serde_json::Value>,
}

impl Checkpoint {
    /// Checks that the tensors are exactly those the spec calls for.
    ///
    /// # Errors
    ///
    /// [`ModelError::Tensors`] with the lists of missing, unexpected and misshapen ones.
    pub fn check(&self) -> Result<(), ModelError> {
        let expected = names::expected_shapes(&self.spec);
        let missing: Vec<String> =
            expected.keys().filter(|name| !self.tensors.contains_key(*name)).cloned().collect();
        let unexpected: Vec<String> =
            self.tensors.keys().filter(|name| !expected.contains_key(*name)).cloned().collect();
        let misshapen: Vec<String> = expected
            .iter()
            .filter_map(|(name, shape)| {
                let found = self.tensors.get(name)?.shape();
                (found != shape).then(|| format!("{name}: expected {shape:?}, found {found:?}"))
            })
            .collect();
        if missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() {
            Ok(())
        } else {
            Err(ModelError::Tensors { missing, unexpected, misshapen })
        }
    }

    /// Parameters by the spec.
    pub fn param_counts(&self) -> ParamCounts {
        self.spec.param_counts()
    }

    /// Non-embedding parameters that are not zero.
    pub fn non_zero(&self) -> usize {
        self.tensors
            .iter()
            .filter(|(name, _)| !names::is_embedding(name))
            .map(|(_, tensor)| tensor.data().iter().filter(|x| **x != 0.0).count())
            .sum()
    }
}
