//! The points of a task's law: which reference models count, and with which values.

use std::cmp::Ordering;

use pycno_units::{NatsPerToken, Score, TokenCount};

use super::spec::{DirectRecipe, Recipe, ReferenceModel, TaskSpec, TwoStepRecipe};
use crate::{
    DensityError, FitCard, LossFitOptions, LossPoint, ScoreLimits, ScorePoint, SizeLimits,
    SizePoint,
    constants::{Constants, LossConstants},
    fit::{fit_loss, fit_score, fit_size},
    items::score,
    law::Run,
    ruler::MixedError,
    score_law::ReferenceRange,
};

/// Relative difference up to which two token counts are one: what rounding to `300B` leaves.
const TOKENS_TOLERANCE: f64 = 0.01;

/// The points of one law, each with the cluster it is redrawn with.
#[derive(Clone, Debug)]
pub(crate) enum Points {
    Direct { sizes: Vec<(String, SizePoint)>, limits: SizeLimits },
    TwoStep(Box<TwoStepPoints>),
}

/// The points of both steps.
#[derive(Clone, Debug)]
pub(crate) struct TwoStepPoints {
    pub(crate) losses: Vec<(String, LossPoint)>,
    pub(crate) scores: Vec<(String, ScorePoint)>,
    /// Name, loss and score of models that are predicted and not fitted.
    pub(crate) checks: Vec<(String, ScorePoint)>,
    pub(crate) recipe: TwoStepRecipe,
}

/// What fits of a task's points gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskFit {
    pub(crate) constants: Constants,
    pub(crate) others: Vec<LossConstants>,
    pub(crate) loss_card: Option<FitCard>,
    pub(crate) score_card: FitCard,
    pub(crate) checks: Vec<(String, f64)>,
}

impl Points {
    /// Collects the points of a task.
    pub(crate) fn of(
        spec: &TaskSpec,
        models: &[ReferenceModel],
        tokens: TokenCount,
    ) -> Result<Self, DensityError> {
        match &spec.recipe {
            Recipe::Direct(recipe) => direct(spec, recipe, models, tokens),
            Recipe::TwoStep(recipe) => two_step(spec, recipe, models, tokens),
        }
    }

    /// Sizes of the models that lead from size to score or loss.
    pub(crate) fn range(&self) -> ReferenceRange {
        match self {
            Self::Direct { sizes, .. } => {
                ReferenceRange::of(sizes.iter().map(|(_, point)| point.params.0))
            }
            Self::TwoStep(points) => {
                ReferenceRange::of(points.losses.iter().map(|(_, p)| p.run.logs().0.exp()))
            }
        }
    }

    /// Fits the law, or both laws.
    pub(crate) fn fit(&self) -> Result<TaskFit, DensityError> {
        match self {
            Self::Direct { sizes, limits } => {
                let fit = fit_size(&values(sizes), *limits)?;
                let constants = Constants::Direct { score: fit.constants };
                let (others, checks) = (Vec::new(), Vec::new());
                Ok(TaskFit { constants, others, loss_card: None, score_card: fit.card, checks })
            }
            Self::TwoStep(points) => points.fit(),
        }
    }
}

impl TwoStepPoints {
    pub(crate) fn limits(&self) -> ScoreLimits {
        ScoreLimits { floor: self.recipe.floor, ceiling: self.recipe.ceiling }
    }

    pub(crate) fn options(&self) -> LossFitOptions {
        let TwoStepRecipe { form, objective, basin, .. } = self.recipe;
        LossFitOptions { form, objective, basin, exhaustive: false }
    }

    fn fit(&self) -> Result<TaskFit, DensityError> {
        let loss = fit_loss(&values(&self.losses), self.options())?;
        let score = fit_score(&values(&self.scores), &self.recipe.anchors, self.limits())?;
        let error = |(name, point): &(String, ScorePoint)| {
            (name.clone(), score.constants.percent(point.loss) - point.score.percent())
        };
        Ok(TaskFit {
            constants: Constants::TwoStep { loss: loss.constants, score: score.constants },
            others: loss.others,
            loss_card: Some(loss.card),
            checks: self.checks.iter().map(error).collect(),
            score_card: score.card,
        })
    }
}

/// Points in an order of their own, so that the order of rows changes no sum.
fn sorted<T>(mut points: Vec<(String, T)>, key: impl Fn(&T) -> [f64; 3]) -> Vec<(String, T)> {
    points.sort_by(|a, b| {
        let pairs = key(&a.1).into_iter().zip(key(&b.1));
        let order = pairs.fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(&b)));
        order.then(a.0.cmp(&b.0))
    });
    points
}

fn score_key(point: &ScorePoint) -> [f64; 3] {
    [point.loss.0, point.score.percent(), 0.0]
}

/// The points without their clusters.
pub(crate) fn values<T: Copy>(points: &[(String, T)]) -> Vec<T> {
    points.iter().map(|(_, point)| *point).collect()
}

fn direct(
    spec: &TaskSpec,
    recipe: &DirectRecipe,
    models: &[ReferenceModel],
    tokens: TokenCount,
) -> Result<Points, DensityError> {
    let point = |model: &ReferenceModel| {
        let percent = percent_of(spec, model)?;
        let params = model.params?;
        let score = expect_tokens(model, tokens).and_then(|()| score(percent));
        Some(score.map(|score| (model.cluster(), SizePoint { params, score })))
    };
    let of_suite = models.iter().filter(|model| recipe.suites.contains(&model.suite));
    let sizes = of_suite.filter_map(point).collect::<Result<Vec<_>, DensityError>>()?;
    let sizes = sorted(sizes, |point| [point.params.0, point.score.percent(), 0.0]);
    Ok(Points::Direct {
        sizes,
        limits: SizeLimits { floor: recipe.floor, ceiling: recipe.ceiling },
    })
}

/// Refuses a run of another token count: its size alone does not say its score.
fn expect_tokens(model: &ReferenceModel, expected: TokenCount) -> Result<(), DensityError> {
    let ratio = |found: TokenCount| found.0 as f64 / expected.0 as f64;
    match model.tokens.filter(|found| (ratio(*found) - 1.0).abs() > TOKENS_TOLERANCE) {
        None => Ok(()),
        Some(found) => {
            let run = model.name.clone();
            Err(MixedError::OtherTokens { run, expected, found }.into())
        }
    }
}

fn two_step(
    spec: &TaskSpec,
    recipe: &TwoStepRecipe,
    models: &[ReferenceModel],
    tokens: TokenCount,
) -> Result<Points, DensityError> {
    let loss_of = |model: &ReferenceModel| {
        spec.value(|task| model.losses.get(task).map(|loss| loss.0)).map(NatsPerToken)
    };
    let loss_point = |model: &ReferenceModel| {
        let (loss, params) = (loss_of(model)?, model.params?);
        let run = Run::new(params, model.tokens.unwrap_or(tokens));
        Some(run.map(|run| (model.cluster(), LossPoint { run, loss })))
    };
    let score_points = |suite: &str, key: fn(&ReferenceModel) -> String| {
        let point = |model: &ReferenceModel| {
            let (loss, percent) = (loss_of(model)?, percent_of(spec, model)?);
            Some(score(percent).map(|score| (key(model), ScorePoint { loss, score })))
        };
        let of_suite = models.iter().filter(|model| model.suite == suite);
        let points = of_suite.filter_map(point).collect::<Result<Vec<_>, DensityError>>()?;
        Ok::<_, DensityError>(sorted(points, score_key))
    };
    let of_suite = models.iter().filter(|model| model.suite == recipe.loss_suite);
    let losses = of_suite.filter_map(loss_point).collect::<Result<Vec<_>, DensityError>>()?;
    let loss_key = |point: &LossPoint| {
        let (n, d) = point.run.logs();
        [n, d, point.loss.0]
    };
    Ok(Points::TwoStep(Box::new(TwoStepPoints {
        losses: sorted(losses, loss_key),
        scores: score_points(&recipe.score_suite, ReferenceModel::cluster)?,
        checks: recipe.check_suite.as_ref().map_or_else(
            || Ok(Vec::new()),
            |suite| score_points(suite, |model| model.name.clone()),
        )?,
        recipe: recipe.clone(),
    })))
}

fn percent_of(spec: &TaskSpec, model: &ReferenceModel) -> Option<f64> {
    spec.value(|task| model.scores.get(task).map(|score: &Score| score.percent()))
}
