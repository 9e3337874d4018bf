//! The laws of a task, redrawn: which fits there are, and how their draws become constants.

use std::collections::BTreeMap;

use pycno_units::Seed;
use rayon::prelude::*;

use super::{
    run_variance::Scatter,
    wild::{Drawn, Wild},
};
use crate::{
    DensityError, LossConstants, ScoreLaw, SizePoint,
    constants::{Constants, SigmoidConstants},
    fit::{
        Fit, FitObjective, Form, LossData, Observation, centered, loss_constants, score_constants,
        score_theta, size_constants, size_theta,
    },
    law::{ChinchillaLaw, DensingLossLaw, SigmoidLaw, SizeSigmoidLaw},
    ruler::{Measured, Points, TwoStepPoints},
};

/// A law with its draws.
#[derive(Clone, Debug)]
pub(crate) struct LawDraws {
    pub(crate) law: ScoreLaw,
    /// Constants by draw; `None` where a refit did not converge.
    pub(crate) constants: Vec<Option<Constants>>,
    /// Constants without one cluster each.
    pub(crate) left_out: Vec<Constants>,
    /// How reference models scatter about the law.
    pub(crate) scatter: Scatter,
    /// Share of draws that another basin of the loss law fits better.
    pub(crate) elsewhere: f64,
}

/// The fits behind a law.
enum Redrawn {
    Direct(Wild<3, SizeSigmoidLaw>),
    Densing(Step<4, DensingLossLaw>, Wild<4, SigmoidLaw>),
    Chinchilla(Step<5, ChinchillaLaw>, Wild<4, SigmoidLaw>),
}

/// The loss step, with the center that its parameters count from.
struct Step<const P: usize, L: Form<P>> {
    wild: Wild<P, L>,
    data: LossData,
}

impl LawDraws {
    /// Redraws the points of a law and fits it again, as often as asked.
    pub(crate) fn new(measured: &Measured, seed: Seed, draws: usize) -> Result<Self, DensityError> {
        let redrawn = Redrawn::new(measured)?;
        let drawn: Vec<Option<(Constants, bool)>> =
            (0..draws).into_par_iter().map(|draw| redrawn.draw(seed, draw)).collect();
        let elsewhere = drawn.iter().flatten().filter(|(_, elsewhere)| *elsewhere).count();
        Ok(Self {
            law: measured.law,
            left_out: redrawn.left_out(),
            scatter: redrawn.scatter(),
            elsewhere: elsewhere as f64 / draws as f64,
            constants: drawn.into_iter().map(|draw| draw.map(|(constants, _)| constants)).collect(),
        })
    }
}

impl Redrawn {
    fn new(measured: &Measured) -> Result<Self, DensityError> {
        match (&measured.points, measured.law.constants()) {
            (Points::Direct { sizes, limits }, Constants::Direct { score }) => {
                let law = SizeSigmoidLaw { floor: limits.floor, ceiling: limits.ceiling };
                Ok(Self::Direct(direct(law, sizes, size_theta(&score))))
            }
            (Points::TwoStep(points), Constants::TwoStep { loss, score }) => {
                let others: Vec<LossConstants> = measured.other_basin.clone();
                let score = scores(points, &score);
                Ok(match loss.irreducible {
                    None => Self::Densing(step(DensingLossLaw, points, &loss, &others)?, score),
                    Some(_) => {
                        Self::Chinchilla(step(ChinchillaLaw, points, &loss, &others)?, score)
                    }
                })
            }
            _ => Err(DensityError::KindOfLaw { task: measured.spec.name.clone() }),
        }
    }

    fn draw(&self, seed: Seed, draw: usize) -> Option<(Constants, bool)> {
        match self {
            Self::Direct(wild) => {
                let Drawn { theta, .. } = wild.draw(seed, draw)?;
                Some((Constants::Direct { score: size_constants(wild.law(), &theta) }, false))
            }
            Self::Densing(loss, score) => two_steps(loss, score, seed, draw),
            Self::Chinchilla(loss, score) => two_steps(loss, score, seed, draw),
        }
    }

    fn left_out(&self) -> Vec<Constants> {
        match self {
            Self::Direct(wild) => {
                let constants =
                    |theta| Constants::Direct { score: size_constants(wild.law(), &theta) };
                wild.left_out().map(|(_, theta)| constants(theta)).collect()
            }
            Self::Densing(loss, score) => left_out(loss, score),
            Self::Chinchilla(loss, score) => left_out(loss, score),
        }
    }

    fn scatter(&self) -> Scatter {
        match self {
            Self::Direct(wild) => {
                Scatter { losses: Vec::new(), objective: wild.objective(), scores: wild.scatter() }
            }
            Self::Densing(loss, score) => scatter(loss, score),
            Self::Chinchilla(loss, score) => scatter(loss, score),
        }
    }
}

/// How reference models scatter about two steps.
fn scatter<const P: usize, L: Form<P>>(loss: &Step<P, L>, score: &Wild<4, SigmoidLaw>) -> Scatter {
    let Step { wild, .. } = loss;
    Scatter { losses: wild.scatter(), objective: wild.objective(), scores: score.scatter() }
}

fn direct(
    law: SizeSigmoidLaw,
    sizes: &[(String, SizePoint)],
    theta: [f64; 3],
) -> Wild<3, SizeSigmoidLaw> {
    let observation = |(_, point): &(String, SizePoint)| Observation {
        input: point.params.0.ln(),
        value: point.score.percent(),
        weight: 1.0,
    };
    let data = sizes.iter().map(observation).collect();
    let clusters = sizes.iter().map(|(cluster, _)| Some(cluster.clone())).collect();
    let fit = Fit { law, data, objective: FitObjective::Squares, theta, others: Vec::new() };
    Wild::new(fit, clusters)
}

fn step<const P: usize, L: Form<P> + Copy>(
    law: L,
    points: &TwoStepPoints,
    constants: &LossConstants,
    others: &[LossConstants],
) -> Result<Step<P, L>, DensityError> {
    let data = LossData::new(&points.losses.iter().map(|(_, point)| *point).collect::<Vec<_>>())?;
    let theta = |c: &LossConstants| {
        let ln_e = c.irreducible.map_or(f64::NEG_INFINITY, f64::ln);
        centered(&law, &data, [c.a.ln(), c.alpha, c.b.ln(), c.beta, ln_e])
    };
    let fit = Fit {
        law,
        data: data.points.clone(),
        objective: points.recipe.objective,
        theta: theta(constants),
        others: others.iter().map(theta).collect(),
    };
    let clusters = points.losses.iter().map(|(cluster, _)| Some(cluster.clone())).collect();
    Ok(Step { wild: Wild::new(fit, clusters), data })
}

/// The score step; assumed points belong to no cluster and stay where they are.
fn scores(points: &TwoStepPoints, constants: &SigmoidConstants) -> Wild<4, SigmoidLaw> {
    let limits = points.limits();
    let law = SigmoidLaw { floor: limits.floor, ceiling: limits.ceiling };
    let measured = points.scores.iter().map(|(name, p)| (Some(name.clone()), p.loss, p.score));
    let assumed = points.recipe.anchors.iter().map(|anchor| (None, anchor.loss, anchor.score));
    let all: Vec<_> = measured.chain(assumed).collect();
    let data = all.iter().map(|(_, loss, score)| Observation {
        input: *loss,
        value: score.percent(),
        weight: 1.0,
    });
    let (theta, others) = (score_theta(constants), Vec::new());
    let fit = Fit { law, data: data.collect(), objective: FitObjective::Squares, theta, others };
    Wild::new(fit, all.into_iter().map(|(cluster, ..)| cluster).collect())
}

fn two_steps<const P: usize, L: Form<P>>(
    loss: &Step<P, L>,
    score: &Wild<4, SigmoidLaw>,
    seed: Seed,
    draw: usize,
) -> Option<(Constants, bool)> {
    let of_loss = loss.wild.draw(seed, draw)?;
    let of_score = score.draw(seed, draw)?;
    let constants = Constants::TwoStep {
        loss: loss_constants(loss.wild.law(), &loss.data, &of_loss.theta),
        score: score_constants(&of_score.theta),
    };
    Some((constants, of_loss.elsewhere))
}

/// Both steps without one cluster each; a cluster may be in one step or in both.
fn left_out<const P: usize, L: Form<P>>(
    loss: &Step<P, L>,
    score: &Wild<4, SigmoidLaw>,
) -> Vec<Constants> {
    let mut pairs: BTreeMap<&str, ([f64; P], [f64; 4])> = BTreeMap::new();
    let whole = (loss.wild.theta(), score.theta());
    for (name, theta) in loss.wild.left_out() {
        pairs.entry(name).or_insert(whole).0 = theta;
    }
    for (name, theta) in score.left_out() {
        pairs.entry(name).or_insert(whole).1 = theta;
    }
    let constants = |(of_loss, of_score): ([f64; P], [f64; 4])| Constants::TwoStep {
        loss: loss_constants(loss.wild.law(), &loss.data, &of_loss),
        score: score_constants(&of_score),
    };
    pairs.into_values().map(constants).collect()
}
