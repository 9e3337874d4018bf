//! A ruler: the fitted laws of one reference family, its points and its fit cards, as a file.

mod file;
mod mixed;
mod points;
mod spec;
mod table;

use std::collections::BTreeSet;

use pycno_units::TokenCount;

pub use file::TaskCard;
pub use mixed::MixedError;
pub use spec::{
    Convention, DirectRecipe, Family, Recipe, ReferenceModel, RulerSpec, TaskSpec, TwoStepRecipe,
};

pub use table::reference_models;

pub(crate) use points::{Points, TwoStepPoints};

use crate::{DensityError, LossConstants, ScoreLaw, SizePoint, constants::Constants};
use file::{FORMAT, RulerFile, TaskEntry};
use points::{TaskFit, values};

/// Fitted laws of one reference family; built by [`Ruler::fit`] or read by [`Ruler::parse`].
#[derive(Clone, Debug, PartialEq)]
pub struct Ruler {
    file: RulerFile,
    laws: Vec<ScoreLaw>,
}

/// One task of a ruler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RulerTask<'a> {
    /// Its facts.
    pub spec: &'a TaskSpec,
    /// Its law.
    pub law: ScoreLaw,
    /// First-step laws of the other minima, least cost first.
    pub other_basin: &'a [LossConstants],
    /// Its fit cards.
    pub card: &'a TaskCard,
}

/// A law with the points it was fitted on.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) spec: TaskSpec,
    pub(crate) law: ScoreLaw,
    pub(crate) points: Points,
    pub(crate) card: TaskCard,
    pub(crate) other_basin: Vec<LossConstants>,
}

/// The law of a mean score with its cards.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanLaw {
    /// How the mean is taken.
    pub spec: TaskSpec,
    /// The law.
    pub law: ScoreLaw,
    /// Its fit cards.
    pub card: TaskCard,
}

impl Ruler {
    /// Fits every task of a specification.
    ///
    /// # Errors
    ///
    /// Those of the fits, and [`DensityError::Duplicate`] for a name given twice.
    pub fn fit(spec: RulerSpec) -> Result<Self, DensityError> {
        let RulerSpec { family, tasks, models } = spec;
        let entry = |task: TaskSpec| {
            let fit = Points::of(&task, &models, family.tokens)?.fit()?;
            Ok(TaskEntry {
                law: task.published.unwrap_or(fit.constants),
                other_basin: fit.others.clone(),
                card: card(fit),
                spec: task,
            })
        };
        let task = tasks.into_iter().map(entry).collect::<Result<Vec<_>, DensityError>>()?;
        let mut file =
            RulerFile { format: FORMAT, hash: String::new(), family, task, model: models };
        file.hash = file.computed_hash();
        Self::checked(file)
    }

    /// Reads a ruler file.
    ///
    /// # Errors
    ///
    /// [`DensityError::Syntax`] for what is no ruler (unknown keys, `NaN`, scores outside 0 to 100
    /// percent), [`DensityError::Format`], [`DensityError::Hash`] where constants or points are
    /// not those the ruler was made with, and those of the fits where points carry no law.
    pub fn parse(text: &str) -> Result<Self, DensityError> {
        let head: Head = toml::from_str(text).map_err(|source| DensityError::Syntax { source })?;
        if head.format != FORMAT {
            return Err(DensityError::Format { supported: FORMAT, found: head.format });
        }
        let file: RulerFile =
            toml::from_str(text).map_err(|source| DensityError::Syntax { source })?;
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

    /// SHA-256 over family, recipes, points and constants, in hex.
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
    pub fn task(&self, name: &str) -> Result<RulerTask<'_>, DensityError> {
        let index = self.file.task.iter().position(|entry| entry.spec.name == name);
        let index = index.ok_or_else(|| DensityError::UnknownTask {
            task: name.to_owned(),
            known: self.task_names().into_iter().map(ToOwned::to_owned).collect(),
        })?;
        let TaskEntry { spec, other_basin, card, .. } = &self.file.task[index];
        Ok(RulerTask { spec, law: self.laws[index], other_basin, card })
    }

    /// The same ruler with the loss laws of the second-best basin, for tasks that have one.
    ///
    /// # Errors
    ///
    /// [`DensityError::OneBasin`] if no task has another.
    pub fn in_other_basin(&self) -> Result<Self, DensityError> {
        let mut file = self.file.clone();
        let mut changed = false;
        for entry in &mut file.task {
            let (law, recipe) = (&mut entry.law, &mut entry.spec.recipe);
            if let (Constants::TwoStep { loss, .. }, Recipe::TwoStep(recipe), Some(other)) =
                (law, recipe, entry.other_basin.first_mut())
            {
                std::mem::swap(loss, other);
                // A mean that is fitted on demand looks for its law in the same basin.
                recipe.basin = Some([loss.a, loss.alpha, loss.b, loss.beta]);
                changed = true;
            }
        }
        if !changed {
            return Err(DensityError::OneBasin { ruler: file.family.name });
        }
        file.family.name = format!("{} (other basin)", file.family.name);
        file.hash = file.computed_hash();
        Self::checked(file)
    }

    /// The same ruler read at another token count.
    ///
    /// # Errors
    ///
    /// [`DensityError::OneTokenCount`] if a law holds at its own count alone.
    pub fn at_tokens(&self, tokens: TokenCount) -> Result<Self, DensityError> {
        let laws = self.laws.iter().map(|law| law.at_tokens(tokens)).collect::<Result<_, _>>()?;
        let mut file = self.file.clone();
        let own = file.family.tokens;
        for model in file.model.iter_mut().filter(|model| model.params.is_some()) {
            model.tokens = model.tokens.or(Some(own)); // what a model has read does not change
        }
        file.family.tokens = tokens;
        file.hash = file.computed_hash();
        Ok(Self { file, laws })
    }

    /// The law of the mean score over the named tasks.
    ///
    /// Where the ruler has a task that averages exactly these, that is the law. Otherwise every
    /// task weighs alike, and the law is fitted on the mean scores (and losses) of the reference
    /// models that have *all* named tasks; its floor is the mean of the floors.
    ///
    /// # Errors
    ///
    /// [`DensityError::NoTasks`], [`DensityError::UnknownTask`], [`DensityError::Duplicate`],
    /// [`MixedError::MeanOfMeans`] if one of several is itself a mean, [`DensityError::MixedRecipes`] for tasks measured
    /// in different ways, and those of the fits.
    pub fn mean_law(&self, tasks: &[&str]) -> Result<MeanLaw, DensityError> {
        let Measured { spec, law, card, .. } = self.measured(tasks)?;
        Ok(MeanLaw { spec, law, card })
    }

    /// Tasks whose laws do not hold a size that is read from them, and why ([`crate::FitCard::weakness`]).
    pub fn poor_tasks(&self) -> Vec<(&str, String)> {
        let tasks = self.file.task.iter();
        let poor =
            tasks.filter_map(|entry| Some((entry.spec.name.as_str(), entry.card.weakness()?)));
        poor.collect()
    }

    /// Sizes and mean scores of the reference models behind a law of one step; a law of two steps
    /// has none, as its models differ in tokens.
    ///
    /// # Errors
    ///
    /// As [`Ruler::mean_law`].
    pub fn reference_points(&self, tasks: &[&str]) -> Result<Vec<SizePoint>, DensityError> {
        match self.measured(tasks)?.points {
            Points::Direct { sizes, .. } => Ok(values(&sizes)),
            Points::TwoStep(_) => Ok(Vec::new()),
        }
    }

    /// The law over one or several tasks with what it was fitted on.
    pub(crate) fn measured(&self, tasks: &[&str]) -> Result<Measured, DensityError> {
        let mut names = tasks.to_vec();
        names.sort_unstable(); // the order of the names changes no sum
        if names.is_empty() {
            return Err(DensityError::NoTasks);
        }
        unique(names.iter().copied())?;
        let specs = names
            .iter()
            .map(|name| Ok(self.task(name)?.spec))
            .collect::<Result<Vec<_>, DensityError>>()?;
        let averages = |entry: &&TaskEntry| entry.spec.members() == names;
        let aggregate = self.file.task.iter().find(averages).map(|entry| &entry.spec);
        let stands = aggregate.or_else(|| specs.first().copied().filter(|_| specs.len() == 1));
        if let Some(spec) = stands {
            let RulerTask { law, card, other_basin, .. } = self.task(&spec.name)?;
            let other_basin = other_basin.to_vec();
            let points = Points::of(spec, &self.file.model, self.file.family.tokens)?;
            let (spec, card) = (spec.clone(), card.clone());
            return Ok(Measured { spec, law, points, card, other_basin });
        }
        if let Some(mean) = specs.iter().find(|spec| spec.is_mean()) {
            return Err(DensityError::Mixed(MixedError::MeanOfMeans { task: mean.name.clone() }));
        }
        let spec = mean_spec(&specs)?;
        let points = Points::of(&spec, &self.file.model, self.file.family.tokens)?;
        let fit = points.fit()?;
        let law = ScoreLaw::new(fit.constants, self.file.family.tokens, points.range())?;
        let other_basin = fit.others.clone();
        Ok(Measured { spec, law, points, card: card(fit), other_basin })
    }

    fn checked(file: RulerFile) -> Result<Self, DensityError> {
        let computed = file.computed_hash();
        if file.hash != computed {
            return Err(DensityError::Hash { stated: file.hash, computed });
        }
        unique(file.task.iter().map(|entry| entry.spec.name.as_str()))?;
        let keys: Vec<_> = file.model.iter().map(|m| format!("{}/{}", m.suite, m.name)).collect();
        unique(keys.iter().map(String::as_str))?;
        // The constants are those of the file: a refit is a test, not a condition for reading.
        let law = |entry: &TaskEntry| {
            let points = Points::of(&entry.spec, &file.model, file.family.tokens)?;
            ScoreLaw::new(entry.law, file.family.tokens, points.range())
        };
        let laws = file.task.iter().map(law).collect::<Result<_, DensityError>>()?;
        Ok(Self { file, laws })
    }
}

/// The version alone, so that a file of another format is told from one that is no ruler.
#[derive(serde::Deserialize)]
struct Head {
    format: u32,
}

fn card(fit: TaskFit) -> TaskCard {
    let checks = fit.checks.into_iter().collect();
    TaskCard { score: fit.score_card, loss: fit.loss_card, checks }
}

/// The mean over tasks that weigh alike, measured as each of them is.
fn mean_spec(specs: &[&TaskSpec]) -> Result<TaskSpec, DensityError> {
    let first = specs.first().ok_or(DensityError::NoTasks)?;
    let recipes: Vec<&Recipe> = specs.iter().map(|spec| &spec.recipe).collect();
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let mixed = || DensityError::MixedRecipes { tasks: names.clone() };
    Ok(TaskSpec {
        name: "mean".to_owned(),
        metric: first.metric.clone(),
        mean_of: names.iter().map(|name| vec![name.clone()]).collect(),
        recipe: Recipe::mean(&recipes).ok_or_else(mixed)?,
        published: None,
    })
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

#[cfg(test)]
mod tests;
