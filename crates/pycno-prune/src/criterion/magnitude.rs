//! Magnitude: the smallest weights go (Han et al. 2015, [arXiv:1506.02626](https://arxiv.org/abs/1506.02626), section 3).

use pycno_model::{HostTensor, TensorId};
use serde::{Deserialize, Serialize};

use super::{Method, Needs, Rule};
use crate::{PruneError, StructureKind};

/// Rates a weight by `|w|`.
///
/// DIFFERENCE: the paper's threshold is the standard deviation of a layer times a factor set by hand; here the share
/// that goes is asked for, as in the baselines of SparseGPT and Wanda. Exactly that share goes: their threshold takes
/// every weight up to and with the one of that rank.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Magnitude;

static METHOD: Method = Method {
    name: "magnitude",
    version: 2,
    structures: &[StructureKind::Weights, StructureKind::Pattern],
    needs: Needs::Nothing,
    rates_by: "|w|",
    paper: "Han et al. 2015, arXiv:1506.02626",
    options: "",
};

impl Rule for Magnitude {
    fn method(&self) -> &'static Method {
        &METHOD
    }

    fn weights(&self, _: TensorId, weight: &HostTensor) -> Result<Vec<f32>, PruneError> {
        let mut weights = weight.values().into_owned();
        for w in &mut weights {
            *w = w.abs();
        }
        Ok(weights)
    }
}
