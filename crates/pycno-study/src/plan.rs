//! What a study would do: shapes and sizes of its models, before any is made.

use pycno_model::{Checkpoint, ModelSpec, ParamCounts, hf};
use pycno_record::ModelStep;
use pycno_units::{Bytes, Flops};

use crate::{
    DeviceName, Environment, StudyError, StudyFile, config::StudentConfig, memory,
    pruning::Pruning, resolve::Study, steps, texts::expect_fits,
};

/// A model as it will be.
#[derive(Clone, Debug)]
pub struct PlannedModel {
    /// Name in the study.
    pub name: String,
    /// What it is made from; `None` for the teacher and its direct students.
    pub from: Option<String>,
    /// How, first step first.
    pub steps: Vec<ModelStep>,
    /// Layers.
    pub n_layers: usize,
    /// Parameters.
    pub counts: ParamCounts,
    /// Compute of its recovery, if it has one.
    pub training: Option<Flops>,
    /// Memory that training and scoring it take, activations not counted.
    pub memory: Bytes,
}

/// Plans a study; only the teacher's checkpoint is opened.
///
/// # Errors
///
/// A [`StudyError`] for whatever would stop the study before its first stage.
pub fn plan(file: &StudyFile, environment: &Environment) -> Result<Vec<PlannedModel>, StudyError> {
    let study = Study::resolve(file, environment)?;
    let teacher = study.open_teacher()?;
    planned(&study, &teacher, environment.device)
}

/// The models of a study in its order, teacher first.
pub(crate) fn planned(
    study: &Study,
    checkpoint: &Checkpoint,
    device: DeviceName,
) -> Result<Vec<PlannedModel>, StudyError> {
    let teacher = &checkpoint.spec;
    let data = &study.config.data;
    expect_fits("data.calibration.length", data.calibration.length, teacher)?;
    if let Some(train) = &data.train {
        expect_fits("data.train.length", train.length, teacher)?;
    }
    let mut shapes = vec![("teacher", teacher.clone())];
    let source = study.config.teacher.checkpoint.to_string();
    let loaded = vec![ModelStep::Loaded { source }];
    let mut models = vec![model("teacher", None, loaded, teacher)];
    for student in &study.config.student {
        let from = student.from.as_deref().unwrap_or("teacher");
        let from = student.from_scratch.as_ref().map_or(from, |shape| &shape.shape_of);
        let parent = shapes.iter().find(|(name, _)| *name == from).map_or(teacher, |(_, s)| s);
        let pruning = study.prunings.get(&student.name);
        let spec = match pruning {
            Some(pruning) => pruning
                .spec_after(parent)
                .map_err(|source| pruning.refused(&student.name, source))?,
            None => parent.clone(),
        };
        expect_saved(&student.name, &spec, checkpoint)?;
        models.push(PlannedModel {
            training: training(student, teacher, &spec),
            memory: memory(student, teacher, &spec),
            ..model(&student.name, student.from.clone(), steps(student, pruning), &spec)
        });
        shapes.push((&student.name, spec));
    }
    for PlannedModel { name, memory, .. } in &models {
        memory::expect_room(&format!("work on {name}, its weights in f32"), *memory, device)?;
    }
    Ok(models)
}

/// Refuses a shape that no config of the teacher's family can express: it could be made and not saved.
fn expect_saved(student: &str, spec: &ModelSpec, teacher: &Checkpoint) -> Result<(), StudyError> {
    // What the type of the weights is called does not matter here.
    let written = hf::config::with_spec(spec, &teacher.config, "float32");
    let refused = |source| StudyError::Save { student: student.to_owned(), source };
    written.map(drop).map_err(refused)
}

fn model(
    name: &str,
    from: Option<String>,
    steps: Vec<ModelStep>,
    spec: &ModelSpec,
) -> PlannedModel {
    PlannedModel {
        name: name.to_owned(),
        from,
        steps,
        n_layers: spec.layers.len(),
        counts: spec.param_counts(),
        training: None,
        memory: memory::to_run(spec),
    }
}

fn steps(student: &StudentConfig, pruning: Option<&Pruning>) -> Vec<ModelStep> {
    let shape = student.from_scratch.as_ref();
    let first =
        shape.map(|shape| ModelStep::FromScratch { shape_of: shape.shape_of.clone(), seed: None });
    let pruned = pruning.map(Pruning::step);
    let from_scratch = student.from_scratch.is_some();
    let recover = student.recover.as_ref();
    let trained =
        recover.map(|config| steps::trained(config, config.training.tokens, from_scratch));
    first.into_iter().chain(pruned).chain(trained).collect()
}

fn memory(student: &StudentConfig, teacher: &ModelSpec, spec: &ModelSpec) -> Bytes {
    match &student.recover {
        Some(recover) => {
            memory::to_train(spec, recover.objective.needs_teacher().then_some(teacher))
        }
        None => memory::to_run(spec),
    }
}

/// `6 N` operations per token for the student, and `2 N` for the teacher if it guides; heads count, lookups do not.
fn training(student: &StudentConfig, teacher: &ModelSpec, spec: &ModelSpec) -> Option<Flops> {
    let recover = student.recover.as_ref()?;
    let tokens = recover.training.tokens.0 as f64;
    let weights =
        |spec: &ModelSpec| spec.param_counts().non_embedding.0 + (spec.vocab * spec.d_model) as f64;
    let guide = if recover.objective.needs_teacher() { 2.0 * weights(teacher) } else { 0.0 };
    Some(Flops(tokens * (6.0 * weights(spec) + guide)))
}
