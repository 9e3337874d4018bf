//! The texts of a study: read, packed, and held apart.

use std::collections::BTreeMap;

use pycno_data::{Packed, Role, Shard, Slice, Tokenizer, disjoint, pack};
use pycno_eval::{Selection, TaskItems, TaskKind, request};
use pycno_model::ModelSpec;
use pycno_record::DataUse;

use crate::{StudyError, resolve::Study};

/// Everything that is read by a model.
pub(crate) struct Texts {
    pub(crate) tokenizer: Tokenizer,
    pub(crate) calibration: Shard,
    pub(crate) train: Option<Shard>,
    pub(crate) tasks: Vec<TaskItems>,
    pub(crate) uses: Vec<DataUse>,
}

/// The tokenizer among the files of a model; `model` is how people named it.
pub(crate) fn tokenizer(
    model: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Tokenizer, StudyError> {
    Tokenizer::from_files(files).map_err(|source| StudyError::Tokenizer {
        model: model.to_owned(),
        source: Box::new(source),
    })
}

/// Reads all texts and refuses any that serve two roles, or that a model of so many positions cannot
/// be asked.
pub(crate) fn read(
    study: &Study,
    tokenizer: Tokenizer,
    max_positions: usize,
) -> Result<Texts, StudyError> {
    let config = &study.config.data;
    let sequences = config.calibration.sequences;
    let packed = packed(study, &config.calibration.source, &tokenizer, config.calibration.length)?;
    let slice = Slice { offset_sequences: 0, sequences };
    let calibration = packed.slice(Role::Calibration, slice)?;
    let train = match &config.train {
        Some(train) => {
            // One token more than a sequence is long: each position has a next token.
            let packed = self::packed(study, &train.source, &tokenizer, train.length + 1)?;
            let calibration_too = train.source == config.calibration.source;
            let offset = if calibration_too { sequences } else { 0 };
            Some(packed.rest(Role::Train, offset)?)
        }
        None => None,
    };
    let tasks = tasks(study)?;
    check_disjoint(&calibration, train.as_ref(), &tasks)?;
    check_encodes(&tasks, &tokenizer, max_positions)?;
    let uses = uses(study, &calibration, train.as_ref(), &tasks);
    Ok(Texts { tokenizer, calibration, train, tasks, uses })
}

/// Refuses sequences that are longer than the model has positions: what it does there means nothing.
pub(crate) fn expect_fits(
    what: &'static str,
    length: usize,
    spec: &ModelSpec,
) -> Result<(), StudyError> {
    let max = spec.max_positions;
    if length > max { Err(StudyError::TooLong { what, max, length }) } else { Ok(()) }
}

fn packed(
    study: &Study,
    source: &str,
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<Packed, StudyError> {
    Ok(pack(&study.environment.corpus(source, &study.folder)?, tokenizer, length)?)
}

fn tasks(study: &Study) -> Result<Vec<TaskItems>, StudyError> {
    study.tasks.iter().map(|task| task_items(study, task)).collect()
}

fn task_items(study: &Study, task: &pycno_eval::Task) -> Result<TaskItems, StudyError> {
    let is_text = matches!(task.kind, TaskKind::BitsPerByte(_));
    let eval = &study.config.eval;
    let limit = if is_text { eval.windows } else { eval.limit };
    let selection = Selection { limit, seed: study.config.study.seed.split("items") };
    study.environment.items(task, selection)
}

/// What no model can be asked fails before anything is computed, not after hours of training.
pub(crate) fn check_encodes(
    tasks: &[TaskItems],
    tokenizer: &Tokenizer,
    max_positions: usize,
) -> Result<(), StudyError> {
    for items in tasks {
        request::encode(items, tokenizer, max_positions).map_err(|source| StudyError::Task {
            task: items.task.name.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(())
}

fn check_disjoint(
    calibration: &Shard,
    train: Option<&Shard>,
    tasks: &[TaskItems],
) -> Result<(), StudyError> {
    let tests: Vec<_> = tasks.iter().map(TaskItems::manifest).collect();
    let mut manifests = vec![&calibration.manifest];
    manifests.extend(train.map(|train| &train.manifest));
    manifests.extend(&tests);
    Ok(disjoint(&manifests)?)
}

/// Sources as the study writes them: records hold no paths of a machine.
fn uses(
    study: &Study,
    calibration: &Shard,
    train: Option<&Shard>,
    tasks: &[TaskItems],
) -> Vec<DataUse> {
    let of_shard = |role: &str, source: &str, shard: &Shard| DataUse {
        role: role.to_owned(),
        source: source.to_owned(),
        sha256: shard.manifest.source_sha256.clone(),
        count: shard.sequences.len(),
        tokens: Some(shard.manifest.tokens),
    };
    let data = &study.config.data;
    let mut uses = vec![of_shard("calibration", &data.calibration.source, calibration)];
    if let (Some(shard), Some(config)) = (train, &data.train) {
        uses.push(of_shard("train", &config.source, shard));
    }
    uses.extend(tasks.iter().map(|items| DataUse {
        role: items.task.name.clone(),
        source: match items.task.lab_file() {
            Some(_) => items.task.file.clone(),
            None => format!("data:{}", items.task.file),
        },
        sha256: items.file_sha256.clone(),
        count: items.window_limit.unwrap_or(items.items.len()),
        tokens: None,
    }));
    uses
}
