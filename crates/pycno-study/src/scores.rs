//! The evaluation stages: every model on every task, item by item. A task is a stage of its own, so that what one
//! study has asked another need not ask again, and so that no score depends on which other tasks are asked.

use std::path::{Path, PathBuf};

use pycno_data::Tokenizer;
use pycno_eval::{
    EvalError, EvalOptions, Journal, Progress, TaskItems, TaskOutcome, VERSION, evaluate,
    task_score,
};
use pycno_model::Decoder;
use pycno_record::TaskScore;

use crate::{
    Numerics, StageKey, StageKind, StudyError,
    files::{json, read_json},
    model::Model,
    stage::Stage,
    store::Claim,
    texts::Texts,
    watcher::batches,
};

const FILE: &str = "outcome.json";

/// Scores one model on all tasks of the study.
pub(crate) fn score(
    stage: &mut Stage<'_>,
    texts: &Texts,
    model: &Model,
) -> Result<Vec<TaskOutcome>, StudyError> {
    let mut decoder = None;
    let mut scored = |items: &TaskItems| {
        let label = label(&model.name, items);
        let key = key((&model.hash, &texts.tokenizer), items, &stage.numerics)?;
        let folder = stage.obtain(&label, &key, |stage, claim| {
            let decoder = opened(&mut decoder, || model.decoder(stage.dtype, &stage.device))?;
            stage.begin(&label, 0)?;
            let subject = (model.name.as_str(), decoder);
            let questions = (&texts.tokenizer, items);
            answered(claim, &key, subject, questions, &mut batches(stage.watch))
        })?;
        outcome(&folder)
    };
    texts.tasks.iter().map(&mut scored).collect()
}

/// The decoder in a slot, which is opened by the first task that needs one: none does if all were asked earlier.
pub(crate) fn opened(
    slot: &mut Option<Decoder>,
    open: impl FnOnce() -> Result<Decoder, StudyError>,
) -> Result<&Decoder, StudyError> {
    let decoder = match slot.take() {
        Some(decoder) => decoder,
        None => open()?,
    };
    Ok(slot.insert(decoder))
}

/// What people see of the stage.
pub(crate) fn label(model: &str, items: &TaskItems) -> String {
    format!("{model}-eval-{}", items.task.name)
}

/// What a model's answers to a task depend on.
pub(crate) fn key(
    (weights, tokenizer): (&str, &Tokenizer),
    items: &TaskItems,
    numerics: &Numerics,
) -> Result<StageKey, StudyError> {
    let inputs = [("weights", weights), ("tokenizer", tokenizer.hash())];
    StageKey::new((StageKind::Eval, VERSION), &items.identity(), &inputs, numerics)
}

/// Asks a named model a task and publishes the answers.
pub(crate) fn answered(
    claim: Claim<'_>,
    key: &StageKey,
    model: (&str, &Decoder),
    (tokenizer, items): (&Tokenizer, &TaskItems),
    on_batch: &mut dyn FnMut(Progress),
) -> Result<PathBuf, StudyError> {
    let path = claim.work()?.join("journal.jsonl");
    let journal = Journal { path, key: key.hash().to_owned() };
    let questions = (tokenizer, std::slice::from_ref(items));
    let outcomes = asked(model, questions, Some(journal), on_batch)?;
    claim.publish_file(FILE, &json(Path::new(FILE), &outcomes)?)
}

/// Asks a named model tasks, item by item; a journal keeps what a killed run had.
pub(crate) fn asked(
    (name, model): (&str, &Decoder),
    (tokenizer, tasks): (&Tokenizer, &[TaskItems]),
    journal: Option<Journal>,
    on_batch: &mut dyn FnMut(Progress),
) -> Result<Vec<TaskOutcome>, StudyError> {
    let options = EvalOptions { journal, ..EvalOptions::default() };
    evaluate(model, tokenizer, tasks, &options, on_batch).map_err(|source| failed(name, source))
}

/// A named model's scores, one per task.
pub(crate) fn task_scores(
    name: &str,
    outcomes: &[TaskOutcome],
) -> Result<Vec<TaskScore>, StudyError> {
    let scores = outcomes.iter().map(task_score).collect::<Result<_, _>>();
    scores.map_err(|source| failed(name, source))
}

fn failed(name: &str, source: EvalError) -> StudyError {
    StudyError::Eval { model: name.to_owned(), source: Box::new(source) }
}

/// The outcome in a finished stage.
pub(crate) fn outcome(folder: &Path) -> Result<TaskOutcome, StudyError> {
    let path = folder.join(FILE);
    let [outcome]: [TaskOutcome; 1] = read_json(&path)?;
    Ok(outcome)
}
