//! What is known of a model on a task: every item, or a score with its error, or a score alone.

use pycno_units::{Score, Seed};
use rand_distr::{Distribution as _, Normal};

use super::generator;
use crate::{
    DensityError, TaskSpec,
    items::{ItemResults, Items},
};

/// What is known of a model on one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// The result of every item.
    Items(ItemResults),
    /// A score, and its standard error where known.
    Score(ScoreSummary),
}

/// A score without its items.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreSummary {
    /// Name of the task, as on the ruler.
    pub task: String,
    /// The score.
    pub score: Score,
    /// Its error; without one no interval can be given.
    pub error: ScoreError,
}

/// What is known of the error of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreError {
    /// Standard error in percent points.
    Stderr(f64),
    /// Number of right-or-wrong items.
    Items(u64),
    /// Nothing.
    Unknown,
}

/// How much of a score's error an interval contains.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Items were redrawn; models on the same items share the draws.
    Items,
    /// Scores were drawn from their standard errors, each model by itself.
    Scores,
    /// A score without an error: no interval.
    Exact,
}

/// Checked evidence.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Items(Items),
    Score { percent: f64, stderr: Option<f64> },
}

impl From<ItemResults> for Evidence {
    fn from(items: ItemResults) -> Self {
        Self::Items(items)
    }
}

impl Evidence {
    /// The task it is about.
    pub fn task(&self) -> &str {
        match self {
            Self::Items(items) => &items.task,
            Self::Score(score) => &score.task,
        }
    }
}

impl ScoreSummary {
    /// Standard error in percent points: given, or that of a share of right items, with two more
    /// right and two more wrong (Agresti and Coull 1998), so that 0 of 20 is not taken for certain.
    fn stderr(&self) -> Result<Option<f64>, DensityError> {
        let task = || self.task.clone();
        match self.error {
            ScoreError::Unknown => Ok(None),
            ScoreError::Items(0) => Err(DensityError::NoItems { task: task() }),
            ScoreError::Items(n) => {
                let n = n as f64;
                let share = (self.score.share() * n + 2.0) / (n + 4.0);
                Ok(Some(100.0 * (share * (1.0 - share) / (n + 4.0)).sqrt()))
            }
            ScoreError::Stderr(found) if found.is_finite() && found >= 0.0 => Ok(Some(found)),
            ScoreError::Stderr(found) => Err(DensityError::Stderr { task: task(), found }),
        }
    }
}

impl Known {
    pub(crate) fn new(evidence: &Evidence, spec: &TaskSpec) -> Result<Self, DensityError> {
        Ok(match evidence {
            Evidence::Items(items) => Self::Items(Items::new(items, spec)?),
            Evidence::Score(score) => {
                Self::Score { percent: score.score.percent(), stderr: score.stderr()? }
            }
        })
    }

    pub(crate) const fn level(&self) -> Level {
        match self {
            Self::Items(_) => Level::Items,
            Self::Score { stderr: Some(_), .. } => Level::Scores,
            Self::Score { stderr: None, .. } => Level::Exact,
        }
    }

    /// Score in percent.
    pub(crate) fn percent(&self) -> f64 {
        match self {
            Self::Items(items) => items.percent(),
            Self::Score { percent, .. } => *percent,
        }
    }

    /// The score in one draw. Items depend on the task alone, so that two models share them; scores
    /// depend on the model too, as nothing is known of what they share.
    pub(crate) fn redrawn(&self, seed: Seed, (task, model): (&str, &str), draw: usize) -> f64 {
        match self {
            Self::Items(items) => {
                items.redrawn(&mut generator(seed, &format!("items/{task}/{draw}")))
            }
            Self::Score { percent, stderr } => {
                let error = stderr.and_then(|stderr| Normal::new(0.0, stderr).ok());
                let mut rng = generator(seed, &format!("scores/{model}/{task}/{draw}"));
                percent + error.map_or(0.0, |error| error.sample(&mut rng))
            }
        }
    }

    /// What each unit adds to the score's error, percent points: the jackknife's influences.
    pub(crate) fn influences(&self) -> Vec<f64> {
        match self {
            Self::Items(items) => items.influences(),
            Self::Score { .. } => Vec::new(),
        }
    }

    /// Positions that belong together, where there are items.
    pub(crate) fn groups(&self) -> Option<&[Vec<usize>]> {
        match self {
            Self::Items(items) => Some(items.groups()),
            Self::Score { .. } => None,
        }
    }
}
