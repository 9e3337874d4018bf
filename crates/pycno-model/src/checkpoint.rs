//! A checkpoint as a value: spec, named tensors, the tokenizer's files.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::{HostTensor, Mask, Masks, ModelError, ModelSpec, ParamCounts, TensorId, TensorInfo};

/// A model at rest.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Shape of the model.
    pub spec: ModelSpec,
    /// Weights; matrices are `[d_out, d_in]`.
    pub tensors: BTreeMap<TensorId, HostTensor>,
    /// Which single weights an unstructured pruning removed; those are 0.
    pub masks: Masks,
    /// Files that travel unchanged: `tokenizer.json`, `tokenizer_config.json`, ...
    pub files: BTreeMap<String, Vec<u8>>,
    /// `config.json` as read, or as built from GGUF metadata; the writer edits what surgery changes.
    pub config: serde_json::Map<String, serde_json::Value>,
}

impl Checkpoint {
    /// A model of these weights, with nothing removed and no files.
    pub fn new(spec: ModelSpec, tensors: BTreeMap<TensorId, HostTensor>) -> Self {
        let (masks, files, config) = (Masks::new(), BTreeMap::new(), serde_json::Map::new());
        Self { spec, tensors, masks, files, config }
    }

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
            .chain(self.masks.iter().filter_map(|(id, mask)| self.mismatch(*id, mask)))
            .collect();
        if missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() {
            Ok(())
        } else {
            Err(ModelError::Tensors { missing, unexpected, misshapen })
        }
    }

    /// What is wrong with a mask: its matrix may not have one, has another shape, or a weight that should be 0.
    fn mismatch(&self, id: TensorId, mask: &Mask) -> Option<String> {
        let prunable = id.info().is_some_and(TensorInfo::is_prunable);
        let found = self.tensors.get(&id).filter(|_| prunable);
        let Some(matrix) = found.filter(|matrix| matrix.shape() == mask.shape()) else {
            let expected = found.map(HostTensor::shape);
            let found = mask.shape();
            return Some(format!("mask of {id}: expected one for {expected:?}, found {found:?}"));
        };
        let (_, weight) = mask.violation(matrix)?;
        Some(format!("mask of {id}: expected 0 where it removes a weight, found {weight}"))
    }

    /// Parameters by the spec.
    pub fn param_counts(&self) -> ParamCounts {
        self.spec.param_counts()
    }

    /// How many weights the masks hold at zero.
    pub fn removed_weights(&self) -> usize {
        let removed = |mask: &Mask| mask.shape().iter().product::<usize>() - mask.count();
        self.masks.values().map(removed).sum()
    }

    /// Non-embedding parameters that are not zero.
    pub fn non_zero(&self) -> usize {
        self.tensors
            .iter()
            .filter(|(id, _)| !id.part.is_embedding())
            .flat_map(|(_, tensor)| tensor.blocks())
            .map(|block| block.par_iter().filter(|x| **x != 0.0).count())
            .sum()
    }
}
