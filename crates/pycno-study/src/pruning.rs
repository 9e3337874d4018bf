//! A pruning as it is carried out: what `student.prune` says, with its plan read.

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
    /// A plan that was made before.
    Replay(PrunePlan),
}

impl Pruning {
    /// Reads the plan, if a plan is named; its path starts at the folder.
    pub(crate) fn resolve(
        section: &PruneSection,
        environment: &Environment,
        folder: &std::path::Path,
    ) -> Result<Self, StudyError> {
        let written = match section {
            PruneSection::Decide(config) => return Ok(Self::Decide(config.clone())),
            PruneSection::Replay { plan } => plan,
        };
        let path = environment.place(written, folder)?;
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| StudyError::Read { path: path.clone(), source })?;
        let plan = PrunePlan::parse(&text);
        plan.map(Self::Replay).map_err(|source| StudyError::Plan { path, source })
    }

    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Decide(config) => config.needs(),
            Self::Replay(_) => Needs::Nothing,
        }
    }

    pub(crate) fn version(&self) -> u32 {
        match self {
            Self::Decide(config) => config.version(),
            Self::Replay(_) => REPLAY,
        }
    }

    /// The shape that is left of a model.
    pub(crate) fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        match self {
            Self::Decide(config) => config.spec_after(spec),
            Self::Replay(plan) => plan.spec_after(spec),
        }
    }

    pub(crate) fn carry_out(
        &self,
        checkpoint: &Checkpoint,
        calibration: &mut dyn Calibration,
    ) -> Result<Pruned, PruneError> {
        match self {
            Self::Decide(config) => prune(checkpoint, config, calibration),
            Self::Replay(plan) => replay(checkpoint, plan.clone()),
        }
    }

    /// What the record says of it.
    pub(crate) fn step(&self) -> ModelStep {
        match self {
            Self::Decide(config) => steps::pruned(config),
            Self::Replay(plan) => steps::replayed(plan),
        }
    }

    /// What its stage's key says: as a study writes it, but of a plan its hash instead of its place.
    pub(crate) fn setting(&self) -> PruneSection {
        match self {
            Self::Decide(config) => PruneSection::Decide(config.clone()),
            Self::Replay(plan) => PruneSection::Replay { plan: plan.hash() },
        }
    }

    /// Who decides, in a word.
    pub(crate) fn decided_by(&self) -> &'static str {
        match self {
            Self::Decide(config) => config.criterion().method().name,
            Self::Replay(_) => "plan",
        }
    }
}
