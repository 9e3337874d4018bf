//! The evaluation stage: every model on every task, item by item.

use std::path::Path;

use pycno_data::Tokenizer;
use pycno_eval::{EvalOptions, Journal, Progress, TaskItems, TaskOutcome, evaluate};
use pycno_model::Decoder;
use serde::Serialize;

use crate::{
    StudyError,
    model::Model,
    stage::Stage,
    store::{RunStore, StageId, json, read_json},
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
    if let Some(outcomes) = earlier(stage.store, &id)? {
        stage.reused(&label)?;
        return Ok(outcomes);
    }
    let decoder = model.decoder(stage.dtype, &stage.device)?;
    stage.begin(&label, 0)?;
    let questions = (&texts.tokenizer, &texts.tasks[..]);
    let subject = (model.name.as_str(), &decoder);
    let outcomes = answered((stage.store, &id), subject, questions, &mut batches(stage.watch))?;
    stage.end(&label)?;
    Ok(outcomes)
}

/// What an evaluation by an earlier run left.
pub(crate) fn earlier(
    store: &RunStore,
    id: &StageId,
) -> Result<Option<Vec<TaskOutcome>>, StudyError> {
    store.finished(id).map(|folder| read_json(&folder.join(FILE))).transpose()
}

/// Asks a named model everything and publishes the answers; a journal keeps what a killed run had.
pub(crate) fn answered(
    (store, id): (&RunStore, &StageId),
    (name, model): (&str, &Decoder),
    (tokenizer, tasks): (&Tokenizer, &[TaskItems]),
    on_batch: &mut dyn FnMut(Progress),
) -> Result<Vec<TaskOutcome>, StudyError> {
    let path = store.work(id)?.join("journal.jsonl");
    let journal = Journal { path, key: id.hash().to_owned() };
    let options = EvalOptions { journal: Some(journal), ..EvalOptions::default() };
    let failed = |source| StudyError::Eval { model: name.to_owned(), source: Box::new(source) };
    let outcomes = evaluate(model, tokenizer, tasks, &options, on_batch).map_err(failed)?;
    store.publish_file(id, FILE, &json(Path::new(FILE), &outcomes)?)?;
    Ok(outcomes)
}

/// What answers depend on besides the model: version and prompts of each task, and what a limit leaves of a text.
pub(crate) fn asked(tasks: &[TaskItems]) -> impl Serialize + '_ {
    tasks
        .iter()
        .map(|items| (&items.task, items.window_limit, &items.prompts_hash, &items.file_sha256))
        .collect::<Vec<_>>()
}

fn stage_id(
    stage: &Stage<'_>,
    texts: &Texts,
    model: &Model,
    label: &str,
) -> Result<StageId, StudyError> {
    let settings = (asked(&texts.tasks), stage.computer());
    StageId::new(label, &settings, &[&model.hash, texts.tokenizer.hash()])
}
