//! Least squares of the score law on reference models, from a fixed grid of starts.
//!
//! Objective: the unweighted sum of squared residuals in percent points (the paper's choice for its
//! own steps). Same points, same answer: starts, order of points and of sums are fixed.

use pycno_units::{ParamCount, Score};
use serde::{Deserialize, Serialize};

use crate::{
    DensityError, ReferenceRange, ScoreLaw,
    curve::{self, Curve, Samples},
    descent::{self, Minimum},
    law::checked_size,
};

/// Three constants and one point to contradict them.
const MIN_POINTS: usize = 4;
/// Different sizes needed, for the same reason: points of one size show noise, not shape.
const MIN_SIZES: usize = 4;
/// Relative distance to the best cost within which another start found the same minimum.
const AGREEMENT: f64 = 1e-8;

/// A reference model on one task: its size and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferencePoint {
    /// Size by the ruler's convention.
    pub params: ParamCount,
    /// Score at the end of training.
    pub score: Score,
}

/// What a fit may not move, and whether it may move the ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Chance level of the task.
    pub floor: Score,
    /// Known ceiling; free up to 100 percent where `None`.
    pub fixed_ceiling: Option<Score>,
}

/// A fitted law with the card that says how far to trust it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The law.
    pub law: ScoreLaw,
    /// How it was found and how well it holds.
    pub card: FitCard,
}

/// How a fit was found and how well it holds. Residuals are in percent points.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FitCard {
    /// Reference models used.
    pub points: usize,
    /// Different sizes among them.
    pub sizes: usize,
    /// Starts tried.
    pub starts: usize,
    /// Starts that converged.
    pub converged: usize,
    /// Starts within 1e-8 (relative) of the best sum of squares.
    pub agreeing: usize,
    /// Root mean squared residual, by `n`.
    pub residual_rms: f64,
    /// Largest residual, by magnitude; observed minus predicted.
    pub largest_residual: f64,
    /// Error on the largest size when it is left out of the fit (observed mean minus predicted);
    /// `None` where too few sizes remain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out_error: Option<f64>,
    /// Constants that ended on a bound.
    pub bounds_hit: Vec<String>,
}

/// Fits the score law on reference points, in any order.
///
/// # Errors
///
/// [`DensityError::Size`], [`DensityError::TooFewPoints`], [`DensityError::TooFewSizes`],
/// [`DensityError::EqualScores`] and [`DensityError::NothingAboveFloor`] by the points;
/// [`DensityError::NoConvergence`] when every start fails.
pub fn fit(points: &[ReferencePoint], limits: Limits) -> Result<Fit, DensityError> {
    let samples = checked(points, limits)?;
    let (best, search) = search(&samples, limits)?;
    let law = best.law(limits.floor, range(points))?;
    let residuals = samples.residuals(&best);
    let card = FitCard {
        points: points.len(),
        sizes: samples.sizes(),
        starts: search.starts,
        converged: search.converged,
        agreeing: search.agreeing,
        residual_rms: (residuals.iter().map(|r| r * r).sum::<f64>() / points.len() as f64).sqrt(),
        largest_residual: residuals.iter().copied().fold(0.0, larger),
        hold_out_error: hold_out_error(&samples, limits),
        bounds_hit: curve::bounds_hit(&samples, &best, limits),
    };
    Ok(Fit { law, card })
}

/// Fits the same law to other scores, from one start: a draw of the bootstrap.
///
/// `pairs` are `(ln N, percent)`; `None` if the descent does not converge.
pub(crate) fn refit(pairs: Vec<(f64, f64)>, limits: Limits, start: &Curve) -> Option<Curve> {
    let samples = Samples::from_pairs(pairs);
    let objective = |point: &[f64]| samples.cost_and_gradient(limits.floor, point);
    let bounds = curve::bounds(&samples, limits);
    let end = descent::minimize(&objective, &samples.point(start), &bounds);
    end.converged.then(|| samples.curve(limits.floor, &end.point))
}

struct Search {
    starts: usize,
    converged: usize,
    agreeing: usize,
}

/// Descends from every start; the best minimum is the first of the least cost.
fn search(samples: &Samples, limits: Limits) -> Result<(Curve, Search), DensityError> {
    let bounds = curve::bounds(samples, limits);
    let objective = |point: &[f64]| samples.cost_and_gradient(limits.floor, point);
    let starts = curve::starts(samples, limits);
    let ends: Vec<Minimum> =
        starts.iter().map(|start| descent::minimize(&objective, start, &bounds)).collect();
    let converged: Vec<&Minimum> = ends.iter().filter(|end| end.converged).collect();
    let best = converged
        .iter()
        .min_by(|a, b| a.cost.total_cmp(&b.cost))
        .ok_or(DensityError::NoConvergence { starts: starts.len() })?;
    let near = best.cost * (1.0 + AGREEMENT) + AGREEMENT;
    let agreeing = converged.iter().filter(|end| end.cost <= near).count();
    let found = Search { starts: starts.len(), converged: converged.len(), agreeing };
    Ok((samples.curve(limits.floor, &best.point), found))
}

/// Whether points can carry a law at all.
pub(crate) fn check_points(points: &[ReferencePoint], limits: Limits) -> Result<(), DensityError> {
    checked(points, limits).map(|_| ())
}

fn checked(points: &[ReferencePoint], limits: Limits) -> Result<Samples, DensityError> {
    for point in points {
        checked_size(point.params)?;
    }
    if points.len() < MIN_POINTS {
        return Err(DensityError::TooFewPoints { needed: MIN_POINTS, found: points.len() });
    }
    let samples = Samples::new(points);
    if samples.sizes() < MIN_SIZES {
        return Err(DensityError::TooFewSizes { needed: MIN_SIZES, found: samples.sizes() });
    }
    let (least, largest) = samples.extremes();
    if least >= largest {
        return Err(DensityError::EqualScores { percent: largest });
    }
    let floor = limits.floor.percent();
    if largest <= floor {
        return Err(DensityError::NothingAboveFloor { floor, largest });
    }
    Ok(samples)
}

fn range(points: &[ReferencePoint]) -> ReferenceRange {
    let sizes = || points.iter().map(|point| point.params.0);
    ReferenceRange {
        smallest: ParamCount(sizes().fold(f64::INFINITY, f64::min)),
        largest: ParamCount(sizes().fold(0.0, f64::max)),
    }
}

/// Fits without the largest size and predicts it.
fn hold_out_error(samples: &Samples, limits: Limits) -> Option<f64> {
    let (rest, held_out) = samples.without_largest()?;
    let (curve, _) = search(&rest, limits).ok()?;
    let residuals = held_out.residuals(&curve);
    Some(residuals.iter().sum::<f64>() / residuals.len() as f64)
}

fn larger(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(value: f64) -> Score {
        Score::from_percent(value).unwrap()
    }

    const FREE: f64 = -1.0;

    fn limits(floor: f64, ceiling: f64) -> Limits {
        let fixed_ceiling = Score::from_percent(ceiling).ok();
        Limits { floor: percent(floor), fixed_ceiling }
    }

    const LN_SIZES: [f64; 8] = [16.8, 18.3, 19.5, 20.5, 20.9, 21.6, 22.6, 23.2];

    /// Points on the law with floor 25, ceiling 80, k = 0.6, x0 = 20, plus `noise * sin(i^2)`.
    fn points(noise: f64) -> Vec<ReferencePoint> {
        let score = |ln_size: f64| 25.0 + 55.0 / (1.0 + (-0.6 * (ln_size - 20.0)).exp());
        let point = |(i, ln_size): (usize, f64)| ReferencePoint {
            params: ParamCount(ln_size.exp()),
            score: percent(score(ln_size) + noise * ((i * i) as f64).sin()),
        };
        LN_SIZES.into_iter().enumerate().map(point).collect()
    }

    #[track_caller]
    fn check(found: &Fit, ceiling: f64, steepness: f64, midpoint: f64, tolerance: f64) {
        let c = found.law.constants();
        let near = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs();
        assert!(near(c.ceiling.percent(), ceiling), "{found:?}");
        assert!(near(c.steepness, steepness), "{found:?}");
        assert!(near(c.midpoint, midpoint), "{found:?}");
    }

    #[test]
    fn the_constants_of_a_noise_free_law_are_recovered() {
        let free = fit(&points(0.0), limits(25.0, FREE)).unwrap();
        check(&free, 80.0, 0.6, 20.0, 1e-6);
        assert!(free.card.residual_rms < 1e-6 && free.card.hold_out_error.unwrap().abs() < 1e-5);
        assert!(free.card.agreeing > free.card.starts / 2, "{:?}", free.card);
        assert!(free.card.bounds_hit.is_empty());
        check(&fit(&points(0.0), limits(25.0, 80.0)).unwrap(), 80.0, 0.6, 20.0, 1e-6);
    }

    #[test]
    fn the_order_of_the_points_changes_nothing() {
        let sorted = fit(&points(1.0), limits(25.0, FREE)).unwrap();
        let mut reversed = points(1.0);
        reversed.reverse();
        assert_eq!(fit(&reversed, limits(25.0, FREE)).unwrap(), sorted);
    }

    #[test]
    fn sizes_in_billions_only_shift_the_midpoint() {
        let plain = fit(&points(1.0), limits(25.0, FREE)).unwrap();
        let scale =
            |p: ReferencePoint| ReferencePoint { params: ParamCount(p.params.0 / 1e9), ..p };
        let billions: Vec<_> = points(1.0).into_iter().map(scale).collect();
        let crate::Constants { ceiling, steepness, midpoint } = plain.law.constants();
        let shifted = fit(&billions, limits(25.0, FREE)).unwrap();
        check(&shifted, ceiling.percent(), steepness, midpoint - 1e9f64.ln(), 1e-7);
    }

    #[test]
    fn the_card_tells_the_noise_and_the_bounds_hit() {
        let noisy = fit(&points(1.0), limits(25.0, FREE)).unwrap();
        assert!((0.3..1.0).contains(&noisy.card.residual_rms), "{:?}", noisy.card);
        assert!(noisy.card.largest_residual.abs() >= noisy.card.residual_rms);
        let line = |ln_size: f64| ReferencePoint {
            params: ParamCount(ln_size.exp()),
            score: percent(99.0 - 60.0 / ln_size.powi(2)),
        };
        let saturated: Vec<_> = LN_SIZES.into_iter().map(line).collect();
        assert!(!fit(&saturated, limits(0.0, 100.0)).unwrap().card.bounds_hit.is_empty());
    }

    #[test]
    fn points_that_cannot_carry_a_law_are_refused() {
        let of = |points: &[ReferencePoint]| fit(points, limits(25.0, FREE)).unwrap_err();
        assert!(matches!(of(&points(0.0)[..3]), DensityError::TooFewPoints { found: 3, .. }));
        assert!(matches!(of(&points(0.0)[..1]), DensityError::TooFewPoints { found: 1, .. }));
        assert!(matches!(of(&[points(0.0)[0]; 9]), DensityError::TooFewSizes { found: 1, .. }));
        for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut broken = points(0.0);
            broken[2].params = ParamCount(size);
            assert!(matches!(of(&broken), DensityError::Size { .. }), "{size}");
        }
        let flat = |score: f64| {
            let at = |p: ReferencePoint| ReferencePoint { score: percent(score), ..p };
            points(0.0).into_iter().map(at).collect::<Vec<_>>()
        };
        assert!(matches!(of(&flat(50.0)), DensityError::EqualScores { .. }));
        let mut chance = flat(20.0);
        chance[0].score = percent(25.0);
        assert!(matches!(of(&chance), DensityError::NothingAboveFloor { .. }));
    }
}
