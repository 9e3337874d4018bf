//! A ruler: the fitted laws of one reference family, its points and its fit cards, as a file.
//!
//! The hash in the file covers family, floors, points and constants, so that a number changed by
//! hand is found when the ruler is read. Order of rows and comments do not enter it.

use std::collections::{BTreeMap, BTreeSet};

use pycno_units::{ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Constants, DensityError, Fit, FitCard, Limits, ReferencePoint, ReferenceRange, ScoreLaw, fit,
    fit::check_points,
};

/// Version of the file format.
const FORMAT: u32 = 1;

/// What counts as the size of a model.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// Without token embedding and output head; norms and biases count.
    NonEmbedding,
}

/// The family of reference models.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Name of the ruler, such as `pythia`.
    pub name: String,
    /// What counts as the size.
    pub convention: Convention,
    /// Tokens that every reference model read: the `D0` of all its densities.
    pub tokens: TokenCount,
    /// Where the scores come from.
    pub source: String,
    /// License of the scores.
    pub license: String,
}

/// A task on a ruler: facts, nothing fitted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name of the task, as in the harness.
    pub name: String,
    /// Metric, such as `acc`.
    pub metric: String,
    /// Chance level in percent.
    pub floor: Score,
    /// Suite of reference models that its law is fitted on.
    pub suite: String,
    /// Known ceiling in percent; fitted where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_ceiling: Option<Score>,
}

/// A reference model: one run, its size and its scores.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceModel {
    /// Name, unique within the suite.
    pub name: String,
    /// Suite it belongs to.
    pub suite: String,
    /// Size by the family's convention.
    pub params: ParamCount,
    /// Score in percent by task.
    pub scores: BTreeMap<String, Score>,
}

/// What a ruler is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct RulerSpec {
    /// The reference family.
    pub family: Family,
    /// The tasks.
    pub tasks: Vec<TaskSpec>,
    /// The reference models.
    pub models: Vec<ReferenceModel>,
}

/// Fitted laws of one reference family; built by [`Ruler::fit`] or read by [`Ruler::parse`].
#[derive(Clone, Debug, PartialEq)]
pub struct Ruler {
    file: RulerFile,
    laws: BTreeMap<String, ScoreLaw>,
}

/// One task of a ruler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task<'a> {
    /// Its facts.
    pub spec: &'a TaskSpec,
    /// Its law.
    pub law: ScoreLaw,
    /// Its fit card.
    pub card: &'a FitCard,
}

/// A law with the reference models it was fitted on, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Fitted {
    pub(crate) fit: Fit,
    pub(crate) limits: Limits,
    pub(crate) points: Vec<ReferencePoint>,
    /// Suite and name of each point's model.
    pub(crate) models: Vec<(String, String)>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct RulerFile {
    format: u32,
    hash: String,
    family: Family,
    task: Vec<TaskEntry>,
    model: Vec<ReferenceModel>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct TaskEntry {
    spec: TaskSpec,
    law: Constants,
    card: FitCard,
}

impl Ruler {
    /// Fits every task of a specification.
    ///
    /// # Errors
    ///
    /// Those of [`fit()`], and [`DensityError::Duplicate`] for a name given twice.
    pub fn fit(spec: RulerSpec) -> Result<Self, DensityError> {
        let RulerSpec { family, tasks, models } = spec;
        let entry = |task: TaskSpec| {
            let points = points(&models, &[&task]).into_iter().map(|(_, point)| point);
            let limits = limits(&[&task])?;
            let Fit { law, card } = fit(&points.collect::<Vec<_>>(), limits)?;
            Ok(TaskEntry { spec: task, law: law.constants(), card })
        };
        let task = tasks.into_iter().map(entry).collect::<Result<Vec<_>, DensityError>>()?;
        let mut file =
            RulerFile { format: FORMAT, hash: String::new(), family, task, model: models };
        file.hash = hash(&file);
        Self::checked(file)
    }

    /// Reads a ruler file.
    ///
    /// # Errors
    ///
    /// [`DensityError::Syntax`] for what is no ruler (unknown keys, `NaN`, scores outside 0 to 100
    /// percent), [`DensityError::Format`], [`DensityError::Hash`] where constants or points are
    /// not those the ruler was made with, and those of [`fit()`] where points carry no law.
    pub fn parse(text: &str) -> Result<Self, DensityError> {
        let file: RulerFile =
            toml::from_str(text).map_err(|source| DensityError::Syntax { source })?;
        if file.format != FORMAT {
            return Err(DensityError::Format { supported: FORMAT, found: file.format });
        }
        Self::checked(file)
    }

    /// The file: [`Ruler::parse`] gives the same ruler back.
    ///
    /// # Errors
    ///
    /// [`DensityError::Write`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, DensityError> {
        toml::to_string(&self.file).map_err(|source| DensityError::Write { source })
    }

    /// What the ruler was made from, to fit it again.
    pub fn spec(&self) -> RulerSpec {
        RulerSpec {
            family: self.file.family.clone(),
            tasks: self.file.task.iter().map(|entry| entry.spec.clone()).collect(),
            models: self.file.model.clone(),
        }
    }

    /// The reference family.
    pub const fn family(&self) -> &Family {
        &self.file.family
    }

    /// SHA-256 over family, floors, points and constants, in hex.
    pub fn hash(&self) -> &str {
        &self.file.hash
    }

    /// Names of the tasks, in the order of the file.
    pub fn task_names(&self) -> Vec<&str> {
        self.file.task.iter().map(|entry| entry.spec.name.as_str()).collect()
    }

    /// A task by name.
    ///
    /// # Errors
    ///
    /// [`DensityError::UnknownTask`] if the ruler does not measure it.
    pub fn task(&self, name: &str) -> Result<Task<'_>, DensityError> {
        let entry = self.file.task.iter().find(|entry| entry.spec.name == name);
        match (entry, self.laws.get(name)) {
            (Some(TaskEntry { spec, card, .. }), Some(&law)) => Ok(Task { spec, law, card }),
            _ => Err(DensityError::UnknownTask {
                task: name.to_owned(),
                known: self.task_names().into_iter().map(ToOwned::to_owned).collect(),
            }),
        }
    }

    /// Fits the law of the mean score over the named tasks; its floor is the mean of the floors.
    ///
    /// Only reference models that have *all* named tasks count, taken from the suites that the
    /// tasks name. So the mean over tasks of one suite uses that suite, and a mean that takes in
    /// a task known for fewer models rests on those alone. The ceiling is fixed (to the mean)
    /// only where every task fixes its own.
    ///
    /// # Errors
    ///
    /// [`DensityError::NoTasks`], [`DensityError::UnknownTask`], [`DensityError::Duplicate`], and
    /// those of [`fit()`]: fewer than four different sizes with all tasks are an error.
    pub fn mean_law(&self, tasks: &[&str]) -> Result<Fit, DensityError> {
        self.fitted(tasks).map(|fitted| fitted.fit)
    }

    /// What [`Ruler::mean_law`] is fitted on: sizes and mean scores of the reference models that have
    /// all the named tasks.
    ///
    /// # Errors
    ///
    /// As [`Ruler::mean_law`].
    pub fn reference_points(&self, tasks: &[&str]) -> Result<Vec<ReferencePoint>, DensityError> {
        self.fitted(tasks).map(|fitted| fitted.points)
    }

    /// The law over one or several tasks with what it was fitted on.
    pub(crate) fn fitted(&self, tasks: &[&str]) -> Result<Fitted, DensityError> {
        if tasks.is_empty() {
            return Err(DensityError::NoTasks);
        }
        unique(tasks.iter().copied())?;
        let mut specs =
            tasks.iter().map(|name| Ok(self.task(name)?.spec)).collect::<Result<Vec<_>, _>>()?;
        specs.sort_by(|a, b| a.name.cmp(&b.name)); // the order of the names changes no sum
        let limits = limits(&specs)?;
        let (models, points): (Vec<_>, Vec<_>) =
            points(&self.file.model, &specs).into_iter().unzip();
        let fit = fit(&points, limits)?;
        Ok(Fitted { fit, limits, points, models })
    }

    fn checked(file: RulerFile) -> Result<Self, DensityError> {
        let computed = hash(&file);
        if file.hash != computed {
            return Err(DensityError::Hash { stated: file.hash, computed });
        }
        unique(file.task.iter().map(|entry| entry.spec.name.as_str()))?;
        let keys: Vec<_> = file.model.iter().map(|m| format!("{}/{}", m.suite, m.name)).collect();
        unique(keys.iter().map(String::as_str))?;
        let law = |entry: &TaskEntry| Ok((entry.spec.name.clone(), law(entry, &file.model)?));
        let laws = file.task.iter().map(law).collect::<Result<_, DensityError>>()?;
        Ok(Self { file, laws })
    }
}

/// The law of an entry over the sizes of its points. The points must carry a law, but the
/// constants are those of the file: a refit is a test, not a condition for reading.
fn law(entry: &TaskEntry, models: &[ReferenceModel]) -> Result<ScoreLaw, DensityError> {
    let points: Vec<_> = points(models, &[&entry.spec]).into_iter().map(|(_, p)| p).collect();
    check_points(&points, limits(&[&entry.spec])?)?;
    let sizes = || points.iter().map(|point| point.params.0);
    let smallest = ParamCount(sizes().fold(f64::INFINITY, f64::min));
    let largest = ParamCount(sizes().fold(0.0, f64::max));
    ScoreLaw::new(entry.spec.floor, entry.law, ReferenceRange { smallest, largest })
}

/// Models of the tasks' suites that have all tasks, each with its mean score over them.
fn points(
    models: &[ReferenceModel],
    tasks: &[&TaskSpec],
) -> Vec<((String, String), ReferencePoint)> {
    let suites: BTreeSet<&str> = tasks.iter().map(|task| task.suite.as_str()).collect();
    let of = |model: &ReferenceModel| {
        let score = |task: &&TaskSpec| model.scores.get(&task.name).copied();
        let scores = tasks.iter().map(score).collect::<Option<Vec<_>>>()?;
        let point = ReferencePoint { params: model.params, score: mean(&scores)? };
        Some(((model.suite.clone(), model.name.clone()), point))
    };
    models.iter().filter(|model| suites.contains(model.suite.as_str())).filter_map(of).collect()
}

fn limits(tasks: &[&TaskSpec]) -> Result<Limits, DensityError> {
    let floors: Vec<Score> = tasks.iter().map(|task| task.floor).collect();
    let ceilings: Option<Vec<Score>> = tasks.iter().map(|task| task.fixed_ceiling).collect();
    let floor = mean(&floors).ok_or(DensityError::NoTasks)?;
    Ok(Limits { floor, fixed_ceiling: ceilings.and_then(|ceilings| mean(&ceilings)) })
}

/// Mean of scores; `None` of no scores.
fn mean(scores: &[Score]) -> Option<Score> {
    let sum: f64 = scores.iter().map(|score| score.percent()).sum();
    Score::from_percent(sum / scores.len() as f64).ok()
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), DensityError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(DensityError::Duplicate { name: name.to_owned() });
        }
    }
    Ok(())
}

/// SHA-256 over one line a fact, lines sorted, numbers in their shortest exact form.
fn hash(file: &RulerFile) -> String {
    let Family { name, convention, tokens, .. } = &file.family;
    let mut lines = vec![format!("family {name:?} {convention:?} {}", tokens.0)];
    for TaskEntry { spec, law, .. } in &file.task {
        let TaskSpec { name, metric, floor, suite, fixed_ceiling } = spec;
        lines.push(format!(
            "task {name:?} {metric:?} {suite:?} {floor:?} {fixed_ceiling:?} {law:?}"
        ));
    }
    for ReferenceModel { name, suite, params, scores } in &file.model {
        lines.push(format!("model {name:?} {suite:?} {params:?} {scores:?}"));
    }
    lines.sort();
    let digest = Sha256::digest(lines.join("\n"));
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHIA: &str = include_str!("../../../configs/rulers/pythia.toml");

    fn pythia() -> Ruler {
        Ruler::parse(PYTHIA).unwrap()
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let error = Ruler::parse(text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let message = format!("{error}; {}", source.unwrap_or_default());
        assert!(message.contains(part), "{message}");
    }

    /// The shipped file with one piece of text replaced.
    fn with(from: &str, to: &str) -> String {
        assert!(PYTHIA.contains(from), "{from}");
        PYTHIA.replacen(from, to, 1)
    }

    #[test]
    fn fitting_the_points_again_gives_the_constants_of_the_file() {
        let again = Ruler::fit(pythia().spec()).unwrap();
        for name in pythia().task_names() {
            let constants = |ruler: &Ruler| ruler.task(name).unwrap().law.constants();
            let (a, b) = (constants(&pythia()), constants(&again));
            let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
            assert!(near(a.ceiling.percent(), b.ceiling.percent()), "{name}: {a:?} {b:?}");
            assert!(near(a.steepness, b.steepness), "{name}: {a:?} {b:?}");
            assert!(near(a.midpoint, b.midpoint), "{name}: {a:?} {b:?}");
        }
    }

    #[test]
    fn a_ruler_survives_its_file() {
        assert_eq!(Ruler::parse(&pythia().to_toml().unwrap()).unwrap(), pythia());
    }

    #[test]
    fn a_reference_model_weighs_one_within_its_residual() {
        for name in pythia().task_names() {
            let fitted = pythia().fitted(&[name]).unwrap();
            let (law, largest) = (fitted.fit.law, fitted.fit.card.largest_residual.abs());
            for point in &fitted.points {
                let residual = point.score.percent() - law.predict(point.params).percent();
                assert!(residual.abs() <= largest + 1e-9, "{name}: {point:?}");
                let exact = law.effective(law.predict(point.params)).params().unwrap();
                assert!((exact.0 / point.params.0 - 1.0).abs() < 1e-9, "{name}: {point:?}");
            }
        }
    }

    #[test]
    fn the_order_of_rows_changes_neither_hash_nor_laws() {
        let mut spec = pythia().spec();
        spec.models.reverse();
        spec.tasks.reverse();
        let reversed = Ruler::fit(spec).unwrap();
        assert_eq!(reversed.laws, Ruler::fit(pythia().spec()).unwrap().laws);
        let tasks = ["lambada_openai", "blimp", "piqa"];
        let mean = pythia().mean_law(&tasks).unwrap();
        assert_eq!(pythia().mean_law(&["piqa", "lambada_openai", "blimp"]).unwrap(), mean);
    }

    #[test]
    fn the_mean_law_rests_on_the_models_that_have_all_tasks() {
        let mean = |tasks: &[&str]| pythia().mean_law(tasks).unwrap();
        let v1 = mean(&["arc_easy", "lambada_openai", "piqa"]);
        assert_eq!((v1.card.points, v1.card.sizes), (16, 8));
        assert!((v1.law.floor().percent() - 25.0).abs() < 1e-12);
        let all = mean(&["arc_easy", "blimp", "lambada_openai", "piqa"]);
        assert_eq!((all.card.points, all.card.sizes), (10, 5));
        assert!((all.law.floor().percent() - 31.25).abs() < 1e-12);
        let one = mean(&["piqa"]).law;
        let of_file = pythia().task("piqa").unwrap().law;
        assert!((one.constants().midpoint - of_file.constants().midpoint).abs() < 1e-6);
    }

    #[test]
    fn a_mean_without_enough_models_or_tasks_is_refused() {
        let mut spec = pythia().spec();
        for model in spec.models.iter_mut().filter(|m| m.suite == "pythia-v0") {
            if model.params.0 > 5e9 {
                model.scores.remove("piqa");
            }
        }
        let ruler = Ruler::fit(spec).unwrap();
        let error = ruler.mean_law(&["blimp", "piqa"]).unwrap_err();
        assert!(matches!(error, DensityError::TooFewSizes { needed: 4, found: 3 }), "{error}");
        let of = |tasks: &[&str]| pythia().mean_law(tasks).unwrap_err();
        assert!(matches!(of(&[]), DensityError::NoTasks));
        assert!(matches!(of(&["mmlu"]), DensityError::UnknownTask { .. }));
        assert!(matches!(of(&["piqa", "piqa"]), DensityError::Duplicate { .. }));
    }

    #[test]
    fn a_changed_number_does_not_pass() {
        refused(&with("ceiling = 72.72314384022226", "ceiling = 72.72314384022"), "hash mismatch");
        refused(&with("steepness = 0.6685948463651199", "steepness = 0.66"), "hash mismatch");
        refused(&with("params = 18915328.0", "params = 18915329.0"), "hash mismatch");
        refused(&with("floor = 25.0", "floor = 24.0"), "hash mismatch");
        refused(&with("arc_easy = 40.40404", "arc_easy = 40.40405"), "hash mismatch");
        refused(&with("tokens = 300000000000", "tokens = 300000000001"), "hash mismatch");
    }

    #[test]
    fn what_is_no_ruler_does_not_parse() {
        refused(&with("format = 1", "format = 2"), "ruler format 1 is supported, got 2");
        refused(&with("license =", "colour = \"red\"\nlicense ="), "unknown field `colour`");
        refused(&with("metric =", "metrik = \"x\"\nmetric ="), "unknown field `metrik`");
        refused(&with("floor = 0.0", "floor = nan"), "a score must lie in [0, 100]");
        refused(&with("floor = 0.0", "floor = 101.0"), "a score must lie in [0, 100]");
        refused("", "missing field");
    }

    /// A ruler is made by `fit`, so its hash is right; what is wrong is its content.
    #[track_caller]
    fn unfit(change: impl Fn(&mut RulerSpec), part: &str) {
        let mut spec = pythia().spec();
        change(&mut spec);
        let message = Ruler::fit(spec).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn points_that_carry_no_law_make_no_ruler() {
        unfit(|spec| spec.models.truncate(1), "at least 4 reference points, got");
        unfit(|spec| spec.models[0].params = ParamCount(f64::NAN), "positive finite count");
        unfit(|spec| spec.models[0].params = ParamCount(0.0), "positive finite count");
        unfit(|spec| spec.models.push(spec.models[0].clone()), "must be unique");
        unfit(|spec| spec.tasks.push(spec.tasks[0].clone()), "must be unique");
        let level = |spec: &mut RulerSpec| {
            let score = Score::from_percent(60.0).unwrap();
            for model in &mut spec.models {
                model.scores.insert("piqa".to_owned(), score);
            }
        };
        unfit(level, "reference scores must differ");
    }
}
