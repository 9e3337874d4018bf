//! Paired bootstrap: one set of ruler draws and item draws weighs every model of a study.
//!
//! A draw gives the reference runs and the points of the score curves new noise, refits every law
//! within the basin of its fit, and redraws the items of each task. All models weighed with the same
//! [`RulerDraws`] share both, so the ratio of two densities is far tighter than either.

mod evidence;
mod laws;
mod run_variance;
mod weighed;
mod wild;

use std::collections::BTreeMap;

use pycno_units::{ParamCount, Seed};
use rand::{SeedableRng as _, rngs::Xoshiro256PlusPlus};
use rayon::prelude::*;

pub use evidence::{Evidence, Level, ScoreError, ScoreSummary};
pub use weighed::{Compared, Weighed, Weight};

use crate::{
    Constants, Density, DensityError, Effective, Ruler, ScoreLaw, TaskSpec,
    interval::{Draws, interval},
    items::score,
    law::checked_size,
};
use evidence::Known;
use laws::LawDraws;

/// Draws of a study: 2,000, as `scaling-fits` asks for (at least 1,000).
pub const DEFAULT_DRAWS: usize = 2_000;
/// Under this a 2.5 % tail is not told by two draws.
const MIN_DRAWS: usize = 80;

/// The laws of some tasks and of their mean, each refitted in every draw.
#[derive(Clone, Debug)]
pub struct RulerDraws {
    seed: Seed,
    /// What makes two sets of draws the same: ruler, seed, count and tasks.
    identity: String,
    draws: usize,
    tasks: Vec<(TaskSpec, LawDraws)>,
    mean: (TaskSpec, LawDraws),
}

/// A model to be weighed: its size by the ruler's convention, and what is known of its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Name; scores without items are drawn by it.
    pub name: String,
    /// Actual size.
    pub params: ParamCount,
    /// Evidence by task: exactly the tasks of the draws, in any order.
    pub tasks: Vec<Evidence>,
}

/// A model's scores under one law: the score as measured, redrawn, and by unit.
struct Scores<'a> {
    /// Seed and name that the model's deviation is drawn by.
    model: (Seed, &'a str),
    percent: f64,
    redrawn: &'a [f64],
    influences: &'a [f64],
    level: Level,
}

impl RulerDraws {
    /// Refits the laws of the named tasks and of their mean in every draw.
    ///
    /// # Errors
    ///
    /// [`DensityError::Draws`] for fewer than 80 draws, and those of [`Ruler::mean_law`].
    pub fn new(
        ruler: &Ruler,
        tasks: &[&str],
        seed: Seed,
        draws: usize,
    ) -> Result<Self, DensityError> {
        if draws < MIN_DRAWS {
            return Err(DensityError::Draws { needed: MIN_DRAWS, found: draws });
        }
        let mut names = tasks.to_vec();
        names.sort_unstable();
        let identity = format!("{} seed {} draws {draws} {names:?}", ruler.hash(), seed.0);
        let of = |names: &[&str]| {
            let measured = ruler.measured(names)?;
            let drawn = LawDraws::new(&measured, seed, draws)?;
            Ok((measured.spec, drawn))
        };
        let mean = of(&names)?;
        let by_task = names.iter().map(|name| of(&[name]));
        let tasks = by_task.collect::<Result<Vec<_>, DensityError>>()?;
        Ok(Self { seed, identity, draws, tasks, mean })
    }

    /// The law of the mean score and its constants by draw, `None` where a refit failed.
    pub(crate) fn mean_draws(&self) -> (ScoreLaw, &[Option<Constants>]) {
        (self.mean.1.law, &self.mean.1.constants)
    }

    /// A task's law and its constants by draw.
    pub(crate) fn task_draws(
        &self,
        name: &str,
    ) -> Result<(ScoreLaw, &[Option<Constants>]), DensityError> {
        let task = self.tasks.iter().find(|(spec, _)| spec.name == name);
        let (_, drawn) = task.ok_or_else(|| DensityError::UnknownTask {
            task: name.to_owned(),
            known: self.tasks.iter().map(|(spec, _)| spec.name.clone()).collect(),
        })?;
        Ok((drawn.law, &drawn.constants))
    }

    /// Weighs a model: the mean score over the tasks, and each task alone.
    ///
    /// # Errors
    ///
    /// [`DensityError::Tasks`] unless the model has exactly the tasks of the draws;
    /// [`DensityError::Size`], [`DensityError::Metric`], [`DensityError::NoItems`],
    /// [`DensityError::Item`], [`DensityError::Stderr`] and [`DensityError::Strata`] by its data.
    pub fn weigh(&self, subject: &Subject) -> Result<Weighed, DensityError> {
        checked_size(subject.params)?;
        let known = self.known(subject)?;
        let row = |draw| self.redrawn(&known, &subject.name, draw);
        let rows: Vec<Vec<f64>> = (0..self.draws).into_par_iter().map(row).collect();
        let mut by_task = BTreeMap::new();
        for (i, (spec, law)) in self.tasks.iter().enumerate() {
            let column: Vec<f64> = rows.iter().map(|row| row[i]).collect();
            let scores = Scores {
                model: (self.seed, &subject.name),
                percent: known[i].percent(),
                redrawn: &column,
                influences: &known[i].influences(),
                level: known[i].level(),
            };
            by_task.insert(spec.name.clone(), law.weight(subject.params, &scores)?);
        }
        let groups = self.tasks.iter().zip(&known);
        let groups =
            groups.map(|((spec, _), known)| (spec.name.clone(), known.groups().map(<[_]>::to_vec)));
        let identity = self.identity.clone();
        let groups = groups.collect();
        Ok(Weighed { overall: self.overall(subject, &known, &rows)?, by_task, identity, groups })
    }

    /// The mean score, weighed by its own law.
    fn overall(
        &self,
        subject: &Subject,
        known: &[Known],
        rows: &[Vec<f64>],
    ) -> Result<Weight, DensityError> {
        let (_, law) = &self.mean;
        let percents: Vec<f64> = known.iter().map(Known::percent).collect();
        let percent = self.mean_of(&percents)?;
        let redrawn = rows.iter().map(|row| self.mean_of(row)).collect::<Result<Vec<_>, _>>()?;
        // The mean is linear in the scores: a point more on one task moves it by the task's share.
        let mut influences = Vec::new();
        for (i, known) in known.iter().enumerate() {
            let mut more = percents.clone();
            more[i] += 1.0;
            let share = self.mean_of(&more)? - percent;
            influences.extend(known.influences().into_iter().map(|x| x * share));
        }
        let level = known.iter().map(Known::level).max();
        let level = level.ok_or(DensityError::NoTasks)?;
        let (model, redrawn) = ((self.seed, subject.name.as_str()), &redrawn[..]);
        let scores = Scores { model, percent, redrawn, influences: &influences, level };
        law.weight(subject.params, &scores)
    }

    /// The mean of values in the order of the tasks, as the ruler takes it.
    fn mean_of(&self, values: &[f64]) -> Result<f64, DensityError> {
        let index = |task: &str| self.tasks.iter().position(|(spec, _)| spec.name == task);
        let value = self.mean.0.value(|task| index(task).map(|i| values[i]));
        value.ok_or(DensityError::NoTasks)
    }

    /// The subject's evidence in the order of the tasks.
    fn known(&self, subject: &Subject) -> Result<Vec<Known>, DensityError> {
        let of = |(spec, _): &(TaskSpec, LawDraws)| {
            let given = subject.tasks.iter().find(|given| given.task() == spec.name);
            given.map(|given| Known::new(given, spec))
        };
        match self.tasks.iter().map(of).collect::<Option<Vec<_>>>() {
            Some(known) if subject.tasks.len() == known.len() => known.into_iter().collect(),
            _ => Err(DensityError::Tasks {
                expected: self.tasks.iter().map(|(spec, _)| spec.name.clone()).collect(),
                found: subject.tasks.iter().map(|given| given.task().to_owned()).collect(),
            }),
        }
    }

    /// Percent of every task in one draw.
    fn redrawn(&self, known: &[Known], model: &str, draw: usize) -> Vec<f64> {
        let percent = |(known, (spec, _)): (&Known, &(TaskSpec, LawDraws))| {
            known.redrawn(self.seed, (&spec.name, model), draw)
        };
        known.iter().zip(&self.tasks).map(percent).collect()
    }
}

impl LawDraws {
    /// Weighs a score and its draws.
    fn weight(&self, params: ParamCount, scores: &Scores<'_>) -> Result<Weight, DensityError> {
        let measured = score(scores.percent)?;
        let effective = self.law.effective(measured);
        let draws = self.log_densities(params, scores);
        let density = Density {
            density: Effective::params(&effective).map(|size| size.0 / params.0),
            effective,
            interval: interval(&draws.logs),
            over_runs: Some(interval(&draws.over_runs)),
            sensitivity: self.law.sensitivity(measured),
        };
        Ok(Weight { score: measured, density, level: scores.level, draws })
    }

    fn log_densities(&self, params: ParamCount, scores: &Scores<'_>) -> Draws {
        let ln_tokens = self.law.ln_tokens();
        let ln_actual = params.0.ln();
        let log = |constants: &Constants, percent: f64| {
            constants.ln_params(percent, ln_tokens) - ln_actual
        };
        let pairs = || self.constants.iter().zip(scores.redrawn);
        let (seed, model) = scores.model;
        let over_runs = |(draw, (constants, percent)): (usize, (&Option<Constants>, &f64))| {
            let deviation = self.scatter.draw(seed, model, draw);
            let size = self.scatter.ln_params(constants.as_ref()?, *percent, ln_tokens, deviation);
            Some(size - ln_actual)
        };
        let point = self.law.ln_params(scores.percent) - ln_actual;
        let slope = self.law.sensitivity_at(scores.percent).unwrap_or(0.0);
        let without: Vec<f64> = self.left_out.iter().map(|c| log(c, scores.percent)).collect();
        let mean = without.iter().sum::<f64>() / without.len() as f64;
        let n = without.len() as f64;
        let of_runs = without.iter().map(|x| (n - 1.0) / n * (mean - x));
        let of_items = scores.influences.iter().map(|x| slope * x);
        Draws {
            logs: pairs().map(|(c, percent)| c.as_ref().map(|c| log(c, *percent))).collect(),
            over_runs: pairs().enumerate().map(over_runs).collect(),
            point,
            influences: of_runs.chain(of_items).collect(),
            elsewhere: self.elsewhere,
        }
    }
}

/// The generator of one named draw: order-free, and stable across versions of `rand`.
pub(crate) fn generator(seed: Seed, name: &str) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed.split(name).0)
}
