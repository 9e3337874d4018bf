//! Minitron's width importances: how strongly a part fires (Muralidharan et al. 2024,
//! [arXiv:2407.14679](https://arxiv.org/abs/2407.14679), section 2.2).

use serde::{Deserialize, Serialize};

use super::{Evidence, Method, Needs, Rule};
use crate::{Axis, LayerStatistics, PruneError, Statistics, StructureKind};

/// Removes FFN channels and key/value groups of low activation, all ranked on the dense model.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Minitron;

static METHOD: Method = Method {
    name: "minitron",
    version: 1,
    structures: &[StructureKind::Parts(Axis::Ffn), StructureKind::Parts(Axis::KvGroups)],
    needs: Needs::Statistics,
    rates_by: "L2 norm over sequences of mean activation",
    paper: "Minitron, arXiv:2407.14679, sec. 2.2",
    options: "",
};

impl Rule for Minitron {
    fn method(&self) -> &'static Method {
        &METHOD
    }

    fn parts(&self, axis: Axis, evidence: Evidence<'_>) -> Result<Vec<Vec<f64>>, PruneError> {
        match axis {
            Axis::Ffn => ffn_importance(evidence.statistics()?),
            Axis::KvGroups => kv_group_importance(evidence.statistics()?),
            Axis::Layers => Err(super::unrated(&METHOD, StructureKind::Parts(axis))),
        }
    }
}

/// Rates each FFN channel by `sqrt(sum over sequences of A^2)`, `A` the mean over tokens of `|x|` and
/// `x` the channel's input to the down projection. One list per layer; lists of different layers do not
/// compare.
///
/// # Errors
///
/// [`PruneError::NoSequences`] if nothing was observed.
pub fn ffn_importance(statistics: &Statistics) -> Result<Vec<Vec<f64>>, PruneError> {
    let rate = |layer: &LayerStatistics| layer.ffn_square_sums.iter().map(|x| x.sqrt()).collect();
    Ok(statistics.measured()?.iter().map(rate).collect())
}

/// Rates each query head by `sqrt(sum over sequences of A^2)`, `A` the mean over tokens of the L2 norm
/// of the head's `d_head` inputs to the output projection. One list per layer.
///
/// DIFFERENCE: the norm is taken a token, as in the paper's formula. NVIDIA's Model-Optimizer first
/// averages `|x|` of each channel over tokens, then takes the norm over channels of the summed squares.
///
/// # Errors
///
/// [`PruneError::NoSequences`] if nothing was observed.
pub fn head_importance(statistics: &Statistics) -> Result<Vec<Vec<f64>>, PruneError> {
    let rate = |layer: &LayerStatistics| layer.head_square_sums.iter().map(|x| x.sqrt()).collect();
    Ok(statistics.measured()?.iter().map(rate).collect())
}

/// Rates each key/value group by the L2 norm of its query heads' importances. One list per layer.
///
/// DIFFERENCE: the paper ranks query heads and keeps every group; how to add heads up to a group is
/// ours. The L2 norm makes a group of one head count as that head does.
///
/// # Errors
///
/// [`PruneError::NoSequences`] if nothing was observed.
pub fn kv_group_importance(statistics: &Statistics) -> Result<Vec<Vec<f64>>, PruneError> {
    let layers = statistics.measured()?.iter().zip(&statistics.spec().layers);
    Ok(layers
        .map(|(layer, shape)| {
            let heads_per_group = shape.n_heads() / shape.n_kv_heads();
            let groups = layer.head_square_sums.chunks_exact(heads_per_group);
            groups.map(|heads| heads.iter().sum::<f64>().sqrt()).collect()
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use pycno_model::{Part, TensorId};

    use super::*;
    use crate::fixture::{self, Shape};

    fn statistics(ffn: &[f64], heads: &[f64]) -> Statistics {
        let spec = Shape { layers: vec![[2, 2, 3]], ..Shape::default() }.spec();
        let json = serde_json::json!({
            "format": crate::statistics::VERSION, "provenance": fixture::provenance(), "spec": spec,
            "sequences": 2, "tokens": 4,
            "layers": [{
                "cosine_sum": 0.0, "cosine_tokens": 4, "skipped_tokens": 0,
                "ffn_square_sums": ffn, "head_square_sums": heads,
            }],
        });
        Statistics::from_json(&json.to_string(), &fixture::provenance()).unwrap()
    }

    #[test]
    fn channels_and_heads_are_rated_by_the_root_of_their_sums() {
        let statistics = statistics(&[4.0, 0.0, 2.25], &[9.0, 16.0, 0.0, 1.0]);
        assert_eq!(ffn_importance(&statistics).unwrap(), [[2.0, 0.0, 1.5]]);
        assert_eq!(head_importance(&statistics).unwrap(), [[3.0, 4.0, 0.0, 1.0]]);
    }

    #[test]
    fn a_group_is_rated_by_the_norm_of_the_heads_it_serves() {
        // Heads 0 and 1 belong to group 0.
        let statistics = statistics(&[0.0; 3], &[9.0, 16.0, 0.0, 1.0]);
        assert_eq!(kv_group_importance(&statistics).unwrap(), [[5.0, 1.0]]);
    }

    #[test]
    fn a_dead_channel_and_a_dead_group_rate_zero() {
        let checkpoint = {
            let mut checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
            // Channel 4 of 7, rows of 10; group 1 of 2, rows 4..8 of 10 entries.
            let up = |i, x| if i / 10 == 4 { 0.0 } else { x };
            fixture::edit(&mut checkpoint, TensorId::weight(1, Part::Up), up);
            let value = |i, x| if i / 40 == 1 { 0.0 } else { x };
            fixture::edit(&mut checkpoint, TensorId::weight(2, Part::V), value);
            checkpoint
        };
        let statistics = fixture::statistics(&checkpoint, &fixture::sequences(3, 6, 11), 3);
        let zeros = |rated: Vec<Vec<f64>>| -> Vec<(usize, usize)> {
            let layers = rated.iter().enumerate();
            let places =
                layers.flat_map(|(l, x)| x.iter().enumerate().map(move |(i, x)| (l, i, *x)));
            places.filter(|(_, _, x)| *x == 0.0).map(|(l, i, _)| (l, i)).collect()
        };
        assert_eq!(zeros(ffn_importance(&statistics).unwrap()), [(1, 4)]);
        assert_eq!(zeros(kv_group_importance(&statistics).unwrap()), [(2, 1)]);
    }
}
