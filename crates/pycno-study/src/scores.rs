//! The evaluation stage: every model on every task, item by item.

use std::path::Path;

use pycno_eval::{EvalOptions, Journal, TaskOutcome, evaluate};

use crate::{
    StudyError,
    model::Model,
    stage::Stage,
    store::{StageId, json, read_json},
    texts::Texts,
    watcher::batches,
};

const FILE: &str = "outcomes.json";

/// Scores one model on all tasks of the study.
pub(crate) fn score(
    stage: &mut Stage<'_>,
    texts: &Texts,
    model: &Model,
) -> Result<Vec<TaskOutcome>, StudyError> {
    let label = format!("{}-eval", model.name);
    let id = stage_id(stage, texts, model, &label)?;
    if let Some(folder) = stage.store.finished(&id) {
        stage.reused(&label)?;
        return read_json(&folder.join(FILE));
    }
    let journal =
        Journal { path: stage.store.work(&id)?.join("journal.jsonl"), key: id.hash().to_owned() };
    let options = EvalOptions { journal: Some(journal), ..EvalOptions::default() };
    let decoder = model.decoder(stage.dtype, &stage.device)?;
    stage.begin(&label, 0)?;
    let (tokenizer, tasks) = (&texts.tokenizer, &texts.tasks);
    let outcomes = evaluate(&decoder, tokenizer, tasks, &options, &mut batches(stage.watch));
    let failed = |source| StudyError::Eval { model: model.name.clone(), source: Box::new(source) };
    let outcomes = outcomes.map_err(failed)?;
    stage.store.publish_file(&id, FILE, &json(Path::new(FILE), &outcomes)?)?;
    stage.end(&label)?;
    Ok(outcomes)
}

fn stage_id(
    stage: &Stage<'_>,
    texts: &Texts,
    model: &Model,
    label: &str,
) -> Result<StageId, StudyError> {
    // Version and prompts of each task, and what a limit leaves of a text.
    let tasks: Vec<_> = texts
        .tasks
        .iter()
        .map(|items| (&items.task, items.window_limit, &items.prompts_hash, &items.file_sha256))
        .collect();
    let settings = (tasks, stage.computer());
    StageId::new(label, &settings, &[&model.hash, texts.tokenizer.hash()])
}
