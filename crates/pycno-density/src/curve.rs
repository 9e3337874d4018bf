//! The law as the optimizer sees it: three free numbers, centered, on plain samples.

use std::collections::BTreeSet;

use pycno_units::Score;

use crate::{
    Constants, DensityError, ReferencePoint, ReferenceRange, ScoreLaw, descent::Bounds, fit::Limits,
};

/// Allowed steepness; public families lie between 0.3 and 1.
const STEEPNESS: (f64, f64) = (0.01, 10.0);
/// How far the midpoint may lie from the mean `ln N`.
const MIDPOINT_REACH: f64 = 15.0;
/// A ceiling lies at least this far above the floor, in percent points.
const MIN_AMPLITUDE: f64 = 0.1;
/// Starts: every combination of these steepnesses, ..
const START_STEEPNESS: [f64; 5] = [0.25, 0.5, 0.75, 1.0, 2.0];
/// .. these midpoints relative to the mean `ln N`, ..
const START_MIDPOINT: [f64; 4] = [-4.0, -2.0, 0.0, 2.0];
/// .. and ceilings this share of the way from the largest score to 100 percent.
const START_CEILING: [f64; 3] = [0.02, 0.5, 1.0];

/// Reference points as plain numbers, sorted, so that row order changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    ln_sizes: Vec<f64>,
    percents: Vec<f64>,
    center: f64,
}

/// A law without its domain: what a draw of the bootstrap keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Curve {
    pub(crate) floor: f64,
    pub(crate) ceiling: f64,
    pub(crate) steepness: f64,
    pub(crate) midpoint: f64,
}

impl Samples {
    /// Sorted by size, then score.
    pub(crate) fn new(points: &[ReferencePoint]) -> Self {
        Self::from_pairs(points.iter().map(|p| (p.params.0.ln(), p.score.percent())).collect())
    }

    /// `(ln N, percent)` pairs; the percents may leave `[0, 100]` in a draw of the bootstrap.
    pub(crate) fn from_pairs(mut pairs: Vec<(f64, f64)>) -> Self {
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (ln_sizes, percents): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let center = ln_sizes.iter().sum::<f64>() / ln_sizes.len() as f64;
        Self { ln_sizes, percents, center }
    }

    /// Number of different sizes.
    pub(crate) fn sizes(&self) -> usize {
        self.ln_sizes.iter().map(|x| x.to_bits()).collect::<BTreeSet<_>>().len()
    }

    /// Least and largest score.
    pub(crate) fn extremes(&self) -> (f64, f64) {
        let fold =
            |start, pick: fn(f64, f64) -> f64| self.percents.iter().copied().fold(start, pick);
        (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
    }

    /// Observed minus predicted, in the order of the samples.
    pub(crate) fn residuals(&self, curve: &Curve) -> Vec<f64> {
        self.ln_sizes.iter().zip(&self.percents).map(|(x, y)| y - curve.predict(*x)).collect()
    }

    /// All but the largest size, and the largest size; `None` if the rest has under three sizes.
    pub(crate) fn without_largest(&self) -> Option<(Self, Self)> {
        let largest = *self.ln_sizes.last()?;
        let pairs = self.ln_sizes.iter().copied().zip(self.percents.iter().copied());
        let (rest, held_out) = pairs.partition::<Vec<_>, _>(|(x, _)| *x < largest);
        let rest = Self::from_pairs(rest);
        (rest.sizes() >= 3).then(|| (rest, Self::from_pairs(held_out)))
    }

    /// Sum of squared residuals and its gradient in `[k, x0 - center, (ceiling - floor) / 100]`.
    pub(crate) fn cost_and_gradient(&self, floor: Score, point: &[f64]) -> (f64, Vec<f64>) {
        let &[steepness, midpoint, amplitude] = point else { return (f64::NAN, Vec::new()) };
        let height = 100.0 * amplitude;
        let mut cost = 0.0;
        let mut gradient = vec![0.0; 3];
        for (ln_size, percent) in self.ln_sizes.iter().zip(&self.percents) {
            let offset = ln_size - self.center - midpoint;
            let share = logistic(steepness * offset);
            let residual = floor.percent() + height * share - percent;
            let slope = 2.0 * residual * height * share * (1.0 - share);
            cost += residual * residual;
            gradient[0] += slope * offset;
            gradient[1] -= slope * steepness;
            gradient[2] += 200.0 * residual * share;
        }
        (cost, gradient)
    }

    /// The curve at a point of the optimizer.
    pub(crate) fn curve(&self, floor: Score, point: &[f64]) -> Curve {
        let floor = floor.percent();
        Curve {
            floor,
            ceiling: (floor + 100.0 * point[2]).min(100.0),
            steepness: point[0],
            midpoint: self.center + point[1],
        }
    }

    /// The point of the optimizer at a curve: the inverse of [`curve`](Self::curve).
    pub(crate) fn point(&self, curve: &Curve) -> Vec<f64> {
        let amplitude = (curve.ceiling - curve.floor) / 100.0;
        vec![curve.steepness, curve.midpoint - self.center, amplitude]
    }
}

impl Curve {
    /// The curve of a law.
    pub(crate) fn of(law: &ScoreLaw) -> Self {
        let Constants { ceiling, steepness, midpoint } = law.constants();
        Self { floor: law.floor().percent(), ceiling: ceiling.percent(), steepness, midpoint }
    }

    /// The law with this curve over the given sizes.
    pub(crate) fn law(
        &self,
        floor: Score,
        range: ReferenceRange,
    ) -> Result<ScoreLaw, DensityError> {
        let constant = |found| DensityError::Constant {
            constant: "ceiling",
            allowed: "a score in percent",
            found,
        };
        let ceiling = Score::from_percent(self.ceiling).map_err(|_| constant(self.ceiling))?;
        let Self { steepness, midpoint, .. } = *self;
        ScoreLaw::new(floor, Constants { ceiling, steepness, midpoint }, range)
    }

    /// Percent at `ln N`.
    pub(crate) fn predict(&self, ln_size: f64) -> f64 {
        let share = logistic(self.steepness * (ln_size - self.midpoint));
        self.floor + (self.ceiling - self.floor) * share
    }

    /// `ln N` of a score in percent, infinite beyond floor and ceiling.
    pub(crate) fn ln_params(&self, percent: f64) -> f64 {
        let above = percent - self.floor;
        let below = self.ceiling - percent;
        if above <= 0.0 {
            f64::NEG_INFINITY
        } else if below <= 0.0 {
            f64::INFINITY
        } else {
            // `(S - f) / (c - S)` keeps its digits near both ends.
            self.midpoint + (above / below).ln() / self.steepness
        }
    }
}

/// Bounds of `[k, x0 - center, (ceiling - floor) / 100]`.
pub(crate) fn bounds(samples: &Samples, limits: Limits) -> Bounds {
    let reach = MIDPOINT_REACH + samples.ln_sizes.last().map_or(0.0, |x| x - samples.center);
    let (least, most) = amplitudes(limits);
    Bounds { lower: vec![STEEPNESS.0, -reach, least], upper: vec![STEEPNESS.1, reach, most] }
}

fn amplitudes(limits: Limits) -> (f64, f64) {
    let floor = limits.floor.percent();
    match limits.fixed_ceiling {
        Some(ceiling) => {
            let amplitude = (ceiling.percent() - floor) / 100.0;
            (amplitude, amplitude)
        }
        None => (MIN_AMPLITUDE / 100.0, (100.0 - floor) / 100.0),
    }
}

/// The fixed grid of starts.
pub(crate) fn starts(samples: &Samples, limits: Limits) -> Vec<Vec<f64>> {
    let (_, largest) = samples.extremes();
    let (least, most) = amplitudes(limits);
    let ceilings: &[f64] = if limits.fixed_ceiling.is_some() { &[1.0] } else { &START_CEILING };
    let amplitude = |share: f64| {
        let ceiling = largest + share * (100.0 - largest);
        ((ceiling - limits.floor.percent()) / 100.0).clamp(least, most)
    };
    let mut starts = Vec::new();
    for steepness in START_STEEPNESS {
        for midpoint in START_MIDPOINT {
            starts
                .extend(ceilings.iter().map(|share| vec![steepness, midpoint, amplitude(*share)]));
        }
    }
    starts
}

/// Names of the constants on a bound; a ceiling that is fixed is on none.
pub(crate) fn bounds_hit(samples: &Samples, curve: &Curve, limits: Limits) -> Vec<String> {
    let bounds = bounds(samples, limits);
    let point = samples.point(curve);
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9;
    let hit = |i: usize| near(point[i], bounds.lower[i]) || near(point[i], bounds.upper[i]);
    let free = |i: usize| bounds.lower[i] < bounds.upper[i];
    let names = ["steepness", "midpoint", "ceiling"];
    (0..3).filter(|i| free(*i) && hit(*i)).map(|i| names[i].to_owned()).collect()
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_cost() {
        let pairs = vec![(17.0, 30.0), (18.0, 36.0), (19.0, 60.0), (21.0, 71.0)];
        let samples = Samples::from_pairs(pairs);
        let floor = Score::from_percent(25.0).unwrap();
        let cost = |point: &[f64]| samples.cost_and_gradient(floor, point).0;
        let point = [0.7, -0.4, 0.5];
        let (_, gradient) = samples.cost_and_gradient(floor, &point);
        for i in 0..3 {
            let (mut up, mut down) = (point, point);
            up[i] += 1e-6;
            down[i] -= 1e-6;
            let slope = (cost(&up) - cost(&down)) / 2e-6;
            assert!((gradient[i] - slope).abs() < 1e-5 * slope.abs(), "{i}: {gradient:?} {slope}");
        }
    }

    #[test]
    fn a_curve_and_its_point_are_one() {
        let samples = Samples::from_pairs(vec![(17.0, 30.0), (18.0, 36.0)]);
        let floor = Score::from_percent(25.0).unwrap();
        let curve = samples.curve(floor, &[0.7, -0.4, 0.5]);
        assert!((curve.midpoint - 17.1).abs() < 1e-12 && (curve.ceiling - 75.0).abs() < 1e-12);
        let back = samples.point(&curve);
        assert!(back.iter().zip([0.7, -0.4, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
