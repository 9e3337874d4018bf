//! One size of a family: first weights, one stable run, a decay for every budget, scores.

use std::path::Path;

use pycno_data::Tokenizer;
use pycno_eval::{TaskItems, TaskOutcome};
use pycno_model::{
    Checkpoint, Decoder, ModelSpec,
    hf::{self, SaveDtype},
    initial,
};
use pycno_prune::fingerprint;
use pycno_train::{
    HeldOut, LanguageModel, StepEvent, TrainConfig, TrainContext, TrainError, TrainedStudent,
    VERSION, held_out_loss, train_branches,
};
use pycno_units::{ParamCount, TokenCount};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FamilyConfig, Shared, Trained, seeded::Seeded};
use crate::{
    Claimed, StageKey, StageKind, StudyError,
    files::{read_json, write_json},
    scores,
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
        if self.missing(shared)?.is_empty() {
            let cost = self.cost(shared)?;
            shared.progress().reused(&self.seeded.name, cost);
        } else {
            let largest = self.of(self.training.tokens);
            let key = self.key(shared, ("branches", largest))?;
            let waiting = || shared.progress().waiting(&self.seeded.name);
            if let Claimed::Claim(claim) = shared.store.claim(&key, waiting)? {
                // Another process may have been at it until now.
                self.branches(shared, &claim.work()?, &self.missing(shared)?)?;
                claim.forget()?;
            }
        }
        self.budgets.iter().map(|tokens| self.scored(shared, *tokens)).collect()
    }

    /// The budgets that are not trained yet.
    fn missing(&self, shared: &Shared<'_>) -> Result<Vec<TokenCount>, StudyError> {
        let mut missing = Vec::new();
        for tokens in &self.budgets {
            if shared.store.finished(&self.stage(shared, *tokens)?)?.is_none() {
                missing.push(*tokens);
            }
        }
        Ok(missing)
    }

    /// What the model of a budget depends on.
    fn stage(&self, shared: &Shared<'_>, tokens: TokenCount) -> Result<StageKey, StudyError> {
        self.key(shared, ("budget", self.of(tokens)))
    }

    fn key(&self, shared: &Shared<'_>, what: (&str, TrainConfig)) -> Result<StageKey, StudyError> {
        let settings = (&self.spec, what, self.seeded.seed);
        let (text, tokenizer) = (&*shared.train.manifest.hash, shared.tokenizer.hash());
        let inputs = [("text", text), ("tokenizer", tokenizer)];
        StageKey::new((StageKind::Train, VERSION), &settings, &inputs, &shared.numerics)
    }

    /// Trains the budgets that are missing, as branches of one run with its checkpoints in `work`.
    fn branches(
        &self,
        shared: &Shared<'_>,
        work: &Path,
        missing: &[TokenCount],
    ) -> Result<(), StudyError> {
        if missing.is_empty() {
            return Ok(());
        }
        let (seed, seq) = (self.seeded.seed, shared.file.config.data.length + 1);
        let first = Checkpoint {
            files: shared.files.clone(),
            config: special_tokens(&shared.tokenizer),
            ..initial(&self.spec, seed.split("first weights"))
        };
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
            checkpoint_dir: work,
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
        lost.map_or(Ok(()), Err)
    }

    fn publish(
        &self,
        shared: &Shared<'_>,
        tokens: TokenCount,
        done: &TrainedStudent,
    ) -> Result<(), Failed> {
        let key = self.stage(shared, tokens)?;
        let Claimed::Claim(claim) = shared.store.claim(&key, || ())? else { return Ok(()) };
        let device = shared.run.environment.device.open()?;
        let model = Decoder::new(&done.student, &device).map_err(StudyError::from)?;
        let summary = Summary {
            tokens: done.steps.last().map_or(TokenCount(0), |step| step.tokens),
            steps: done.steps.len(),
            skipped: done.steps.iter().filter(|step| step.skipped).count(),
            held_out_loss: held_out_loss(&model, &shared.held_out.sequences)?,
        };
        let prepared = claim.prepare()?;
        hf::write(&done.student, &prepared.join(MODEL), SaveDtype::F32)
            .map_err(StudyError::from)?;
        write_json(&prepared.join(SUMMARY), &summary)?;
        claim.publish(&prepared)?;
        Ok(())
    }

    fn scored(&self, shared: &Shared<'_>, tokens: TokenCount) -> Result<Trained, StudyError> {
        let name = self.name(tokens);
        let missing = || StudyError::Study { rule: format!("{name} was not finished") };
        let stage = shared.store.finished(&self.stage(shared, tokens)?)?.ok_or_else(missing)?;
        shared.folder.link(&name, &stage)?;
        let folder = stage.join(MODEL);
        let summary: Summary = read_json(&stage.join(SUMMARY))?;
        let scores = scores::task_scores(&name, &outcomes(shared, &folder, &name)?)?;
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
    let weights = fingerprint(&checkpoint);
    let open = || Ok(Decoder::new(&checkpoint, &shared.run.environment.device.open()?)?);
    let mut decoder = None;
    let mut outcome = |items: &TaskItems| {
        let key = scores::key((&weights, &shared.tokenizer), items, &shared.numerics)?;
        let waiting = || shared.progress().waiting(name);
        let stage = match shared.store.claim(&key, waiting)? {
            Claimed::Finished(folder) => folder,
            Claimed::Claim(claim) => {
                let subject = (name, scores::opened(&mut decoder, open)?);
                scores::answered(claim, &key, subject, (&shared.tokenizer, items), &mut |_| {})?
            }
        };
        shared.folder.link(&scores::label(name, items), &stage)?;
        scores::outcome(&stage)
    };
    shared.tasks.iter().map(&mut outcome).collect()
}
