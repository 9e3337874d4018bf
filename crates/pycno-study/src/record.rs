//! The record of a study, put together from what its stages left.

use std::collections::BTreeMap;

use pycno_density::{ScoreLaw, SizePoint};
use pycno_eval::TaskOutcome;
use pycno_model::{Checkpoint, hf::SaveDtype};
use pycno_record::{
    FORMAT, ModelRecord, ModelSizes, Record, RulerCurve, RulerUse, StudyHead, TaskScore, Weighing,
};
use pycno_units::{Bytes, ParamCount};

use crate::{
    DeviceName, StudyError,
    model::Model,
    provenance::provenance,
    resolve::Study,
    scores::task_scores,
    texts::Texts,
    weigh::{Scored, weigh},
};

/// Points at which a ruler's law is tabulated for plots.
const CURVE_POINTS: usize = 60;

/// Weighs the models and writes down everything.
pub(crate) fn record(
    study: &Study,
    texts: &Texts,
    models: &[Model],
    outcomes: &[Vec<TaskOutcome>],
    (device, command): (DeviceName, &str),
) -> Result<Record, StudyError> {
    let sizes: Vec<ModelSizes> = models.iter().map(sizes).collect::<Result<_, _>>()?;
    let scored: Vec<Scored<'_>> = models
        .iter()
        .zip(&sizes)
        .zip(outcomes)
        .map(|((model, sizes), outcomes)| Scored {
            name: &model.name,
            params: sizes.non_embedding,
            outcomes,
        })
        .collect();
    let weighings = weigh(study, &scored)?;
    let parts = models.iter().zip(sizes).zip(outcomes).zip(weighings);
    let entries = parts.map(|(((model, sizes), outcomes), weighing)| {
        Ok(entry(model, sizes, task_scores(&model.name, outcomes)?, weighing))
    });
    let head = &study.config.study;
    Ok(Record {
        format: FORMAT,
        study: StudyHead {
            name: head.name.clone(),
            question: head.question.clone(),
            seed: head.seed,
        },
        provenance: provenance(study, device, command),
        data: texts.uses.clone(),
        ruler: ruler_use(study)?,
        models: entries.collect::<Result<_, StudyError>>()?,
    })
}

fn entry(
    model: &Model,
    sizes: ModelSizes,
    tasks: Vec<TaskScore>,
    weighing: Weighing,
) -> ModelRecord {
    ModelRecord {
        name: model.name.clone(),
        role: model.role,
        from: model.from.clone(),
        steps: model.steps.clone(),
        sizes,
        weights_hash: model.hash.clone(),
        tasks,
        training: model.training.clone(),
        weighing,
    }
}

fn sizes(model: &Model) -> Result<ModelSizes, StudyError> {
    let checkpoint = model.checkpoint()?;
    let counts = checkpoint.param_counts();
    Ok(ModelSizes {
        total: counts.total,
        non_embedding: counts.non_embedding,
        non_zero: ParamCount(checkpoint.non_zero() as f64),
        n_layers: checkpoint.spec.layers.len(),
        bytes: Bytes(stored(&checkpoint) * SaveDtype::of(&checkpoint).width()),
    })
}

fn stored(checkpoint: &Checkpoint) -> u64 {
    checkpoint.tensors.values().map(|tensor| tensor.n_values() as u64).sum()
}

/// The ruler with its curves: one per task, and `mean` for the headline.
fn ruler_use(study: &Study) -> Result<RulerUse, StudyError> {
    let names: Vec<&str> = study.config.ruler.tasks.iter().map(String::as_str).collect();
    let mut curves = BTreeMap::from([("mean".to_owned(), curve(study, &names)?)]);
    for name in names {
        curves.insert(name.to_owned(), curve(study, &[name])?);
    }
    let family = study.ruler.family();
    Ok(RulerUse {
        name: family.name.clone(),
        hash: study.ruler.hash().to_owned(),
        source: family.source.clone(),
        curves,
    })
}

fn curve(study: &Study, tasks: &[&str]) -> Result<RulerCurve, StudyError> {
    let fit = study.ruler.mean_law(tasks)?;
    let points = study.ruler.reference_points(tasks)?;
    let pair = |point: &SizePoint| (point.params, point.score);
    Ok(RulerCurve {
        points: points.iter().map(pair).collect(),
        law: sampled(&fit.law),
        floor: fit.law.floor(),
        ceiling: fit.law.ceiling(),
        residual: fit.card.score.residual_rms,
    })
}

/// The law from a tenth of the smallest to ten times the largest reference size.
fn sampled(law: &ScoreLaw) -> Vec<(ParamCount, pycno_units::Score)> {
    let (low, high) = (law.range().smallest.0 / 10.0, law.range().largest.0 * 10.0);
    let step = (high / low).ln() / (CURVE_POINTS - 1) as f64;
    let size = |i: usize| ParamCount(low * (step * i as f64).exp());
    (0..CURVE_POINTS).map(|i| (size(i), law.predict(size(i)))).collect()
}
