//! Per-item results of one model on one task, and their resampling.

use std::collections::BTreeMap;

use pycno_units::Score;
use rand::{RngExt, rngs::Xoshiro256PlusPlus};

use crate::{DensityError, TaskSpec};

/// Per-item results of one model on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemResults {
    /// Name of the task, as on the ruler.
    pub task: String,
    /// Metric, as on the ruler.
    pub metric: String,
    /// One entry an item, in `[0, 1]`: 1 where right, 0 where wrong, or a graded result.
    pub results: Vec<f64>,
    /// Stratum of each item (BLiMP: its paradigm). The score is then the unweighted mean over
    /// strata of the mean within each; without strata, the mean over items.
    pub strata: Option<Vec<String>>,
}

/// Checked items: results in the order given, and the positions that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    results: Vec<f64>,
    groups: Vec<Vec<usize>>,
}

impl Items {
    pub(crate) fn new(given: &ItemResults, spec: &TaskSpec) -> Result<Self, DensityError> {
        let task = || given.task.clone();
        if given.metric != spec.metric {
            let (expected, found) = (spec.metric.clone(), given.metric.clone());
            return Err(DensityError::Metric { task: task(), expected, found });
        }
        if given.results.is_empty() {
            return Err(DensityError::NoItems { task: task() });
        }
        let outside = |found: &f64| !(0.0..=1.0).contains(found);
        if let Some(index) = given.results.iter().position(outside) {
            return Err(DensityError::Item { task: task(), index, found: given.results[index] });
        }
        Ok(Self { results: given.results.clone(), groups: groups(given)? })
    }

    /// The positions of each stratum: what two models on the same items share.
    pub(crate) fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.results.len()
    }

    /// Whether all are right, or all wrong.
    pub(crate) fn are_unanimous(&self) -> bool {
        self.results.iter().all(|result| *result <= 0.0)
            || self.results.iter().all(|result| *result >= 1.0)
    }

    /// Score in percent: mean over strata of their means.
    pub(crate) fn percent(&self) -> f64 {
        self.mean_of_means(|group| group.iter().map(|i| self.results[*i]).sum())
    }

    /// The same with items redrawn within each stratum. The random numbers used depend on the
    /// strata alone, so equal generators draw the same items for teacher and student.
    pub(crate) fn redrawn(&self, rng: &mut Xoshiro256PlusPlus) -> f64 {
        self.mean_of_means(|group| {
            group.iter().map(|_| self.results[group[rng.random_range(0..group.len())]]).sum()
        })
    }

    /// What each item adds to the error of the score, percent points: its distance from the mean of
    /// its stratum, by its weight in the score.
    pub(crate) fn influences(&self) -> Vec<f64> {
        let mut influences = vec![0.0; self.results.len()];
        for group in &self.groups {
            let n = group.len() as f64;
            let mean = group.iter().map(|i| self.results[*i]).sum::<f64>() / n;
            for i in group {
                influences[*i] = 100.0 * (self.results[*i] - mean) / n / self.groups.len() as f64;
            }
        }
        influences
    }

    fn mean_of_means(&self, mut sum: impl FnMut(&[usize]) -> f64) -> f64 {
        let total: f64 = self.groups.iter().map(|group| sum(group) / group.len() as f64).sum();
        100.0 * total / self.groups.len() as f64
    }
}

fn groups(given: &ItemResults) -> Result<Vec<Vec<usize>>, DensityError> {
    let items = given.results.len();
    let Some(strata) = &given.strata else { return Ok(vec![(0..items).collect()]) };
    if strata.len() != items {
        let task = given.task.clone();
        return Err(DensityError::Strata { task, items, strata: strata.len() });
    }
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, stratum) in strata.iter().enumerate() {
        groups.entry(stratum).or_default().push(index);
    }
    Ok(groups.into_values().collect())
}

/// The score of a percentage that rounding may have pushed past a border.
pub(crate) fn score(percent: f64) -> Result<Score, DensityError> {
    let constant = |_| DensityError::Constant {
        constant: "score",
        allowed: "in [0, 100] percent",
        found: percent,
    };
    Score::from_percent(percent.clamp(0.0, 100.0)).map_err(constant)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::{DirectRecipe, Recipe};

    fn spec() -> TaskSpec {
        let floor = Score::from_percent(50.0).unwrap();
        let recipe = DirectRecipe { floor, ceiling: None, suites: vec!["a".to_owned()] };
        let (name, metric) = ("pairs".to_owned(), "acc".to_owned());
        let recipe = Recipe::Direct(recipe);
        TaskSpec { name, metric, mean_of: Vec::new(), recipe, published: None }
    }

    fn items(results: &[f64], strata: Option<&[&str]>) -> ItemResults {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (task, metric) = ("pairs".to_owned(), "acc".to_owned());
        ItemResults { task, metric, results: results.to_vec(), strata: strata.map(own) }
    }

    #[track_caller]
    fn check(results: &[f64], strata: Option<&[&str]>, expect: f64) {
        let found = Items::new(&items(results, strata), &spec()).unwrap().percent();
        assert!((found - expect).abs() < 1e-12, "{found}");
    }

    #[test]
    fn strata_weigh_alike_however_many_items_they_have() {
        check(&[1.0, 0.0, 0.0, 0.0], None, 25.0);
        check(&[1.0, 0.0, 0.0, 0.0], Some(&["b", "a", "a", "a"]), 50.0);
        check(&[0.5, 1.0], Some(&["a", "a"]), 75.0);
    }

    #[test]
    fn redrawing_keeps_to_the_strata() {
        let constant = items(&[1.0, 0.0, 0.0], Some(&["b", "a", "a"]));
        let constant = Items::new(&constant, &spec()).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        assert!((0..50).all(|_| (constant.redrawn(&mut rng) - 50.0).abs() < 1e-12));
    }

    #[test]
    fn impossible_items_are_refused() {
        let of = |given: ItemResults| Items::new(&given, &spec()).unwrap_err();
        assert!(matches!(of(items(&[], None)), DensityError::NoItems { .. }));
        assert!(matches!(of(items(&[0.5, 1.5], None)), DensityError::Item { index: 1, .. }));
        assert!(matches!(of(items(&[f64::NAN], None)), DensityError::Item { index: 0, .. }));
        let short = items(&[1.0, 0.0], Some(&["a"]));
        assert!(matches!(of(short), DensityError::Strata { strata: 1, .. }));
        let other = ItemResults { metric: "acc_norm".to_owned(), ..items(&[1.0], None) };
        assert!(matches!(of(other), DensityError::Metric { .. }));
    }
}
