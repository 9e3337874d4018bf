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
    /// Standard error in percent points: given, or that of a share of right items.
    fn stderr(&self) -> Result<Option<f64>, DensityError> {
        let task = || self.task.clone();
        match self.error {
            ScoreError::Unknown => Ok(None),
            ScoreError::Items(0) => Err(DensityError::NoItems { task: task() }),
            ScoreError::Items(n) => Ok(Some(stderr_of(self.score.share(), n as f64))),
            ScoreError::Stderr(found) if found.is_finite() && found >= 0.0 => Ok(Some(found)),
            ScoreError::Stderr(found) => Err(DensityError::Stderr { task: task(), found }),
        }
    }
}

/// Standard error, percent points, of a share of `n` items that are right or wrong, with two more right and two more
/// wrong (Agresti and Coull 1998), so that 0 of 20 is not taken for certain.
fn stderr_of(share: f64, n: f64) -> f64 {
    let share = (share * n + 2.0) / (n + 4.0);
    100.0 * (share * (1.0 - share) / (n + 4.0)).sqrt()
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
            // Redrawn, they would be the same every time, and the score certain.
            Self::Items(items) if items.are_unanimous() => {
                let percent = items.percent();
                let stderr = stderr_of(percent / 100.0, items.len() as f64);
                drawn((percent, Some(stderr)), seed, (task, model), draw)
            }
            Self::Items(items) => {
                items.redrawn(&mut generator(seed, &format!("items/{task}/{draw}")))
            }
            Self::Score { percent, stderr } => {
                drawn((*percent, *stderr), seed, (task, model), draw)
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

/// A score drawn from its standard error.
fn drawn(
    (percent, stderr): (f64, Option<f64>),
    seed: Seed,
    (task, model): (&str, &str),
    draw: usize,
) -> f64 {
    let error = stderr.and_then(|stderr| Normal::new(0.0, stderr).ok());
    let mut rng = generator(seed, &format!("scores/{model}/{task}/{draw}"));
    percent + error.map_or(0.0, |error| error.sample(&mut rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DirectRecipe, Recipe};

    fn known(results: &[f64]) -> Known {
        let floor = Score::from_percent(0.0).unwrap();
        let recipe = Recipe::Direct(DirectRecipe { floor, ceiling: None, suites: Vec::new() });
        let (name, metric) = ("quiz".to_owned(), "acc".to_owned());
        let spec = TaskSpec { name, metric, mean_of: Vec::new(), recipe, published: None };
        let (task, metric) = ("quiz".to_owned(), "acc".to_owned());
        let items = ItemResults { task, metric, results: results.to_vec(), strata: None };
        Known::new(&items.into(), &spec).unwrap()
    }

    fn draws(known: &Known, model: &str) -> Vec<f64> {
        (0..200).map(|draw| known.redrawn(Seed(3), ("quiz", model), draw)).collect()
    }

    #[test]
    fn none_or_all_right_of_a_few_is_not_certain() {
        let stderr = stderr_of(0.0, 12.0);
        assert!((stderr - 8.2680).abs() < 1e-4, "2 of 16: {stderr}");
        for (result, percent) in [(0.0, 0.0), (1.0, 100.0)] {
            let known = known(&[result; 12]);
            assert_eq!(known.level(), Level::Items);
            let found = draws(&known, "a");
            let spread = found.iter().map(|x| (x - percent).powi(2)).sum::<f64>() / 200.0;
            assert!((spread.sqrt() / stderr - 1.0).abs() < 0.2, "{spread}");
            assert_ne!(found, draws(&known, "b"), "two such models share nothing");
        }
    }

    #[test]
    fn models_on_the_same_items_share_the_draws() {
        let mixed = known(&[1.0, 0.0, 1.0, 1.0]);
        assert_eq!(draws(&mixed, "a"), draws(&mixed, "b"));
    }
}
