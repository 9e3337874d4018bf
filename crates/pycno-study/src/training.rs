//! The training of a student, from scratch or after pruning: with the teacher as its guide, or on text alone.

use std::path::Path;

use burn::tensor::Device;
use pycno_data::Shard;
use pycno_distill::{Divergence, HeadPair, ObjectiveConfig};
use pycno_model::{Checkpoint, Decoder, hf::SaveDtype};
use pycno_record::{TrainingCurve, TrainingStep};
use pycno_train::{
    Gradients, LanguageModel, Objective, StepEvent, StudentOutputs, TrainContext, TrainError,
    VERSION, train,
};
use pycno_units::{Seed, TokenCount};

use crate::{
    Numerics, StageKey, StageKind, StudyError,
    config::RecoverConfig,
    family,
    files::{read_json, write_json},
    model::Model,
    resolve::Study,
    stage::Stage,
    steps,
    students::{finished, publish},
    texts::Texts,
};

const STEPS: &str = "steps.json";

/// What a training is made of.
struct Job<'a> {
    label: String,
    seed: Seed,
    from: &'a Model,
    teacher: &'a Model,
    config: &'a RecoverConfig,
    shard: &'a Shard,
}

/// Trains a student by its config.
pub(crate) fn trained(
    stage: &mut Stage<'_>,
    study: &Study,
    texts: &Texts,
    from: Model,
    (config, teacher): (&RecoverConfig, &Model),
) -> Result<Model, StudyError> {
    let shard = texts.train.as_ref().ok_or_else(|| StudyError::Study {
        rule: format!("student {:?} recovers, but there is no data.train", from.name),
    })?;
    let label = format!("{}-recover", from.name);
    let seed = study.config.study.seed.split(&from.name).split("recover");
    let dtype = stage.export;
    let job = Job { label, seed, from: &from, teacher, config, shard };
    let key = job.key(dtype, &stage.numerics)?;
    let folder = stage.obtain(&job.label, &key, |stage, claim| {
        let (student, steps) = run(stage, &job, &claim.work()?.join("state"))?;
        let prepared = claim.prepare()?;
        write_json(&prepared.join(STEPS), &steps)?;
        publish(claim, &prepared, &student, dtype)
    })?;
    let steps: Vec<TrainingStep> = read_json(&folder.join(STEPS))?;
    let tokens = steps.last().map_or(TokenCount(0), |step| step.tokens);
    let step = steps::trained(config, tokens, from.is_from_scratch());
    let training = TrainingCurve { objective: config.objective.to_string(), tokens, steps };
    Ok(Model { training: Some(training), ..finished(from, &folder, step)? })
}

impl Job<'_> {
    /// What the trained student depends on; the teacher only if it guides.
    fn key(&self, dtype: SaveDtype, numerics: &Numerics) -> Result<StageKey, StudyError> {
        let objective = &self.config.objective;
        let settings = (objective, &self.config.training, dtype, self.seed);
        let mut inputs = vec![("weights", &*self.from.hash), ("text", &*self.shard.manifest.hash)];
        if objective.needs_teacher() {
            inputs.push(("teacher", &*self.teacher.hash));
        }
        StageKey::new((StageKind::Recover, VERSION), &settings, &inputs, numerics)
    }
}

/// Runs the training loop; what a killed run left in the folder is taken up again.
fn run(
    stage: &mut Stage<'_>,
    job: &Job<'_>,
    folder: &Path,
) -> Result<(Checkpoint, Vec<TrainingStep>), StudyError> {
    let objective = StudyObjective::new(&job.config.objective, job.teacher, stage)?;
    let student = job.from.checkpoint()?;
    stage.begin(&job.label, job.config.training.tokens.0)?;
    let (watch, events) = (&mut *stage.watch, &mut stage.events);
    let mut lost = None;
    let mut on_step = |step: &StepEvent| {
        watch.advance(step.tokens.0, &format!("tokens, loss {:.4}", step.loss));
        if let Err(error) = events.append(&family::event(&job.label, step, watch.now_ms())) {
            lost.get_or_insert(error);
        }
    };
    let context = TrainContext {
        device: stage.device.clone(),
        seed: job.seed,
        checkpoint_dir: folder,
        held_out: None,
        on_step: &mut on_step,
    };
    let trained = train(&student, &job.shard.sequences, &objective, &job.config.training, context);
    let failed = |source| StudyError::Train { student: job.from.name.clone(), source };
    let trained = trained.map_err(failed)?;
    match lost {
        Some(source) => Err(StudyError::Record { source }),
        None => Ok((trained.student, trained.steps)),
    }
}

/// The study's objective: a divergence from a live teacher, or the text alone.
struct StudyObjective {
    name: String,
    guide: Guide,
}

enum Guide {
    Teacher { teacher: Box<Decoder>, divergence: Divergence, device: Device },
    Text(LanguageModel),
}

impl StudyObjective {
    fn new(
        config: &ObjectiveConfig,
        teacher: &Model,
        stage: &Stage<'_>,
    ) -> Result<Self, StudyError> {
        let guide = match (config, config.divergence()) {
            (_, Some(divergence)) => Guide::Teacher {
                teacher: Box::new(teacher.decoder(stage.dtype, &stage.device)?),
                divergence,
                device: stage.device.clone(),
            },
            (ObjectiveConfig::LanguageModel {}, None) => Guide::Text(LanguageModel::default()),
            (other, None) => {
                let rule = format!("a study cannot train with objective {} yet", other.name());
                return Err(StudyError::Study { rule });
            }
        };
        let name = match &guide {
            Guide::Teacher { .. } => format!("{config} by {}", teacher.hash),
            Guide::Text(_) => config.to_string(),
        };
        Ok(Self { name, guide })
    }
}

impl Objective for StudyObjective {
    fn name(&self) -> &str {
        &self.name
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        match &self.guide {
            Guide::Text(text) => text.gradients(outputs),
            Guide::Teacher { teacher, divergence, device } => {
                let hidden = teacher.hidden(outputs.batch.inputs(device));
                let [rows, seq, d_model] = hidden.dims();
                let pair = HeadPair {
                    student_hidden: outputs.hidden,
                    student_head: outputs.head,
                    teacher_hidden: hidden.reshape([rows * seq, d_model]),
                    teacher_head: teacher.head(),
                    weights: outputs.batch.target_weights(),
                };
                Ok(divergence.gradients(&pair).into())
            }
        }
    }
}
