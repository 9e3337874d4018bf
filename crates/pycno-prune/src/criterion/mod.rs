//! Who says which parts or weights go: one file per criterion, all of them behind `Rule`.
//!
//! To add one: a file with a struct of its options, its version, paper and `Rule`; then a variant of [`Criterion`].

mod block_influence;
mod magnitude;
mod minitron;
mod random;
pub(crate) mod written;

use std::fmt;

use pycno_model::{Checkpoint, HostTensor, TensorId};
use serde::{Deserialize, Serialize};

pub use self::{
    block_influence::{BlockInfluence, block_influence},
    magnitude::Magnitude,
    minitron::{Minitron, ffn_importance, head_importance, kv_group_importance},
    random::Random,
};
use crate::{Axis, PruneError, Statistics, StructureKind};

/// A criterion with its options, by name in kebab case.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Criterion {
    /// Block Influence (`ShortGPT`).
    BlockInfluence(BlockInfluence),
    /// The magnitude of a weight.
    Magnitude(Magnitude),
    /// Activations of FFN channels and heads (Minitron).
    Minitron(Minitron),
    /// Chance: the control of every other one.
    Random(Random),
}

/// What is known of a criterion without running it: a row of `pycno methods`.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The name in configs.
    pub name: &'static str,
    /// Raised whenever the criterion chooses otherwise, so that earlier students are not taken for its own.
    pub version: u32,
    /// What it can rate.
    pub structures: &'static [StructureKind],
    /// What has to be measured.
    pub needs: Needs,
    /// Its importance in few words.
    pub rates_by: &'static str,
    /// Where it comes from.
    pub paper: &'static str,
    /// Its options with their defaults; empty if there are none.
    pub options: &'static str,
}

/// What a criterion must be told about the model beyond its weights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// [`Statistics`] of activations on calibration text.
    Statistics,
}

/// A criterion at work. What it does not rate it refuses; a config never asks for that.
pub(crate) trait Rule {
    /// What is known of it.
    fn method(&self) -> &'static Method;

    /// The importance of every part along an axis, a list per place where they compare.
    fn parts(&self, axis: Axis, _: Evidence<'_>) -> Result<Vec<Vec<f64>>, PruneError> {
        Err(unrated(self.method(), StructureKind::Parts(axis)))
    }

    /// The importance of every weight of a matrix, row-major, not negative.
    fn weights(&self, _: TensorId, _: &HostTensor) -> Result<Vec<f32>, PruneError> {
        Err(unrated(self.method(), StructureKind::Weights))
    }
}

/// What a rule looks at.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    /// The model to prune.
    pub(crate) checkpoint: &'a Checkpoint,
    /// What was measured of it, for criteria that need it.
    pub(crate) statistics: Option<&'a Statistics>,
}

impl Evidence<'_> {
    pub(crate) fn statistics(&self) -> Result<&Statistics, PruneError> {
        self.statistics.ok_or(PruneError::NoSequences)
    }
}

impl Criterion {
    /// All of them with their defaults, by name.
    pub const ALL: [Self; 4] = [
        Self::BlockInfluence(BlockInfluence),
        Self::Magnitude(Magnitude),
        Self::Minitron(Minitron),
        Self::Random(Random::DEFAULT),
    ];

    /// What is known of it.
    pub fn method(&self) -> &'static Method {
        self.rule().method()
    }

    pub(crate) const fn rule(&self) -> &(dyn Rule + Sync) {
        match self {
            Self::BlockInfluence(rule) => rule,
            Self::Magnitude(rule) => rule,
            Self::Minitron(rule) => rule,
            Self::Random(rule) => rule,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(Random { seed }) => write!(f, "random, seed {}", seed.0),
            Self::BlockInfluence(_) | Self::Magnitude(_) | Self::Minitron(_) => {
                f.write_str(self.method().name)
            }
        }
    }
}

/// Refuses a structure that a criterion does not rate, with those that it does.
pub(crate) fn unrated(method: &Method, kind: StructureKind) -> PruneError {
    PruneError::Combination {
        criterion: method.name,
        word: "structure",
        found: kind.name().to_owned(),
        known: method.structures.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
    }
}
