//! Block Influence: how far a block turns the residual stream (`ShortGPT`, Men et al. 2024,
//! [arXiv:2403.03853](https://arxiv.org/abs/2403.03853), eq. 1).

use serde::{Deserialize, Serialize};

use super::{Evidence, Method, Needs, Rule};
use crate::{Axis, PruneError, Statistics, StructureKind};

/// Removes the blocks of least [`block_influence`], all at once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BlockInfluence;

static METHOD: Method = Method {
    name: "block-influence",
    version: 1,
    structures: &[StructureKind::Parts(Axis::Layers)],
    needs: Needs::Statistics,
    rates_by: "1 - mean cosine of a block's input and output",
    paper: "ShortGPT, arXiv:2403.03853, eq. 1",
    options: "",
};

impl Rule for BlockInfluence {
    fn method(&self) -> &'static Method {
        &METHOD
    }

    fn parts(&self, axis: Axis, evidence: Evidence<'_>) -> Result<Vec<Vec<f64>>, PruneError> {
        match axis {
            Axis::Layers => Ok(vec![block_influence(evidence.statistics()?)?]),
            Axis::KvGroups | Axis::Ffn => Err(super::unrated(&METHOD, StructureKind::Parts(axis))),
        }
    }
}

/// Rates each block by `1 - mean over tokens of cos(h_l, h_{l+1})`, with `h_l` its input and `h_{l+1}`
/// its output; layers count from 0.
///
/// DIFFERENCE: a token whose input or output is the zero vector has no cosine; it is skipped and
/// counted, where the authors' code replaces the `NaN` by 0.5.
///
/// # Errors
///
/// [`PruneError::NoSequences`], or [`PruneError::NoCosine`] if a layer saw zero vectors only.
pub fn block_influence(statistics: &Statistics) -> Result<Vec<f64>, PruneError> {
    let layers = statistics.measured()?.iter().enumerate();
    layers
        .map(|(layer_idx, layer)| match layer.cosine_tokens {
            0 => Err(PruneError::NoCosine { layer_idx, skipped: layer.skipped_tokens }),
            tokens => Ok(1.0 - layer.cosine_sum / tokens as f64),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Amount, Criterion, PruneConfig, Structure,
        fixture::{self, Shape},
        prune,
    };

    #[test]
    fn influence_is_one_minus_the_mean_cosine() {
        let spec = Shape { layers: vec![[1, 1, 1]; 2], ..Shape::default() }.spec();
        let layer = |cosine_sum, cosine_tokens| {
            serde_json::json!({
                "cosine_sum": cosine_sum, "cosine_tokens": cosine_tokens,
                "skipped_tokens": 4 - cosine_tokens,
                "ffn_square_sums": [0.0], "head_square_sums": [0.0],
            })
        };
        let read = |layers: [serde_json::Value; 2]| {
            let json = serde_json::json!({
                "format": crate::statistics::VERSION, "provenance": fixture::provenance(), "spec": spec,
                "sequences": 1, "tokens": 4, "layers": layers,
            });
            Statistics::from_json(&json.to_string(), &fixture::provenance()).unwrap()
        };
        let rated = block_influence(&read([layer(3.0, 4), layer(-1.0, 2)])).unwrap();
        assert_eq!(rated, [0.25, 1.5]);
        let error = block_influence(&read([layer(3.0, 4), layer(0.0, 0)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "layer 1 must have a token with non-zero vectors, got 4 zero ones"
        );
    }

    #[test]
    fn nothing_observed_is_no_ranking() {
        let statistics = Statistics::new(&Shape::default().spec(), fixture::provenance());
        let error = block_influence(&statistics).unwrap_err();
        assert_eq!(error.to_string(), "statistics must cover at least one sequence, got none");
    }

    #[test]
    fn a_null_block_has_influence_zero_is_the_one_removed_and_is_not_missed() {
        let spec = Shape { layers: vec![[2, 2, 7]; 4], ..Shape::default() }.spec();
        let sequences = fixture::sequences(3, 6, 11);
        for null in 0..4 {
            let mut checkpoint = fixture::checkpoint(&spec, 5);
            fixture::nullify(&mut checkpoint, null);
            let mut statistics = fixture::statistics(&checkpoint, &sequences, 3);
            let rated = block_influence(&statistics).unwrap();
            assert!(rated.iter().enumerate().all(|(i, x)| (*x == 0.0) == (i == null)), "{rated:?}");

            let structure = Structure::Parts([(Axis::Layers, Amount::Keep(3))].into());
            let config = PruneConfig::new(Criterion::BlockInfluence(BlockInfluence), structure);
            let pruned = prune(&checkpoint, &config.unwrap(), &mut statistics).unwrap();
            let kept: Vec<usize> = pruned.plan.layers.iter().map(|layer| layer.layer_idx).collect();
            assert_eq!(kept, (0..4).filter(|i| *i != null).collect::<Vec<_>>());
            assert_eq!(
                fixture::logits(&pruned.student, &sequences),
                fixture::logits(&checkpoint, &sequences)
            );
        }
    }
}
