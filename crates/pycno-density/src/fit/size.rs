//! A ruler of one step: score against size at one token count.

use pycno_units::{ParamCount, Score};

use super::{
    FIT,
    card::{FitCard, Fitted},
    objective::{FitObjective, Misfit, Observation},
    search::search,
};
use crate::{
    DensityError,
    constants::DirectConstants,
    law::{Law, SizeSigmoidLaw, checked_size},
};

/// Three constants and one point to contradict them.
const MIN_POINTS: usize = 4;
/// Different sizes needed, for the same reason: points of one size show noise, not shape.
const MIN_SIZES: usize = 4;
/// Starts: every combination of these steepnesses, ..
const START_STEEPNESSES: [f64; 5] = [0.25, 0.5, 0.75, 1.0, 2.0];
/// .. these midpoints relative to the mean `ln N`, ..
const START_MIDPOINTS: [f64; 4] = [-4.0, -2.0, 0.0, 2.0];
/// .. and ceilings this share of the way from the largest score to 100 percent.
const START_CEILINGS: [f64; 3] = [0.02, 0.5, 1.0];

/// A reference model on one task: its size and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizePoint {
    /// Size by the ruler's convention.
    pub params: ParamCount,
    /// Score at the end of training.
    pub score: Score,
}

/// What a fit may not move, and whether it may move the ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeLimits {
    /// Chance level of the task.
    pub floor: Score,
    /// Known ceiling; free up to 100 percent where `None`.
    pub ceiling: Option<Score>,
}

/// A fitted law with its card; residuals in percent points.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeFit {
    /// The law.
    pub constants: DirectConstants,
    /// How it was found.
    pub card: FitCard,
}

/// `ln N` and percent, sorted.
#[derive(Clone, Debug)]
pub(crate) struct SizeData(pub(crate) Vec<Observation<f64>>);

/// Fits score against size by plain least squares.
///
/// # Errors
///
/// [`DensityError::Size`], [`DensityError::TooFew`], [`DensityError::TooFewLevels`],
/// [`DensityError::EqualScores`] and [`DensityError::NothingAboveFloor`] by the points;
/// [`DensityError::NoConvergence`] when every start fails.
pub fn fit_size(points: &[SizePoint], limits: SizeLimits) -> Result<SizeFit, DensityError> {
    check(points, limits)?;
    let data = SizeData::new(points);
    let law = SizeSigmoidLaw { floor: limits.floor, ceiling: limits.ceiling };
    let found = search(&law, &data.0, FitObjective::Squares, &starts(&data, &law))?;
    let hold_out_error = hold_out_error(&data, &law);
    let misfit = Misfit::new(&law, &data.0, FitObjective::Squares);
    let clusters = data.0.len();
    let fitted = Fitted { misfit, search: &found, chosen: 0, clusters, hold_out_error };
    let constants = constants(&law, &found.minima[0].theta);
    Ok(SizeFit { constants, card: fitted.card() })
}

/// The constants of a law's parameters.
pub(crate) fn constants(law: &SizeSigmoidLaw, theta: &[f64; 3]) -> DirectConstants {
    let [ln_steepness, midpoint, amplitude] = *theta;
    // The sum may leave [0, 100] by rounding alone.
    let ceiling = (law.floor.percent() + 100.0 * amplitude).min(100.0);
    let ceiling = Score::from_percent(ceiling).unwrap_or(Score::FULL);
    DirectConstants { floor: law.floor, ceiling, steepness: ln_steepness.exp(), midpoint }
}

/// The inverse of [`constants`].
pub(crate) fn theta(constants: &DirectConstants) -> [f64; 3] {
    let amplitude = constants.ceiling.share() - constants.floor.share();
    [constants.steepness.ln(), constants.midpoint, amplitude]
}

/// Whether points can carry a law at all.
pub(crate) fn check(points: &[SizePoint], limits: SizeLimits) -> Result<(), DensityError> {
    for point in points {
        checked_size(point.params)?;
    }
    if points.len() < MIN_POINTS {
        return Err(DensityError::TooFew { what: FIT, needed: MIN_POINTS, found: points.len() });
    }
    let found = SizeData::new(points).sizes();
    if found < MIN_SIZES {
        return Err(DensityError::TooFewLevels { what: "sizes", needed: MIN_SIZES, found });
    }
    if points.iter().all(|point| point.score == points[0].score) {
        return Err(DensityError::EqualScores { percent: points[0].score.percent() });
    }
    let floor = limits.floor.percent();
    let largest = points.iter().map(|point| point.score.percent()).fold(0.0, f64::max);
    if largest <= floor {
        return Err(DensityError::NothingAboveFloor { floor, largest });
    }
    Ok(())
}

impl SizeData {
    pub(crate) fn new(points: &[SizePoint]) -> Self {
        Self::from_pairs(points.iter().map(|point| (point.params.0.ln(), point.score.percent())))
    }

    /// From `ln N` and percentages; the percentages may leave `[0, 100]` in a draw.
    pub(crate) fn from_pairs(pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let observation = |(input, value)| Observation { input, value, weight: 1.0 };
        let mut data: Vec<_> = pairs.map(observation).collect();
        data.sort_by(|a, b| a.input.total_cmp(&b.input).then(a.value.total_cmp(&b.value)));
        Self(data)
    }

    fn sizes(&self) -> usize {
        let bits = self.0.iter().map(|point| point.input.to_bits());
        bits.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// The fixed grid of starts; the fit's bounds pull a ceiling that is known into place.
fn starts(data: &SizeData, law: &SizeSigmoidLaw) -> Vec<[f64; 3]> {
    let mean = data.0.iter().map(|point| point.input).sum::<f64>() / data.0.len() as f64;
    let largest = data.0.iter().map(|point| point.value).fold(0.0, f64::max);
    let mut starts = Vec::new();
    for steepness in START_STEEPNESSES {
        for offset in START_MIDPOINTS {
            let amplitude =
                |share: f64| (largest + share * (100.0 - largest)) / 100.0 - law.floor.share();
            let start = |share| [f64::ln(steepness), mean + offset, amplitude(share)];
            starts.extend(START_CEILINGS.map(start));
        }
    }
    starts
}

/// Mean error on the largest size when the others alone are fitted; `None` if they are under three.
fn hold_out_error(data: &SizeData, law: &SizeSigmoidLaw) -> Option<f64> {
    let largest = data.0.last()?.input;
    let (rest, held_out) = data.0.iter().partition::<Vec<_>, _>(|point| point.input < largest);
    let rest = SizeData(rest);
    if rest.sizes() < MIN_SIZES - 1 {
        return None;
    }
    let found = search(law, &rest.0, FitObjective::Squares, &starts(&rest, law)).ok()?;
    let theta = found.minima[0].theta;
    let error = |point: &Observation<f64>| point.value - law.predict(&theta, point.input);
    Some(held_out.iter().map(error).sum::<f64>() / held_out.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(value: f64) -> Score {
        Score::from_percent(value).unwrap()
    }

    fn limits(ceiling: Option<f64>) -> SizeLimits {
        SizeLimits { floor: percent(25.0), ceiling: ceiling.map(percent) }
    }

    const LN_SIZES: [f64; 8] = [16.8, 18.3, 19.5, 20.5, 20.9, 21.6, 22.6, 23.2];

    /// Points on the law with floor 25, ceiling 80, k = 0.6, x0 = 20, plus `noise * sin(i^2)`.
    fn points(noise: f64) -> Vec<SizePoint> {
        let score = |ln_size: f64| 25.0 + 55.0 / (1.0 + (-0.6 * (ln_size - 20.0)).exp());
        let point = |(i, ln_size): (usize, f64)| SizePoint {
            params: ParamCount(ln_size.exp()),
            score: percent(score(ln_size) + noise * ((i * i) as f64).sin()),
        };
        LN_SIZES.into_iter().enumerate().map(point).collect()
    }

    #[track_caller]
    fn check(found: &SizeFit, ceiling: f64, steepness: f64, midpoint: f64, tolerance: f64) {
        let c = found.constants;
        let near = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs();
        assert!(near(c.ceiling.percent(), ceiling), "{found:?}");
        assert!(near(c.steepness, steepness), "{found:?}");
        assert!(near(c.midpoint, midpoint), "{found:?}");
    }

    #[test]
    fn the_constants_of_a_noise_free_law_are_recovered() {
        let free = fit_size(&points(0.0), limits(None)).unwrap();
        check(&free, 80.0, 0.6, 20.0, 1e-6);
        assert!(free.card.residual_rms < 1e-6 && free.card.hold_out_error.unwrap().abs() < 1e-5);
        assert!(free.card.bounds_hit.is_empty());
        check(&fit_size(&points(0.0), limits(Some(80.0))).unwrap(), 80.0, 0.6, 20.0, 1e-6);
    }

    #[test]
    fn rows_in_any_order_and_sizes_in_billions_tell_the_same() {
        let plain = fit_size(&points(1.0), limits(None)).unwrap();
        let mut reversed = points(1.0);
        reversed.reverse();
        assert_eq!(fit_size(&reversed, limits(None)).unwrap(), plain);
        let scale = |p: SizePoint| SizePoint { params: ParamCount(p.params.0 / 1e3), ..p };
        let thousands: Vec<_> = points(1.0).into_iter().map(scale).collect();
        let DirectConstants { ceiling, steepness, midpoint, .. } = plain.constants;
        let shifted = fit_size(&thousands, limits(None)).unwrap();
        check(&shifted, ceiling.percent(), steepness, midpoint - 1e3f64.ln(), 1e-7);
    }

    #[test]
    fn the_card_tells_the_noise_and_the_bounds_hit() {
        let noisy = fit_size(&points(1.0), limits(None)).unwrap();
        assert!((0.3..1.0).contains(&noisy.card.residual_rms), "{:?}", noisy.card);
        assert!(noisy.card.largest_residual.abs() >= noisy.card.residual_rms);
        let line = |ln_size: f64| SizePoint {
            params: ParamCount(ln_size.exp()),
            score: percent(99.0 - 60.0 / ln_size.powi(2)),
        };
        let saturated: Vec<_> = LN_SIZES.into_iter().map(line).collect();
        let limits = SizeLimits { floor: percent(0.0), ceiling: Some(percent(100.0)) };
        assert!(!fit_size(&saturated, limits).unwrap().card.bounds_hit.is_empty());
    }

    #[track_caller]
    fn refused(points: &[SizePoint], part: &str) {
        let message = fit_size(points, limits(None)).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn points_that_cannot_carry_a_law_are_refused() {
        refused(&points(0.0)[..3], "at least 4 points, got 3");
        refused(&points(0.0)[..1], "at least 4 points, got 1");
        refused(&[points(0.0)[0]; 9], "different sizes, got 1");
        for size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut broken = points(0.0);
            broken[2].params = ParamCount(size);
            refused(&broken, "positive finite count");
        }
        let flat = |score: f64| {
            let at = |p: SizePoint| SizePoint { score: percent(score), ..p };
            points(0.0).into_iter().map(at).collect::<Vec<_>>()
        };
        refused(&flat(50.0), "reference scores must differ");
        let mut chance = flat(20.0);
        chance[0].score = percent(25.0);
        refused(&chance, "must exceed the floor");
    }
}
