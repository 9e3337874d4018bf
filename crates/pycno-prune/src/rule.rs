//! From a config and statistics to a plan: each method is one arm, rating and choosing.

use pycno_model::ModelSpec;

use crate::{
    Importance, LayerPlan, PlanStep, PruneConfig, PruneError, PrunePlan, Statistics, Width,
    block_influence::block_influence,
    importance::most_important,
    minitron::{ffn_importance, kv_group_importance},
};

/// Decides what to keep of the model that was measured; runs no forward pass.
///
/// # Errors
///
/// [`PruneError::OtherSource`] for statistics of another shape, [`PruneError::Keep`] if the config keeps
/// nothing or more than there is, and those of the importances.
pub fn plan(
    config: &PruneConfig,
    statistics: &Statistics,
    spec: &ModelSpec,
) -> Result<PrunePlan, PruneError> {
    statistics.expect_spec(spec)?;
    let source = statistics.provenance().checkpoint.clone();
    let mut plan = PrunePlan::keep_all(spec, source.clone());
    let importance = choose(config, statistics, &mut plan.layers)?;
    let (config, statistics) = (config.clone(), statistics.hash());
    plan.steps.push(PlanStep { config, source, statistics, importance });
    Ok(plan)
}

fn choose(
    config: &PruneConfig,
    statistics: &Statistics,
    layers: &mut Vec<LayerPlan>,
) -> Result<Importance, PruneError> {
    let mut importance = Importance::default();
    match *config {
        PruneConfig::BlockInfluence { keep_layers } => {
            importance.blocks = block_influence(statistics)?;
            keep_blocks(layers, &importance.blocks, keep_layers)?;
        }
        PruneConfig::MinitronFfn { width } => {
            importance.ffn = ffn_importance(statistics)?;
            keep_ffn(layers, &importance.ffn, width)?;
        }
        PruneConfig::MinitronKvGroups { keep_groups } => {
            importance.kv_groups = kv_group_importance(statistics)?;
            keep_kv_groups(layers, &importance.kv_groups, keep_groups)?;
        }
        PruneConfig::MinitronWidth { width, keep_groups } => {
            importance.ffn = ffn_importance(statistics)?;
            importance.kv_groups = kv_group_importance(statistics)?;
            keep_ffn(layers, &importance.ffn, width)?;
            keep_kv_groups(layers, &importance.kv_groups, keep_groups)?;
        }
    }
    Ok(importance)
}

fn keep_blocks(
    layers: &mut Vec<LayerPlan>,
    importance: &[f64],
    keep: usize,
) -> Result<(), PruneError> {
    let kept = keep_of("keep_layers".to_owned(), importance, keep)?;
    layers.retain(|layer| kept.contains(&layer.layer_idx));
    Ok(())
}

fn keep_ffn(
    layers: &mut [LayerPlan],
    importance: &[Vec<f64>],
    width: Width,
) -> Result<(), PruneError> {
    for (layer, importance) in layers.iter_mut().zip(importance) {
        let field = format!("keep_ffn of layer {}", layer.layer_idx);
        layer.ffn = keep_of(field, importance, width.kept(importance.len()))?;
    }
    Ok(())
}

fn keep_kv_groups(
    layers: &mut [LayerPlan],
    importance: &[Vec<f64>],
    keep: usize,
) -> Result<(), PruneError> {
    for (layer, importance) in layers.iter_mut().zip(importance) {
        let field = format!("keep_groups of layer {}", layer.layer_idx);
        layer.kv_groups = keep_of(field, importance, keep)?;
    }
    Ok(())
}

fn keep_of(field: String, importance: &[f64], keep: usize) -> Result<Vec<usize>, PruneError> {
    let available = importance.len();
    if (1..=available).contains(&keep) {
        Ok(most_important(importance, keep))
    } else {
        Err(PruneError::Keep { field, available, keep })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Sparsity,
        fixture::{self, Shape},
        mask, slice,
    };

    fn measured(spec: &ModelSpec) -> (pycno_model::Checkpoint, Statistics) {
        let checkpoint = fixture::checkpoint(spec, 5);
        let statistics = fixture::statistics(&checkpoint, &fixture::sequences(4, 6, 11), 4);
        (checkpoint, statistics)
    }

    #[track_caller]
    fn check_refused(config: &PruneConfig, message: &str) {
        let spec = Shape::default().spec();
        let error = plan(config, &measured(&spec).1, &spec).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn keeping_nothing_or_too_much_is_refused_with_both_numbers() {
        let layers = |keep_layers| PruneConfig::BlockInfluence { keep_layers };
        check_refused(&layers(0), "keep_layers must lie in [1, 3], got 0");
        check_refused(&layers(9), "keep_layers must lie in [1, 3], got 9");
        check_refused(
            &PruneConfig::MinitronFfn { width: Width::Channels(8) },
            "keep_ffn of layer 0 must lie in [1, 7], got 8",
        );
        check_refused(
            &PruneConfig::MinitronKvGroups { keep_groups: 0 },
            "keep_groups of layer 0 must lie in [1, 2], got 0",
        );
    }

    #[test]
    fn every_method_gives_a_plan_whose_mask_and_slice_agree() {
        let spec = Shape::default().spec();
        let (checkpoint, statistics) = measured(&spec);
        let third = Width::Sparsity(Sparsity::new(0.34).unwrap());
        let cases = [
            (PruneConfig::BlockInfluence { keep_layers: 2 }, [2, 2, 7]),
            (PruneConfig::MinitronFfn { width: Width::Channels(4) }, [3, 2, 4]),
            (PruneConfig::MinitronFfn { width: third }, [3, 2, 5]),
            (PruneConfig::MinitronKvGroups { keep_groups: 1 }, [3, 1, 7]),
            (PruneConfig::MinitronWidth { width: third, keep_groups: 1 }, [3, 1, 5]),
        ];
        let sequences = fixture::sequences(2, 6, 3);
        for (config, [n_layers, n_kv_heads, d_ffn]) in cases {
            let plan = plan(&config, &statistics, &spec).unwrap();
            assert_eq!(plan.steps[0].config, config);
            assert_eq!(plan.steps[0].statistics, statistics.hash());
            assert_eq!(plan.source, "weights");
            let after = plan.spec_after(&spec).unwrap();
            assert_eq!(after.layers.len(), n_layers);
            assert!(after.layers.iter().all(|layer| layer.n_kv_heads() == n_kv_heads
                && layer.n_heads() == 2 * n_kv_heads
                && layer.d_ffn() == d_ffn));
            let sliced = fixture::logits(&slice(&checkpoint, &plan).unwrap(), &sequences);
            let masked = fixture::logits(&mask(&checkpoint, &plan).unwrap(), &sequences);
            assert!(fixture::relative_error(&sliced, &masked) < 1e-5);
        }
    }

    #[test]
    fn the_least_important_parts_go() {
        let spec = Shape::default().spec();
        let (_, statistics) = measured(&spec);
        let config = PruneConfig::MinitronWidth { width: Width::Channels(3), keep_groups: 1 };
        let plan = plan(&config, &statistics, &spec).unwrap();
        let rated = &plan.steps[0].importance;
        for layer in &plan.layers {
            let lists = [
                (&layer.ffn, &rated.ffn[layer.layer_idx]),
                (&layer.kv_groups, &rated.kv_groups[layer.layer_idx]),
            ];
            for (kept, importance) in lists {
                let parts = 0..importance.len();
                let (stay, go): (Vec<_>, Vec<_>) = parts.partition(|i| kept.contains(i));
                assert!(stay.iter().all(|s| go.iter().all(|g| importance[*s] > importance[*g])));
            }
        }
    }

    #[test]
    fn statistics_of_another_shape_are_refused() {
        let (_, statistics) = measured(&Shape::default().spec());
        let other = Shape { d_model: 12, ..Shape::default() }.spec();
        let error = plan(&PruneConfig::BlockInfluence { keep_layers: 1 }, &statistics, &other);
        assert!(matches!(error, Err(PruneError::OtherSource { what: "model shape", .. })));
    }
}
