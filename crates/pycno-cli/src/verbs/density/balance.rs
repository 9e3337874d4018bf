//! Weighing: by the laws alone, and by their draws where the errors of the scores are known.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use pycno_density::{
    Effective, Evidence, Interval, Level, MeanLaw, Ruler, RulerDraws, ScoreError, ScoreLaw,
    ScoreSummary, Subject, Weighed, Weight,
};
use pycno_study::{StudyError, shipped};
use pycno_units::{ParamCount, Score, Seed};

use crate::args::{Basin, DensityArguments};

/// A ruler with its draws, made once for each set of tasks.
pub(super) struct Balance {
    pub(super) ruler: Ruler,
    pub(super) basin: Basin,
    pub(super) draws: usize,
    pub(super) seed: Seed,
    drawn: BTreeMap<Vec<String>, RulerDraws>,
}

/// A score on one law.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The task, or the name of the mean.
    pub(super) of: String,
    pub(super) score: Score,
    pub(super) error: ScoreError,
    pub(super) effective: Effective,
    /// Effective size over actual size, where there is one.
    pub(super) density: Option<f64>,
    /// `d ln N / dS` per percent point.
    pub(super) sensitivity: Option<f64>,
    /// Percentile interval of the density; none where the score's error is unknown.
    pub(super) interval: Option<Interval>,
    /// The same with run-to-run variance: the prediction interval over runs.
    pub(super) over_runs: Option<Interval>,
    /// The first, corrected for bias and acceleration.
    pub(super) bca: Option<Interval>,
    /// Share of draws that another basin fits better.
    pub(super) elsewhere: Option<f64>,
}

/// A model on a ruler.
pub(super) struct Weighing {
    pub(super) params: ParamCount,
    pub(super) tasks: Vec<Reading>,
    /// By the law of the mean score over several tasks.
    pub(super) overall: Option<Reading>,
    /// Why several tasks have no such law.
    pub(super) note: Option<String>,
    /// With draws, for comparing: over all tasks, or task by task where there is no overall law.
    pub(super) weighed: Vec<Weighed>,
}

impl Balance {
    /// The ruler that the flags name, in the basin and at the token count they ask for.
    pub(super) fn new(arguments: &DensityArguments) -> anyhow::Result<Self> {
        let mut ruler = ruler(&arguments.ruler)?;
        if arguments.basin == Basin::Other {
            ruler = ruler.in_other_basin().context("--basin other")?;
        }
        if let Some(tokens) = arguments.tokens {
            ruler = ruler.at_tokens(tokens).with_context(|| format!("--tokens {tokens}"))?;
        }
        let (basin, draws, seed) = (arguments.basin, arguments.draws, Seed(arguments.seed));
        Ok(Self { ruler, basin, draws, seed, drawn: BTreeMap::new() })
    }

    /// Weighs a model by its scores.
    pub(super) fn weigh(
        &mut self,
        name: &str,
        params: ParamCount,
        scores: &[ScoreSummary],
    ) -> anyhow::Result<Weighing> {
        let mut tasks = Vec::new();
        for score in scores {
            let law = self.ruler.task(&score.task)?.law;
            tasks.push(Reading::new(score, &law, params));
        }
        let (mut overall, note) = match self.mean(scores) {
            None => (None, None),
            Some(Err(note)) => (None, Some(note)),
            Some(Ok(mean)) => (Some(Reading::of_mean(&mean, scores, params)?), None),
        };
        let known = |score: &ScoreSummary| score.error != ScoreError::Unknown;
        let mut weighed = Vec::new();
        if scores.iter().any(known) {
            let joint = note.is_none();
            let sets: Vec<&[ScoreSummary]> =
                if joint { vec![scores] } else { scores.chunks(1).collect() };
            for set in sets.into_iter().filter(|set| set.iter().any(known)) {
                weighed.push(self.draws(set)?.weigh(&subject(name, params, set))?);
            }
        }
        for one in &weighed {
            for reading in &mut tasks {
                one.by_task.get(&reading.of).into_iter().for_each(|weight| reading.with(weight));
            }
            if let Some(reading) = &mut overall {
                reading.with(&one.overall);
            }
        }
        Ok(Weighing { params, tasks, overall, note, weighed })
    }

    /// The law of the mean over several tasks, or why there is none; `None` for one task.
    fn mean(&self, scores: &[ScoreSummary]) -> Option<Result<MeanLaw, String>> {
        let names: Vec<&str> = scores.iter().map(|score| score.task.as_str()).collect();
        if names.len() < 2 {
            return None;
        }
        let found = self.ruler.mean_law(&names).map_err(|error| error.to_string());
        Some(found.and_then(|mean| {
            let of_ruler = self.ruler.task_names().contains(&mean.spec.name.as_str());
            // A law fitted here takes the basin of its recipe, not the one asked for.
            if of_ruler || self.basin == Basin::Chosen {
                Ok(mean)
            } else {
                Err("the ruler's file has no law of this mean in another basin".to_owned())
            }
        }))
    }

    fn draws(&mut self, scores: &[ScoreSummary]) -> anyhow::Result<&RulerDraws> {
        let names: Vec<&str> = scores.iter().map(|score| score.task.as_str()).collect();
        let key: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(match self.drawn.entry(key) {
            std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::btree_map::Entry::Vacant(empty) => {
                empty.insert(RulerDraws::new(&self.ruler, &names, self.seed, self.draws)?)
            }
        })
    }
}

impl Reading {
    fn new(given: &ScoreSummary, law: &ScoreLaw, params: ParamCount) -> Self {
        let ScoreSummary { task, score, error } = given;
        let effective = law.effective(*score);
        Self {
            of: task.clone(),
            score: *score,
            error: *error,
            density: Effective::params(&effective).map(|size| size.0 / params.0),
            effective,
            sensitivity: law.sensitivity(*score),
            interval: None,
            over_runs: None,
            bca: None,
            elsewhere: None,
        }
    }

    fn of_mean(
        mean: &MeanLaw,
        scores: &[ScoreSummary],
        params: ParamCount,
    ) -> anyhow::Result<Self> {
        let of = |task: &str| {
            scores.iter().find(|score| score.task == task).map(|score| score.score.percent())
        };
        let percent = mean.spec.value(of).context("a mean needs the scores of all its tasks")?;
        let score = Score::from_percent(percent.clamp(0.0, 100.0))?;
        let (task, error) = (mean.spec.name.clone(), ScoreError::Unknown);
        Ok(Self::new(&ScoreSummary { task, score, error }, &mean.law, params))
    }

    /// Takes the intervals of its draws, unless the score's own error is unknown.
    fn with(&mut self, weight: &Weight) {
        if weight.level != Level::Exact {
            self.interval = Some(weight.density.interval);
            self.over_runs = weight.density.over_runs;
            self.bca = weight.bca();
            self.elsewhere = Some(weight.other_basin());
        }
    }
}

impl Weighing {
    /// What stands for the model: the mean, or every task where there is none.
    pub(super) fn leading(&self) -> Vec<&Reading> {
        self.overall.as_ref().map_or_else(|| self.tasks.iter().collect(), |one| vec![one])
    }

    /// Density of what stands for the model, if that is one law.
    pub(super) fn density(&self) -> Option<f64> {
        if let [one] = self.leading()[..] { one.density } else { None }
    }

    /// All readings, the mean last.
    pub(super) fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.tasks.iter().chain(&self.overall)
    }

    /// Whether every score's error is known.
    pub(super) fn is_drawn(&self) -> bool {
        self.tasks.iter().all(|reading| reading.interval.is_some())
    }
}

/// A ruler by name or path; an error names it.
pub(crate) fn ruler(text: &str) -> anyhow::Result<Ruler> {
    let found = shipped::ruler(text, Path::new("")).map_err(|error| match error {
        StudyError::Density { source } => anyhow::Error::new(source),
        other => other.into(),
    });
    found.with_context(|| format!("ruler {text}"))
}

fn subject(name: &str, params: ParamCount, scores: &[ScoreSummary]) -> Subject {
    let tasks = scores.iter().cloned().map(Evidence::Score).collect();
    Subject { name: name.to_owned(), params, tasks }
}
