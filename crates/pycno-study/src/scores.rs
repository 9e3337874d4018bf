//! The evaluation stage: every model on every task, item by item.

use pycno_eval::{EvalOptions, Journal, Progress, TaskOutcome, evaluate};

use crate::{
    StudyError,
    model::Model,
    stage::Stage,
    store::{StageId, read_json},
    texts::Texts,
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
    let watch = &mut *stage.watch;
    let mut progress = |Progress { done, total }| {
        watch.resize(total as u64);
        watch.advance(done as u64, "batches");
    };
    let outcomes =
        evaluate(&decoder, &texts.tokenizer, &texts.tasks, &options, &mut progress).map_err(
            |source| StudyError::Eval { model: model.name.clone(), source: Box::new(source) },
        )?;
    stage.store.publish_json(&id, FILE, &outcomes)?;
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
