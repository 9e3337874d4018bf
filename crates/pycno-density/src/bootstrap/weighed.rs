//! A weighed model, and student against teacher, draw by draw.

use std::collections::BTreeMap;

use pycno_units::Score;

use super::evidence::Level;
use crate::{
    Comparison, Density, DensityError,
    interval::{self, Draws, difference},
    paired::holm,
};

/// A model's density over the tasks' mean score and on each task.
#[derive(Clone, Debug)]
pub struct Weighed {
    /// By the law of the mean score.
    pub overall: Weight,
    /// By each task's own law.
    pub by_task: BTreeMap<String, Weight>,
    pub(super) identity: String,
    pub(super) groups: BTreeMap<String, Option<Vec<Vec<usize>>>>,
}

/// One density with its draws.
#[derive(Clone, Debug)]
pub struct Weight {
    /// The score weighed.
    pub score: Score,
    /// Its density, with the percentile interval.
    pub density: Density,
    /// What the interval contains of the score's error.
    pub level: Level,
    /// `ln` density by draw.
    pub(super) draws: Draws,
}

/// Student against teacher, over all tasks and on each.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// By the law of the mean score.
    pub overall: Comparison,
    /// By each task's own law.
    pub by_task: BTreeMap<String, Comparison>,
    /// Two-sided bootstrap p of equal density by task, adjusted over the tasks by Holm's method.
    pub adjusted_p: BTreeMap<String, f64>,
    /// Whether the models shared the draws of their items.
    pub paired: bool,
}

impl Weighed {
    /// Compares a student with this teacher, draw by draw.
    ///
    /// With items on both sides the items must be the same; with scores on a side the ruler's draws
    /// are still shared, and the scores' errors are taken for independent.
    ///
    /// # Errors
    ///
    /// [`DensityError::NotPaired`] unless both were weighed with the same draws and, where both have
    /// items, on equally many items of the same strata.
    pub fn compare(&self, student: &Self) -> Result<Compared, DensityError> {
        let differ = |what, teacher: &dyn std::fmt::Debug, student: &dyn std::fmt::Debug| {
            let (teacher, student) = (format!("{teacher:?}"), format!("{student:?}"));
            Err(DensityError::NotPaired { what, teacher, student })
        };
        if self.identity != student.identity {
            return differ("ruler draws", &self.identity, &student.identity);
        }
        let groups = || self.groups.values().zip(student.groups.values());
        if groups().any(|(a, b)| a.is_some() && b.is_some() && a != b) {
            return differ("items", &self.counts(), &student.counts());
        }
        let by_task = || self.by_task.iter().zip(student.by_task.values());
        let p: Vec<f64> = by_task().map(|((_, a), b)| a.p_value(b)).collect();
        let adjusted = by_task().map(|((name, _), _)| name.clone()).zip(holm(&p)?);
        Ok(Compared {
            overall: self.overall.compare(&student.overall),
            by_task: by_task().map(|((name, a), b)| (name.clone(), a.compare(b))).collect(),
            adjusted_p: adjusted.collect(),
            paired: groups().all(|(a, b)| a.is_some() && b.is_some()),
        })
    }

    fn counts(&self) -> Vec<Vec<usize>> {
        let count = |groups: &Vec<Vec<usize>>| groups.iter().map(Vec::len).collect();
        self.groups.values().map(|groups| groups.as_ref().map_or_else(Vec::new, count)).collect()
    }
}

impl Weight {
    /// The interval corrected for bias and acceleration (Efron 1987); `None` where the score has no
    /// size or an end falls outside the draws.
    pub fn bca(&self) -> Option<crate::Interval> {
        interval::bca(&self.draws)
    }

    /// Share of draws that another basin of the ruler's loss law fits better than the one used.
    pub const fn other_basin(&self) -> f64 {
        self.draws.elsewhere
    }

    fn compare(&self, student: &Self) -> Comparison {
        let log_ratios = self.log_ratios(&student.draws.logs);
        let over_runs = self.log_ratios(&student.draws.over_runs);
        let ratio = student.density.density.zip(self.density.density).map(|(s, t)| s / t);
        Comparison {
            ratio,
            interval: interval::interval(&log_ratios),
            over_runs: Some(interval::interval(&over_runs)),
            verdict: interval::verdict(&log_ratios),
        }
    }

    fn p_value(&self, student: &Self) -> f64 {
        interval::p_value(&self.log_ratios(&student.draws.logs))
    }

    /// Draws of a student over those of this teacher. The teacher's deviation stays in: students are made from this very model.
    fn log_ratios(&self, student: &[Option<f64>]) -> Vec<Option<f64>> {
        let pairs = student.iter().zip(&self.draws.logs);
        pairs.map(|(s, t)| difference(*s, *t)).collect()
    }
}
