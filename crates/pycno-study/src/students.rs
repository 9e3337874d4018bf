//! Students: each made from the teacher or from an earlier student, by pruning, recovery or both.

use std::path::{Path, PathBuf};

use pycno_model::{
    Checkpoint,
    hf::{self, SaveDtype},
    initial,
};
use pycno_prune::{Needs, PLAN_FORMAT, Pruned, fingerprint};
use pycno_record::{ModelRole, ModelStep, atomic};

use crate::{
    StageKey, StageKind, StudyError,
    config::{FromScratchConfig, StudentConfig},
    model::{Model, Weights},
    pruning::Pruning,
    resolve::Study,
    stage::Stage,
    statistics::{self, StageCalibration},
    store::Claim,
    texts::Texts,
    training::trained,
};

/// Folder of the weights in a student's stage.
pub(crate) const MODEL: &str = "model";

/// Makes one student; `models` holds the teacher and all earlier students.
pub(crate) fn make(
    stage: &mut Stage<'_>,
    study: &Study,
    texts: &Texts,
    student: &StudentConfig,
    models: &[Model],
) -> Result<Model, StudyError> {
    let parent = match &student.from_scratch {
        Some(shape) => from_scratch(study, shape, models)?,
        None => parent(student, models).clone(),
    };
    let mut made = Model {
        name: student.name.clone(),
        role: ModelRole::Student,
        from: student.from.clone(),
        training: None,
        ..parent
    };
    if let Some(pruning) = study.prunings.get(&student.name) {
        made = pruned(stage, texts, made, pruning)?;
    }
    if let Some(config) = &student.recover {
        made = trained(stage, study, texts, made, (config, &models[0]))?;
    }
    Ok(made)
}

/// A model in the shape of another before its first step; it speaks the teacher's tokens.
fn from_scratch(
    study: &Study,
    shape: &FromScratchConfig,
    models: &[Model],
) -> Result<Model, StudyError> {
    let named = models.iter().find(|model| model.name == shape.shape_of);
    let (shaped, teacher) = (named.unwrap_or(&models[0]), &models[0]);
    let spec = shaped.checkpoint()?.spec;
    let seed = study.config.study.seed.split("first weights");
    let Checkpoint { files, config, .. } = teacher.checkpoint()?;
    let checkpoint = Checkpoint { files, config, ..initial(&spec, seed) };
    Ok(Model {
        steps: vec![ModelStep::FromScratch { shape_of: shaped.name.clone(), seed: Some(seed) }],
        hash: fingerprint(&checkpoint),
        weights: Weights::Held(Box::new(checkpoint)),
        ..teacher.clone()
    })
}

/// The model a student is made from; `check` has seen that it exists.
fn parent<'a>(student: &StudentConfig, models: &'a [Model]) -> &'a Model {
    let named = |name: &String| models.iter().find(|model| model.name == *name);
    student.from.as_ref().and_then(named).unwrap_or(&models[0])
}

fn pruned(
    stage: &mut Stage<'_>,
    texts: &Texts,
    from: Model,
    pruning: &Pruning,
) -> Result<Model, StudyError> {
    let failed = |source| pruning.refused(&from.name, source);
    let label = format!("{}-prune", from.name);
    let export = stage.export;
    let measured_by = match pruning.needs() {
        Needs::Nothing => None,
        Needs::Statistics => Some(statistics::key(stage, &from, &texts.calibration)?),
    };
    let mut inputs = vec![("weights", from.hash.as_str())];
    inputs.extend(measured_by.iter().map(|key| ("statistics", key.hash())));
    let settings = (pruning.setting(), export, PLAN_FORMAT);
    let kind = (StageKind::Prune, pruning.version());
    let key = StageKey::new(kind, &settings, &inputs, &stage.numerics)?;
    let folder = stage.obtain(&label, &key, |stage, claim| {
        let checkpoint = from.checkpoint()?;
        let text = &texts.calibration;
        let mut calibration = StageCalibration { stage: &mut *stage, model: &from, text };
        let Pruned { student, plan } =
            pruning.carry_out(&checkpoint, &mut calibration).map_err(failed)?;
        stage.begin(&label, 1)?;
        let prepared = claim.prepare()?;
        atomic::write_file(&prepared.join("plan.json"), plan.to_json().as_bytes())?;
        publish(claim, &prepared, &student, export)
    })?;
    finished(from, &folder, pruning.step())
}

/// Writes the student beside what is already prepared and publishes the stage.
pub(crate) fn publish(
    claim: Claim<'_>,
    prepared: &Path,
    student: &Checkpoint,
    dtype: SaveDtype,
) -> Result<PathBuf, StudyError> {
    hf::write(student, &prepared.join(MODEL), dtype)?;
    claim.publish(prepared)
}

/// The model in a finished stage. What was exported is what counts from here on.
pub(crate) fn finished(from: Model, folder: &Path, step: ModelStep) -> Result<Model, StudyError> {
    let weights = folder.join(MODEL);
    let hash = fingerprint(&hf::read(&weights)?);
    let mut steps = from.steps;
    steps.push(step);
    Ok(Model { hash, steps, weights: Weights::Folder(weights), ..from })
}
