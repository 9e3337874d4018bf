//! The one entry: from a checkpoint and a config to a student, its plan and its masks.

use std::{borrow::Cow, error::Error};

use pycno_model::{Checkpoint, HostTensor, Masks, TensorId};
use rayon::prelude::*;

use crate::{
    Importance, Needs, PlanStep, PruneConfig, PruneError, PrunePlan, Statistics, Structure,
    criterion::Evidence,
    document,
    fingerprint::{by_name, fingerprint},
    slice, weights,
};

/// What a criterion may ask of the world; whoever prunes says how it is measured, and on what.
pub trait Calibration {
    /// Sums of activations of the model that is pruned; asked for once, by criteria that need them.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from measuring; [`prune()`] gives it back as the source of [`PruneError::Calibration`].
    fn statistics(&mut self) -> Result<Statistics, Box<dyn Error + Send + Sync>>;
}

/// A pruned model and how it came about.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// The student. Where single weights went they are zero, and its masks say so.
    pub student: Checkpoint,
    /// What was decided and by what.
    pub plan: PrunePlan,
}

/// No calibration, for criteria that look at weights alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncalibrated;

impl Calibration for Uncalibrated {
    /// Refuses: nothing was measured.
    fn statistics(&mut self) -> Result<Statistics, Box<dyn Error + Send + Sync>> {
        Err(Box::new(PruneError::NoSequences))
    }
}

/// A calibration that has been measured already.
impl Calibration for Statistics {
    fn statistics(&mut self) -> Result<Statistics, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}

/// Prunes a checkpoint.
///
/// # Errors
///
/// [`PruneError::Model`] if tensors and spec of the checkpoint disagree, [`PruneError::Calibration`] if measuring
/// failed, [`PruneError::OtherSource`] for statistics of a model of another shape, [`PruneError::Keep`] if the config
/// keeps nothing or more than there is, [`PruneError::NotFiniteWeight`], [`PruneError::Group`], and those of the
/// criterion.
pub fn prune(
    checkpoint: &Checkpoint,
    config: &PruneConfig,
    calibration: &mut dyn Calibration,
) -> Result<Pruned, PruneError> {
    checkpoint.check()?;
    expect_finite(checkpoint)?;
    let statistics = match config.needs() {
        Needs::Nothing => None,
        Needs::Statistics => {
            let failed = |source| PruneError::Calibration { source };
            Some(calibration.statistics().map_err(failed)?)
        }
    };
    decide(config, Evidence { checkpoint, statistics: statistics.as_ref() })
}

/// Prunes a checkpoint as a plan says that was made before: of this model, or of another of the same shape.
///
/// # Errors
///
/// [`PruneError::MasksElsewhere`] for a plan by which single weights left, and those of [`slice()`].
pub fn replay(checkpoint: &Checkpoint, plan: PrunePlan) -> Result<Pruned, PruneError> {
    plan.expect_parts_alone()?;
    expect_finite(checkpoint)?;
    Ok(Pruned { student: slice(checkpoint, &plan)?, plan })
}

/// Refuses a weight that is no number: it would travel into the student.
fn expect_finite(checkpoint: &Checkpoint) -> Result<(), PruneError> {
    let lost = |block: Cow<'_, [f32]>| block.iter().copied().find(|w| !w.is_finite());
    let first = |(id, tensor): (&TensorId, &HostTensor)| {
        let value = tensor.blocks().find_map(lost)?;
        Some(PruneError::NotFiniteWeight { tensor: id.to_string(), value })
    };
    checkpoint.tensors.par_iter().find_map_first(first).map_or(Ok(()), Err)
}

fn decide(config: &PruneConfig, evidence: Evidence<'_>) -> Result<Pruned, PruneError> {
    let checkpoint = evidence.checkpoint;
    if let Some(statistics) = evidence.statistics {
        statistics.expect_spec(&checkpoint.spec)?;
    }
    let source = match evidence.statistics {
        Some(statistics) => statistics.provenance().checkpoint.clone(),
        None => fingerprint(checkpoint),
    };
    let criterion = config.criterion();
    let rule = criterion.rule();
    let mut step = PlanStep {
        config: config.clone(),
        source: source.clone(),
        statistics: evidence.statistics.map(Statistics::hash),
        importance: Importance::default(),
        masks: None,
    };
    let masks = match config.structure() {
        Structure::Weights(sparsity) => {
            weights::by_share(checkpoint, rule, *sparsity, config.allocation())?
        }
        Structure::Pattern(pattern) => weights::by_pattern(checkpoint, rule, *pattern)?,
        Structure::Parts(amounts) => {
            for axis in amounts.keys() {
                step.importance.0.insert(*axis, rule.parts(*axis, evidence)?);
            }
            let mut plan =
                PrunePlan::by_importance(&checkpoint.spec, source, amounts, &step.importance)?;
            plan.steps.push(step);
            return Ok(Pruned { student: slice(checkpoint, &plan)?, plan });
        }
    };
    step.masks = Some(document::hash(&by_name(&masks)));
    let mut plan = PrunePlan::keep_all(&checkpoint.spec, source);
    plan.steps.push(step);
    Ok(Pruned { student: masked(checkpoint, masks), plan })
}

/// The checkpoint without the weights that the masks remove; they replace those it had.
fn masked(checkpoint: &Checkpoint, masks: Masks) -> Checkpoint {
    let mut student = checkpoint.clone();
    for (id, mask) in &masks {
        if let Some(tensor) = student.tensors.get_mut(id) {
            *tensor = mask.apply(tensor);
        }
    }
    student.masks = masks;
    student
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pycno_model::{Mask, ModelSpec, Part, TensorId, TensorInfo};

    use super::*;
    use crate::{
        Allocation, Amount, Axis, Criterion, Magnitude, Minitron, Random, Sparsity,
        fixture::{self, Shape},
        mask,
    };

    fn config(toml: &str) -> PruneConfig {
        toml::from_str(toml).unwrap()
    }

    /// A small model and its statistics.
    fn measured(spec: &ModelSpec) -> (Checkpoint, Statistics) {
        let checkpoint = fixture::checkpoint(spec, 5);
        let statistics = fixture::statistics(&checkpoint, &fixture::sequences(4, 6, 11), 4);
        (checkpoint, statistics)
    }

    /// Options that change which matrices there are and what they do.
    fn shapes() -> [Shape; 4] {
        [
            Shape::default(),
            Shape { attention_bias: true, mlp_bias: true, tied: true, ..Shape::default() },
            Shape { gemma: true, window: Some(3), ..Shape::default() },
            Shape { layers: vec![[3, 1, 9], [2, 2, 4], [1, 3, 6]], ..Shape::default() },
        ]
    }

    #[test]
    fn every_criterion_on_parts_gives_a_plan_whose_mask_and_slice_agree() {
        let cases = [
            ("criterion = 'block-influence'\nstructure = 'layers'\nkeep = 2", [2, 2, 7]),
            ("criterion = 'minitron'\nstructure = 'ffn'\nkeep = 4", [3, 2, 4]),
            ("criterion = 'minitron'\nstructure = 'ffn'\nsparsity = 0.34", [3, 2, 5]),
            ("criterion = 'minitron'\nstructure = 'kv-groups'\nkeep = 1", [3, 1, 7]),
            ("criterion = 'minitron'\nstructure = { ffn = 5, kv_groups = 1 }", [3, 1, 5]),
            ("criterion = 'random'\nstructure = { layers = 2, ffn = 5, kv_groups = 1 }", [2, 1, 5]),
        ];
        let sequences = fixture::sequences(2, 6, 3);
        for shape in &shapes()[..3] {
            let (checkpoint, mut statistics) = measured(&shape.spec());
            for (toml, [n_layers, n_kv_heads, d_ffn]) in cases {
                let config = config(toml);
                let Pruned { student, plan } =
                    prune(&checkpoint, &config, &mut statistics).unwrap();
                assert_eq!(plan.steps[0].config, config);
                let needs = config.needs() == Needs::Statistics;
                assert_eq!(plan.steps[0].statistics, needs.then(|| statistics.hash()));
                assert_eq!(student.spec, config.spec_after(&checkpoint.spec).unwrap());
                assert_eq!(student.spec.layers.len(), n_layers);
                assert!(student.spec.layers.iter().all(|layer| layer.n_kv_heads() == n_kv_heads
                    && layer.n_heads() == 2 * n_kv_heads
                    && layer.d_ffn() == d_ffn));
                let sliced = fixture::logits(&student, &sequences);
                let masked = fixture::logits(&mask(&checkpoint, &plan).unwrap(), &sequences);
                assert!(fixture::relative_error(&sliced, &masked) < 1e-5, "{toml}");
            }
        }
    }

    #[test]
    fn a_plan_replayed_gives_the_student_again_and_never_single_weights() {
        let (checkpoint, mut statistics) = measured(&Shape::default().spec());
        let ffn = config("criterion = 'minitron'\nstructure = { ffn = 3, kv_groups = 1 }");
        let Pruned { student, plan } = prune(&checkpoint, &ffn, &mut statistics).unwrap();
        let again = replay(&checkpoint, plan.clone()).unwrap();
        assert_eq!(again.student.tensors, student.tensors);
        assert_eq!(again.plan, plan);
        let other = fixture::checkpoint(&Shape::default().spec(), 6);
        assert_eq!(replay(&other, plan).unwrap().student.spec, student.spec);

        let sparse = prune(&checkpoint, &weights(MAGNITUDE, 0.3), &mut Uncalibrated).unwrap();
        let error = replay(&checkpoint, sparse.plan).unwrap_err();
        assert!(matches!(error, PruneError::MasksElsewhere), "{error}");
    }

    #[test]
    fn the_least_important_parts_go() {
        let (checkpoint, mut statistics) = measured(&Shape::default().spec());
        let config = config("criterion = 'minitron'\nstructure = { ffn = 3, kv_groups = 1 }");
        let plan = prune(&checkpoint, &config, &mut statistics).unwrap().plan;
        let rated = &plan.steps[0].importance;
        for layer in &plan.layers {
            for axis in [Axis::Ffn, Axis::KvGroups] {
                let importance = &rated.of(axis)[layer.layer_idx];
                let parts = 0..importance.len();
                let (stay, go): (Vec<_>, Vec<_>) =
                    parts.partition(|i| layer.kept[&axis].contains(i));
                assert!(stay.iter().all(|s| go.iter().all(|g| importance[*s] > importance[*g])));
            }
        }
    }

    #[test]
    fn statistics_of_another_shape_or_of_nothing_are_refused() {
        let (checkpoint, _) = measured(&Shape::default().spec());
        let (_, mut other) = measured(&Shape { d_model: 12, ..Shape::default() }.spec());
        let config = config("criterion = 'minitron'\nstructure = 'ffn'\nkeep = 4");
        let error = prune(&checkpoint, &config, &mut other).unwrap_err();
        assert!(matches!(error, PruneError::OtherSource { what: "model shape", .. }));
        let error = prune(&checkpoint, &config, &mut Uncalibrated).unwrap_err();
        assert!(matches!(error, PruneError::Calibration { .. }), "{error}");
    }

    fn weights(criterion: Criterion, sparsity: f64) -> PruneConfig {
        let structure = Structure::Weights(Sparsity::new(sparsity).unwrap());
        PruneConfig::new(criterion, structure).unwrap()
    }

    const MAGNITUDE: Criterion = Criterion::Magnitude(Magnitude);
    const RANDOM: Criterion = Criterion::Random(Random::DEFAULT);

    fn pruned(checkpoint: &Checkpoint, config: &PruneConfig) -> Checkpoint {
        prune(checkpoint, config, &mut Uncalibrated).unwrap().student
    }

    fn matrices(checkpoint: &Checkpoint) -> Vec<TensorId> {
        let ids = checkpoint.tensors.keys().copied();
        ids.filter(|id| id.info().is_some_and(TensorInfo::is_prunable)).collect()
    }

    #[test]
    fn a_share_of_every_matrix_goes_and_nothing_else_changes() {
        for (shape, criterion) in shapes().iter().flat_map(|s| [(s, MAGNITUDE), (s, RANDOM)]) {
            let checkpoint = fixture::checkpoint(&shape.spec(), 5);
            let student = pruned(&checkpoint, &weights(criterion, 0.4));
            student.check().unwrap();
            assert_eq!(student.masks.keys().copied().collect::<Vec<_>>(), matrices(&checkpoint));
            for (id, before) in &checkpoint.tensors {
                let after = &student.tensors[id];
                let mask = student.masks.get(id);
                assert_eq!(after, &mask.map_or_else(|| before.clone(), |m| m.apply(before)));
                let n = before.n_values();
                assert!(mask.is_none_or(|mask| n - mask.count() == n * 4 / 10), "{id}");
            }
        }
    }

    #[test]
    fn the_smallest_weights_go_by_matrix_or_of_all_together() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let by_matrix = pruned(&checkpoint, &weights(MAGNITUDE, 0.3));
        let global = weights(MAGNITUDE, 0.3).with_allocation(Allocation::Global).unwrap();
        let of_all = pruned(&checkpoint, &global);
        let sizes = |student: &Checkpoint, id: &TensorId| {
            let weights = checkpoint.tensors[id].values();
            let sorted = weights.iter().map(|w| w.abs()).zip(student.masks[id].kept());
            let (stay, go): (Vec<_>, Vec<_>) = sorted.partition(|(_, kept)| *kept);
            let least = stay.iter().map(|(w, _)| *w).fold(f32::INFINITY, f32::min);
            (least, go.iter().map(|(w, _)| *w).fold(0.0, f32::max), go.len())
        };
        let ids = matrices(&checkpoint);
        for id in &ids {
            let (least, most, _) = sizes(&by_matrix, id);
            assert!(least > most, "{id}");
        }
        let all: Vec<_> = ids.iter().map(|id| sizes(&of_all, id)).collect();
        let least = all.iter().map(|(least, ..)| *least).fold(f32::INFINITY, f32::min);
        let most = all.iter().map(|(_, most, _)| *most).fold(0.0, f32::max);
        assert!(least > most, "one threshold for all");
        let total: usize = ids.iter().map(|id| checkpoint.tensors[id].n_values()).sum();
        assert_eq!(all.iter().map(|(.., n)| n).sum::<usize>(), total * 3 / 10);
    }

    #[test]
    fn a_pattern_keeps_the_largest_of_every_run_of_inputs() {
        let spec = Shape { d_model: 12, layers: vec![[2, 2, 8]; 2], ..Shape::default() }.spec();
        let checkpoint = fixture::checkpoint(&spec, 5);
        let config = |pattern| config(&format!("criterion = 'magnitude'\nstructure = '{pattern}'"));
        let student = pruned(&checkpoint, &config("1:4"));
        for (id, mask) in &student.masks {
            let weights = checkpoint.tensors[id].values();
            let runs = weights
                .chunks(4)
                .zip(mask.kept().chunks(4).map(<[bool]>::to_vec).collect::<Vec<_>>());
            for (weights, kept) in runs {
                let largest = weights.iter().fold(0.0_f32, |a, w| a.max(w.abs()));
                let stays = weights.iter().zip(kept).filter(|(_, kept)| *kept);
                assert_eq!(stays.map(|(w, _)| w.abs()).collect::<Vec<_>>(), [largest], "{id}");
            }
        }
        let error = prune(&checkpoint, &config("2:5"), &mut Uncalibrated).unwrap_err();
        assert_eq!(error.to_string(), "groups of 5 must divide the inputs of the layer, got 12");
    }

    #[test]
    fn what_is_gone_stays_gone_and_counts() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let first = pruned(&checkpoint, &weights(MAGNITUDE, 0.3));
        let second = pruned(&first, &weights(RANDOM, 0.5));
        for (id, mask) in &second.masks {
            let before = first.masks[id].kept();
            assert!(mask.kept().iter().zip(&before).all(|(now, before)| *before || !now), "{id}");
            let n = before.len();
            assert_eq!(mask.count(), n - n / 2, "{id}");
        }
        let fewer = pruned(&first, &weights(MAGNITUDE, 0.1));
        assert_eq!(fewer.masks, first.masks, "asked for fewer than are gone");
    }

    #[test]
    fn masks_are_cut_with_their_matrices() {
        let (checkpoint, mut statistics) = measured(&Shape::default().spec());
        let sparse = pruned(&checkpoint, &weights(MAGNITUDE, 0.5));
        let amounts = [
            (Axis::Layers, Amount::Keep(2)),
            (Axis::KvGroups, Amount::Keep(1)),
            (Axis::Ffn, Amount::Keep(5)),
        ];
        let structure = Structure::Parts(amounts.into());
        let config = PruneConfig::new(RANDOM, structure).unwrap();
        let student = prune(&sparse, &config, &mut statistics).unwrap().student;
        student.check().unwrap();
        assert_eq!(student.masks.len(), matrices(&student).len());
        for (id, mask) in &student.masks {
            assert_eq!(mask.violation(&student.tensors[id]), None);
            let zeros = student.tensors[id].values().iter().filter(|w| **w == 0.0).count();
            assert_eq!(mask.kept().iter().filter(|kept| !**kept).count(), zeros, "{id}");
        }
    }

    #[test]
    fn chance_depends_on_its_seed_and_on_nothing_else() {
        let seeded = |seed| Criterion::Random(Random { seed: pycno_units::Seed(seed) });
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let masks = |criterion| pruned(&checkpoint, &weights(criterion, 0.5)).masks;
        assert_eq!(masks(seeded(1)), masks(seeded(1)));
        assert_ne!(masks(seeded(1)), masks(seeded(2)));
        let other = fixture::checkpoint(&Shape::default().spec(), 6);
        assert_eq!(masks(seeded(1)), pruned(&other, &weights(seeded(1), 0.5)).masks);
    }

    #[test]
    fn a_weight_without_a_rank_is_refused_by_tensor() {
        let layers = config("criterion = 'random'\nstructure = 'layers'\nkeep = 1");
        let (sound, plan) = (fixture::checkpoint(&Shape::default().spec(), 5), &layers);
        let plan = prune(&sound, plan, &mut Uncalibrated).unwrap().plan;
        let up = TensorId::weight(1, Part::Up);
        for (id, name) in [(up, "layers.1.up"), (TensorId::outside(Part::Embedding), "embedding")] {
            let mut checkpoint = sound.clone();
            fixture::edit(&mut checkpoint, id, |i, x| if i == 3 { f32::NAN } else { x });
            let found = [
                prune(&checkpoint, &weights(MAGNITUDE, 0.5), &mut Uncalibrated),
                prune(&checkpoint, &layers, &mut Uncalibrated),
                replay(&checkpoint, plan.clone()),
            ];
            for error in found.map(Result::unwrap_err) {
                let expected = format!("weights of {name}.weight must be finite, got NaN");
                assert_eq!(error.to_string(), expected);
            }
        }
    }

    #[test]
    fn the_step_names_its_masks_and_a_students_fingerprint_counts_them() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let half = prune(&checkpoint, &weights(MAGNITUDE, 0.5), &mut Uncalibrated).unwrap();
        let step = &half.plan.steps[0];
        assert_eq!((&step.importance, &step.statistics), (&Importance::default(), &None));
        assert!(step.masks.is_some());
        assert_eq!(step.source, fingerprint(&checkpoint));
        assert_eq!(half.plan.spec_after(&checkpoint.spec).unwrap(), checkpoint.spec);
        let unmasked = Checkpoint { masks: BTreeMap::new(), ..half.student.clone() };
        assert_ne!(fingerprint(&unmasked), fingerprint(&half.student));
        let mut broken = half.student;
        let id = TensorId::weight(0, Part::Q);
        broken.masks.insert(id, Mask::new([1, 2], &[true, true]));
        let error = broken.check().unwrap_err().to_string();
        assert!(error.contains("mask of layers.0.q.weight"), "{error}");
    }

    #[test]
    fn minitron_is_a_criterion_of_widths_alone() {
        let layers = Structure::Parts([(Axis::Layers, Amount::Keep(1))].into());
        assert!(PruneConfig::new(Criterion::Minitron(Minitron), layers).is_err());
    }
}
