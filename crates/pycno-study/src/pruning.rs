//! A pruning as it is carried out: what `student.prune` says, with its plan read.

use std::path::{Path, PathBuf};

use pycno_model::{Checkpoint, ModelSpec};
use pycno_prune::{Calibration, Needs, PruneConfig, PruneError, PrunePlan, Pruned, prune, replay};
use pycno_record::ModelStep;

use crate::{Environment, StudyError, config::PruneSection, steps};

/// Version of [`replay()`], part of the key of its stage.
const REPLAY: u32 = 1;

/// What to prune, and who decides.
#[derive(Clone, Debug)]
pub(crate) enum Pruning {
    /// A criterion.
    Decide(PruneConfig),
    /// A plan that was made before, and its file.
    Replay(PrunePlan, PathBuf),
}

impl Pruning {
    /// Reads the plan, if a plan is named; its path starts at the folder.
    pub(crate) fn resolve(
        section: &PruneSection,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Self, StudyError> {
        let written = match section {
            PruneSection::Decide(config) => return Ok(Self::Decide(config.clone())),
            PruneSection::Replay { plan } => plan,
        };
        let path = environment.place(written, folder)?;
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| StudyError::Read { path: path.clone(), source })?;
        match PrunePlan::parse(&text) {
            Ok(plan) => Ok(Self::Replay(plan, path)),
            Err(source) => Err(StudyError::Plan { path, source }),
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Decide(config) => config.needs(),
            Self::Replay(..) => Needs::Nothing,
        }
    }

    pub(crate) fn version(&self) -> u32 {
        match self {
            Self::Decide(config) => config.version(),
            Self::Replay(..) => REPLAY,
        }
    }

    /// The shape that is left of a model.
    pub(crate) fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        match self {
            Self::Decide(config) => config.spec_after(spec),
            Self::Replay(plan, _) => {
                plan.expect_parts_alone()?;
                plan.spec_after(spec)
            }
        }
    }

    pub(crate) fn carry_out(
        &self,
        checkpoint: &Checkpoint,
        calibration: &mut dyn Calibration,
    ) -> Result<Pruned, PruneError> {
        match self {
            Self::Decide(config) => prune(checkpoint, config, calibration),
            Self::Replay(plan, _) => replay(checkpoint, plan.clone()),
        }
    }

    /// What the record says of it.
    pub(crate) fn step(&self) -> ModelStep {
        match self {
            Self::Decide(config) => steps::pruned(config),
            Self::Replay(plan, _) => steps::replayed(plan),
        }
    }

    /// What its stage's key says: as a study writes it, but of a plan its hash instead of its place.
    pub(crate) fn setting(&self) -> PruneSection {
        match self {
            Self::Decide(config) => PruneSection::Decide(config.clone()),
            Self::Replay(plan, _) => PruneSection::Replay { plan: plan.hash() },
        }
    }

    /// What went wrong with it, where a plan is followed with the plan's name.
    pub(crate) fn refused(&self, student: &str, source: PruneError) -> StudyError {
        match self {
            Self::Decide(_) => StudyError::Prune { student: student.to_owned(), source },
            Self::Replay(_, path) => StudyError::Plan { path: path.clone(), source },
        }
    }

    /// Who decides, in a word.
    pub(crate) fn decided_by(&self) -> &'static str {
        match self {
            Self::Decide(config) => config.criterion().method().name,
            Self::Replay(..) => "plan",
        }
    }
}
