//! One size of a family: first weights, one stable run, a decay for every budget, scores.

use std::path::{Path, PathBuf};

use pycno_data::Tokenizer;
use pycno_eval::{TaskOutcome, task_score};
use pycno_model::{
    Checkpoint, Decoder, ModelSpec,
    hf::{self, SaveDtype},
    initial,
};
use pycno_prune::fingerprint;
use pycno_train::{
    HeldOut, LanguageModel, StepEvent, TrainConfig, TrainContext, TrainError, TrainedStudent,
    held_out_loss, train_branches,
};
use pycno_units::{ParamCount, TokenCount};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FamilyConfig, Shared, Trained, seeded::Seeded};
use crate::{
    StudyError,
    scores::{answered, asked, earlier},
    store::{StageId, read_json},
};

const MODEL: &str = "model";
const SUMMARY: &str = "summary.json";
/// Steps of the log a budget gets.
const LOGGED: u64 = 400;
/// Looks at the held-out text a budget gets.
const LOOKS: u64 = 10;

/// A size of the family.
pub(super) struct Member<'a> {
    seeded: Seeded<'a>,
    spec: ModelSpec,
    pub(super) params: ParamCount,
    training: TrainConfig,
    budgets: Vec<TokenCount>,
}

/// What is kept of a run beside the weights.
#[derive(Debug, Deserialize, Serialize)]
struct Summary {
    tokens: TokenCount,
    steps: usize,
    skipped: usize,
    held_out_loss: f64,
}

/// Why a branch cannot be kept: the loop's reasons, or the run folder's.
enum Failed {
    Train(Box<TrainError>),
    Study(Box<StudyError>),
}

impl From<TrainError> for Failed {
    fn from(error: TrainError) -> Self {
        Self::Train(Box::new(error))
    }
}

impl From<StudyError> for Failed {
    fn from(error: StudyError) -> Self {
        Self::Study(Box::new(error))
    }
}

/// What `config.json` says of special tokens.
fn special_tokens(tokenizer: &Tokenizer) -> Map<String, Value> {
    let ids = [("bos_token_id", tokenizer.bos()), ("eos_token_id", tokenizer.eos())];
    ids.into_iter().filter_map(|(key, id)| Some((key.to_owned(), Value::from(id?)))).collect()
}

impl<'a> Member<'a> {
    pub(super) fn new(
        config: &'a FamilyConfig,
        seeded: Seeded<'a>,
        vocab: usize,
    ) -> Result<Self, StudyError> {
        let spec = config.spec(seeded.size, vocab);
        let params = spec.param_counts().non_embedding;
        let training = config.training(seeded.size, params)?;
        let budgets = config.budgets(seeded.size);
        Ok(Self { seeded, spec, params, training, budgets })
    }

    /// Operations of training on all budgets.
    pub(super) fn cost(&self, shared: &Shared<'_>) -> Result<f64, StudyError> {
        let seq = shared.file.config.data.length + 1;
        let mut before = 0;
        let mut steps = 0;
        for tokens in &self.budgets {
            let schedule = self.of(*tokens).schedule(seq).map_err(|error| self.failed(error))?;
            steps +=
                schedule.stable().saturating_sub(before) + schedule.steps() - schedule.stable();
            before = schedule.stable();
        }
        Ok(steps as f64 * self.step_cost(seq))
    }

    /// `6 N` operations per token; the head counts, lookups do not.
    fn step_cost(&self, seq: usize) -> f64 {
        let weights = self.params.0 + (self.spec.vocab * self.spec.d_model) as f64;
        6.0 * weights * self.training.tokens_a_step(seq) as f64
    }

    fn of(&self, tokens: TokenCount) -> TrainConfig {
        TrainConfig { tokens, ..self.training.clone() }
    }

    fn failed(&self, source: TrainError) -> StudyError {
        StudyError::Train { student: self.seeded.name.clone(), source }
    }

    fn name(&self, tokens: TokenCount) -> String {
        format!("{}-{tokens}", self.seeded.name)
    }

    /// Trains what is not there yet, then scores all.
    pub(super) fn train(&self, shared: &Shared<'_>) -> Result<Vec<Trained>, StudyError> {
        let ids = self
            .budgets
            .iter()
            .map(|tokens| self.stage(shared, *tokens))
            .collect::<Result<Vec<_>, _>>()?;
        let missing: Vec<TokenCount> = self
            .budgets
            .iter()
            .zip(&ids)
            .filter(|(_, id)| shared.store.finished(id).is_none())
            .map(|(tokens, _)| *tokens)
            .collect();
        if missing.is_empty() {
            let cost = self.cost(shared)?;
            shared.progress().reused(&self.seeded.name, cost);
        } else {
            self.branches(shared, &missing)?;
        }
        let scored =
            self.budgets.iter().zip(&ids).map(|(tokens, id)| self.scored(shared, *tokens, id));
        scored.collect()
    }

    fn stage(&self, shared: &Shared<'_>, tokens: TokenCount) -> Result<StageId, StudyError> {
        let device = shared.run.environment.device.to_string();
        let settings = (&self.spec, self.of(tokens), self.seeded.seed, device);
        let hash = &shared.train.manifest.hash;
        StageId::new(&self.name(tokens), &settings, &[hash, shared.tokenizer.hash()])
    }

    /// Where the loop keeps its checkpoints until the last budget is done.
    fn work(&self, shared: &Shared<'_>) -> Result<PathBuf, StudyError> {
        let largest = self.training.tokens;
        let id = self.stage(shared, largest)?;
        shared.store.work(&StageId::new(&format!("{}-run", self.seeded.name), &id.hash(), &[])?)
    }

    fn branches(&self, shared: &Shared<'_>, missing: &[TokenCount]) -> Result<(), StudyError> {
        let (seed, seq) = (self.seeded.seed, shared.file.config.data.length + 1);
        let first = Checkpoint {
            files: shared.files.clone(),
            config: special_tokens(&shared.tokenizer),
            ..initial(&self.spec, seed.split("first weights"))
        };
        let work = self.work(shared)?;
        let (cost, tokens) = (self.step_cost(seq), self.training.tokens_a_step(seq));
        let mut lost = None;
        let steps = self.training.steps(seq);
        let mut on_step = |step: &StepEvent| {
            let keep = step.step.is_multiple_of((steps / LOGGED).max(1));
            if let Err(error) =
                shared.progress().step(&self.seeded.name, step, (cost, tokens, keep))
            {
                lost.get_or_insert(error);
            }
        };
        let context = TrainContext {
            device: shared.run.environment.device.open()?,
            seed: seed.split("order"),
            checkpoint_dir: &work,
            held_out: Some(HeldOut {
                sequences: &shared.held_out.sequences,
                every: (steps / LOOKS).max(1),
            }),
            on_step: &mut on_step,
        };
        let objective = LanguageModel::default();
        let mut publish = |tokens, done: TrainedStudent| self.publish(shared, tokens, &done);
        let data = &shared.train.sequences;
        train_branches(
            (&first, data),
            &objective,
            (&self.training, missing),
            context,
            &mut publish,
        )
        .map_err(|failed| match failed {
            Failed::Train(error) => self.failed(*error),
            Failed::Study(error) => *error,
        })?;
        std::fs::remove_dir_all(&work)
            .map_err(|source| StudyError::WriteFile { path: work.clone(), source })?;
        lost.map_or(Ok(()), Err)
    }

    fn publish(
        &self,
        shared: &Shared<'_>,
        tokens: TokenCount,
        done: &TrainedStudent,
    ) -> Result<(), Failed> {
        let id = self.stage(shared, tokens)?;
        let device = shared.run.environment.device.open()?;
        let model = Decoder::new(&done.student, &device).map_err(StudyError::from)?;
        let summary = Summary {
            tokens: done.steps.last().map_or(TokenCount(0), |step| step.tokens),
            steps: done.steps.len(),
            skipped: done.steps.iter().filter(|step| step.skipped).count(),
            held_out_loss: held_out_loss(&model, &shared.held_out.sequences)?,
        };
        let prepared = shared.store.prepare(&id)?;
        hf::write(&done.student, &prepared.join(MODEL), SaveDtype::F32)
            .map_err(StudyError::from)?;
        crate::store::write_json(&prepared.join(SUMMARY), &summary)?;
        shared.store.publish(&id, &prepared)?;
        Ok(())
    }

    fn scored(
        &self,
        shared: &Shared<'_>,
        tokens: TokenCount,
        id: &StageId,
    ) -> Result<Trained, StudyError> {
        let name = self.name(tokens);
        let missing = || StudyError::Study { rule: format!("{name} was not finished") };
        let stage = shared.store.finished(id).ok_or_else(missing)?;
        let folder = stage.join(MODEL);
        let summary: Summary = read_json(&stage.join(SUMMARY))?;
        let outcomes = outcomes(shared, &folder, &name)?;
        let failed = |source| StudyError::Eval { model: name.clone(), source: Box::new(source) };
        let scores =
            outcomes.iter().map(task_score).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(Trained {
            size: self.seeded.name.clone(),
            params: self.params,
            tokens: summary.tokens,
            held_out_loss: summary.held_out_loss,
            scores,
            folder,
            name,
        })
    }
}

/// Every task, item by item, from an earlier run if it was done there.
fn outcomes(
    shared: &Shared<'_>,
    folder: &Path,
    name: &str,
) -> Result<Vec<TaskOutcome>, StudyError> {
    let checkpoint = hf::read(folder)?;
    let device = shared.run.environment.device;
    let settings = (asked(&shared.tasks), device.to_string());
    let inputs = [&fingerprint(&checkpoint), shared.tokenizer.hash()];
    let id = StageId::new(&format!("{name}-eval"), &settings, &inputs)?;
    if let Some(done) = earlier(&shared.store, &id)? {
        return Ok(done);
    }
    let model = Decoder::new(&checkpoint, &device.open()?)?;
    let questions = (&shared.tokenizer, &shared.tasks[..]);
    answered((&shared.store, &id), (name, &model), questions, &mut |_| {})
}
