//! A checkpoint as a value: spec, named tensors on the host, the tokenizer's files.

use std::{collections::BTreeMap, sync::Arc};

use crate::{ModelError, ModelSpec, ParamCounts, TensorId};

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
    /// Weights; matrices are `[d_out, d_in]`.
    pub tensors: BTreeMap<TensorId, HostTensor>,
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
        let expected: BTreeMap<TensorId, Vec<usize>> = self.spec.shapes().collect();
        let lacks = |id: &&TensorId| !self.tensors.contains_key(*id);
        let missing: Vec<String> = expected.keys().filter(lacks).map(ToString::to_string).collect();
        let unknown = |id: &&TensorId| !expected.contains_key(*id);
        let unexpected: Vec<String> =
            self.tensors.keys().filter(unknown).map(ToString::to_string).collect();
        let misshapen: Vec<String> = expected
            .iter()
            .filter_map(|(id, shape)| {
                let found = self.tensors.get(id)?.shape();
                (found != shape).then(|| format!("{id}: expected {shape:?}, found {found:?}"))
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
            .filter(|(id, _)| !id.part.is_embedding())
            .map(|(_, tensor)| tensor.data().iter().filter(|x| **x != 0.0).count())
            .sum()
    }
}
