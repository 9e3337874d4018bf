//! Chance as a criterion: what a ranking is worth shows beside one that ranks by nothing.

use pycno_model::{HostTensor, TensorId};
use pycno_units::Seed;
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use serde::{Deserialize, Serialize};

use super::{Evidence, Method, Needs, Rule};
use crate::{Axis, PruneError, StructureKind};

/// Rates every part and weight by a number drawn uniformly from `[0, 1)`. Each tensor, and each place of an axis, has
/// a stream of its own, so that no choice depends on what else is pruned.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Of the draws; 0 if not given.
    #[serde(default = "Random::default_seed")]
    pub seed: Seed,
}

static METHOD: Method = Method {
    name: "random",
    version: 2,
    structures: &StructureKind::ALL,
    needs: Needs::Nothing,
    rates_by: "a number drawn from [0, 1)",
    paper: "the control of the others",
    options: "seed = 0",
};

impl Random {
    /// Seed 0.
    pub const DEFAULT: Self = Self { seed: Self::default_seed() };

    const fn default_seed() -> Seed {
        Seed(0)
    }

    fn stream(self, name: &str) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.seed.split("prune").split(name).0)
    }
}

impl Rule for Random {
    fn method(&self) -> &'static Method {
        &METHOD
    }

    fn parts(&self, axis: Axis, evidence: Evidence<'_>) -> Result<Vec<Vec<f64>>, PruneError> {
        let places = axis.available(&evidence.checkpoint.spec).into_iter().enumerate();
        let drawn = |(place, n): (usize, usize)| {
            let mut stream = self.stream(&format!("{} {place}", axis.name()));
            (0..n).map(|_| stream.random()).collect()
        };
        Ok(places.map(drawn).collect())
    }

    fn weights(&self, id: TensorId, weight: &HostTensor) -> Result<Vec<f32>, PruneError> {
        let stream = self.stream(&id.to_string());
        Ok(stream.random_iter().take(weight.n_values()).collect())
    }
}
