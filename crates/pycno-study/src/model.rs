//! A model of the study: the teacher, or a student in its folder.

use std::path::PathBuf;

use burn::tensor::Device;
use pycno_model::{Checkpoint, ComputeDtype, Decoder, hf};
use pycno_record::{ModelRole, ModelStep, TrainingCurve};

use crate::StudyError;

/// A model with its history; its weights are read when they are needed.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) role: ModelRole,
    pub(crate) from: Option<String>,
    /// How it came to be, first step first.
    pub(crate) steps: Vec<ModelStep>,
    /// Fingerprint of the weights.
    pub(crate) hash: String,
    pub(crate) weights: Weights,
    pub(crate) training: Option<TrainingCurve>,
}

/// Where a model's weights are.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// In memory: the teacher, which most stages need.
    Held(Box<Checkpoint>),
    /// In a Hugging Face folder of the run.
    Folder(PathBuf),
}

impl Model {
    /// Whether its first weights were its own.
    pub(crate) fn is_from_scratch(&self) -> bool {
        ModelStep::begin_from_scratch(&self.steps)
    }

    /// The checkpoint; cloning a held one shares its tensors.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, StudyError> {
        match &self.weights {
            Weights::Held(checkpoint) => Ok(Checkpoint::clone(checkpoint)),
            Weights::Folder(folder) => Ok(hf::read(folder)?),
        }
    }

    /// The model on a device.
    pub(crate) fn decoder(
        &self,
        dtype: ComputeDtype,
        device: &Device,
    ) -> Result<Decoder, StudyError> {
        Ok(Decoder::computing_in(dtype, &self.checkpoint()?, device)?)
    }
}
