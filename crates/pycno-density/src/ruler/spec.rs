//! What a ruler is made from: a family, tasks with the recipes of their laws, reference models.

use std::collections::BTreeMap;

use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};

use crate::{Anchor, Constants, DensityError, FitObjective, LossForm};

/// Metric of a task that is a mean over others.
const MEAN: &str = "mean";

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
    /// The `D0` of all densities: what a reference model of the effective size would have read.
    pub tokens: TokenCount,
    /// Where the figures come from.
    pub source: String,
    /// License of the figures.
    pub license: String,
}

/// A task on a ruler: facts and choices, nothing fitted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name of the task, as in the harness.
    pub name: String,
    /// Metric, such as `acc`.
    pub metric: String,
    /// Categories whose mean this score is, each the mean of its tasks; empty for a plain task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean_of: Vec<Vec<String>>,
    /// How its law is fitted.
    pub recipe: Recipe,
    /// Constants that others published and that stand as they are; the card is of our own fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Constants>,
}

/// How a task's law is fitted, and on which suites of reference models.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Recipe {
    /// One curve from size to score.
    Direct(DirectRecipe),
    /// Size and tokens to loss, loss to score.
    TwoStep(TwoStepRecipe),
}

/// One curve from size to score at the family's token count.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DirectRecipe {
    /// Chance level in percent.
    pub floor: Score,
    /// Known ceiling in percent; fitted where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Score>,
    /// Suites of reference models.
    pub suites: Vec<String>,
}

/// Size and tokens to loss, loss to score.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TwoStepRecipe {
    /// Law of the first step.
    pub form: LossForm,
    /// What its fit minimizes.
    pub objective: FitObjective,
    /// Start `[a, alpha, b, beta]` whose basin is used; that of the least cost where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basin: Option<[f64; 4]>,
    /// Suite with sizes, tokens and losses.
    pub loss_suite: String,
    /// Suite with losses and scores.
    pub score_suite: String,
    /// Suite whose scores are predicted from their losses and not fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_suite: Option<String>,
    /// Chance level where it fixes the floor; fitted at or above 0 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Score>,
    /// Known ceiling; needs a floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Score>,
    /// Points of the second step that are assumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<Anchor>,
}

/// A reference model: one run, and what is known of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceModel {
    /// Name, unique within the suite.
    pub name: String,
    /// Suite it belongs to.
    pub suite: String,
    /// What a bootstrap redraws together, such as the branches of one training run; the model by
    /// itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Size by the family's convention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<ParamCount>,
    /// Tokens read; the family's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenCount>,
    /// Loss of the right answers by task, in nats per token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<String, NatsPerToken>,
    /// Score in percent by task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, Score>,
}

/// What a ruler is made from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RulerSpec {
    /// The reference family.
    pub family: Family,
    /// The tasks.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskSpec>,
    /// The reference models.
    #[serde(rename = "model", default)]
    pub models: Vec<ReferenceModel>,
}

impl RulerSpec {
    /// Reads a spec; its models may be added afterwards.
    ///
    /// # Errors
    ///
    /// [`DensityError::Syntax`] for what is no spec, unknown keys included.
    pub fn parse(text: &str) -> Result<Self, DensityError> {
        toml::from_str(text).map_err(|source| DensityError::Syntax { source })
    }
}

impl TaskSpec {
    /// Value of this task from values by task: the task's own, else the mean over its categories
    /// of their means; `None` where one is missing.
    pub fn value(&self, of: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        if let Some(own) = of(&self.name) {
            return Some(own);
        }
        let mean = |tasks: &Vec<String>| average(tasks.iter().map(|task| of(task)));
        average(self.mean_of.iter().map(mean))
    }

    /// Whether it is a mean over tasks, whether or not it says of which.
    pub(crate) fn is_mean(&self) -> bool {
        self.metric == MEAN || !self.mean_of.is_empty()
    }

    /// Tasks that this one averages, sorted; none for a plain task.
    pub(crate) fn members(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.mean_of.iter().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl ReferenceModel {
    /// The cluster, unique over suites.
    pub(crate) fn cluster(&self) -> String {
        format!("{}/{}", self.suite, self.cluster.as_ref().unwrap_or(&self.name))
    }
}

/// Mean of values that must all be there; `None` of no values.
fn average(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values = values.collect::<Option<Vec<f64>>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

impl Recipe {
    /// The recipe of a mean over tasks: floors and ceilings average, suites of one step join,
    ///, everything else must be equal. `None` where it is not.
    pub(crate) fn mean(recipes: &[&Self]) -> Option<Self> {
        let direct = recipes.iter().map(|recipe| recipe.direct()).collect::<Option<Vec<_>>>();
        let two_step = recipes.iter().map(|recipe| recipe.two_step()).collect::<Option<Vec<_>>>();
        match (direct, two_step) {
            (Some(recipes), None) => mean_direct(&recipes).map(Self::Direct),
            (None, Some(recipes)) => mean_two_step(&recipes).map(Self::TwoStep),
            _ => None,
        }
    }

    const fn direct(&self) -> Option<&DirectRecipe> {
        if let Self::Direct(recipe) = self { Some(recipe) } else { None }
    }

    const fn two_step(&self) -> Option<&TwoStepRecipe> {
        if let Self::TwoStep(recipe) = self { Some(recipe) } else { None }
    }
}

fn mean_direct(recipes: &[&DirectRecipe]) -> Option<DirectRecipe> {
    let mut suites: Vec<String> = recipes.iter().flat_map(|recipe| recipe.suites.clone()).collect();
    suites.sort();
    suites.dedup();
    Some(DirectRecipe {
        floor: mean(recipes.iter().map(|recipe| Some(recipe.floor)))?,
        ceiling: mean(recipes.iter().map(|recipe| recipe.ceiling)),
        suites,
    })
}

fn mean_two_step(recipes: &[&TwoStepRecipe]) -> Option<TwoStepRecipe> {
    let floor = mean(recipes.iter().map(|recipe| recipe.floor));
    let ceiling = mean(recipes.iter().map(|recipe| recipe.ceiling)).filter(|_| floor.is_some());
    let of = |recipe: &TwoStepRecipe| TwoStepRecipe { floor, ceiling, ..recipe.clone() };
    let first = of(recipes.first()?);
    recipes.iter().all(|recipe| of(recipe) == first).then_some(first)
}

/// Mean of scores that must all be there.
fn mean(scores: impl Iterator<Item = Option<Score>>) -> Option<Score> {
    let percent = average(scores.map(|score| score.map(Score::percent)))?;
    Score::from_percent(percent).ok()
}
