//! The whole pipeline: teacher, texts, students, scores, record.

use std::path::PathBuf;

use pycno_model::hf::SaveDtype;
use pycno_prune::fingerprint;
use pycno_record::{EventLog, ModelRole, ModelStep, Record};

use crate::{
    Environment, Numerics, RunFolder, Store, StudyError, StudyFile, Watcher,
    model::{Model, Weights},
    plan::planned,
    record::record,
    resolve::Study,
    scores::score,
    stage::Stage,
    students, texts,
};

/// Where one execution of a study takes place.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The run's folder.
    pub root: PathBuf,
    /// The folder of finished stages, which runs may share.
    pub store: PathBuf,
    /// The command that repeats it, for the record.
    pub command: String,
    /// Where things are.
    pub environment: Environment,
}

/// Runs a study: makes every student, scores all models, weighs them, and leaves `record.json` in the
/// run's folder. Stages that the store holds are not computed again.
///
/// # Errors
///
/// A [`StudyError`] that names the stage; finished stages stay, nothing half-made does.
pub fn run(
    file: &StudyFile,
    run: &RunContext,
    watch: &mut dyn Watcher,
) -> Result<Record, StudyError> {
    let study = Study::resolve(file, &run.environment)?;
    let teacher = teacher(&study, watch)?;
    let checkpoint = teacher.checkpoint()?;
    planned(&study, &checkpoint, run.environment.device)?; // what cannot work fails before anything is computed
    let source = study.config.teacher.checkpoint.to_string();
    let tokenizer = texts::tokenizer(&source, &checkpoint.files)?;
    watch.begin("texts", 1);
    let texts = texts::read(&study, tokenizer, checkpoint.spec.max_positions)?;
    watch.end();

    let (folder, store) = (RunFolder::open(&run.root)?, Store::open(&run.store)?);
    let dtype = study.config.compute.dtype;
    let mut stage = Stage {
        run: &folder,
        store: &store,
        device: run.environment.device.open()?,
        dtype,
        export: study.config.export.dtype.unwrap_or_else(|| SaveDtype::of(&checkpoint)),
        numerics: Numerics::of(run.environment.device, dtype),
        watch,
        events: EventLog::open(&run.root.join("events.jsonl"))?,
    };
    let mut models = vec![teacher];
    for student in &study.config.student {
        let made = students::make(&mut stage, &study, &texts, student, &models)?;
        models.push(made);
    }
    let outcomes = models
        .iter()
        .map(|model| score(&mut stage, &texts, model))
        .collect::<Result<Vec<_>, _>>()?;
    let origin = (run.environment.device, run.command.as_str());
    stage.watch.begin("weigh", 1);
    let record = record(&study, &texts, &models, &outcomes, origin)?;
    stage.watch.end();
    pycno_record::write(&record, &run.root.join("record.json"))?;
    Ok(record)
}

/// Opens the teacher, downloading it if it is not in the cache.
fn teacher(study: &Study, watch: &mut dyn Watcher) -> Result<Model, StudyError> {
    let source = &study.config.teacher.checkpoint;
    watch.begin("teacher", 1);
    let checkpoint = study.open_teacher()?;
    watch.end();
    Ok(Model {
        name: "teacher".to_owned(),
        role: ModelRole::Teacher,
        from: None,
        steps: vec![ModelStep::Loaded { source: source.to_string() }],
        hash: fingerprint(&checkpoint),
        weights: Weights::Held(Box::new(checkpoint)),
        training: None,
    })
}
