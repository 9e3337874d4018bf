//! Score against loss: `S = d + c / (1 + exp(-gamma (L - l)))`, scores in percent.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equation 3. The score rises as the loss falls, so `gamma` is negative.

use pycno_units::{NatsPerToken, Score};

use super::{Bounds, Law};

/// `c / 100`; a little above one lets the ceiling end where an anchor pulls it.
const AMPLITUDE: (f64, f64) = (1e-3, 1.5);
/// `ln(-gamma)`: from practically flat to a step.
const LN_STEEPNESS: (f64, f64) = (-3.0, 6.0);
/// `l`, in nats (or bits) per token.
const MIDPOINT: (f64, f64) = (-5.0, 20.0);
/// `d / 100` where the floor is fitted.
const FLOOR: (f64, f64) = (0.0, 0.99);

/// The score law of a task. Parameters `[c / 100, ln(-gamma), l, d / 100]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SigmoidLaw {
    /// Chance level where it is a fact about the task; fitted where `None`.
    pub floor: Option<Score>,
    /// Ceiling `c + d` of the fit where it is known, such as a label-noise limit.
    pub ceiling: Option<Score>,
}

/// The logistic function.
pub(crate) fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// What a logistic of height `100 amplitude` and its first two derivatives by `z` need.
#[derive(Clone, Copy)]
pub(super) struct Slopes {
    pub(super) share: f64,
    pub(super) by_amplitude: f64,
    pub(super) first: f64,
    pub(super) second: f64,
}

impl Slopes {
    pub(super) fn at(amplitude: f64, z: f64) -> Self {
        let share = logistic(z);
        let by_amplitude = 100.0 * share * (1.0 - share);
        let first = amplitude * by_amplitude;
        Self { share, by_amplitude, first, second: first * (1.0 - 2.0 * share) }
    }
}

impl SigmoidLaw {
    fn steepness_and_z(theta: &[f64; 4], loss: NatsPerToken) -> (f64, f64) {
        let steepness = theta[1].exp();
        (steepness, steepness * (theta[2] - loss.0))
    }
}

impl Law<4> for SigmoidLaw {
    type Input = NatsPerToken;

    fn names(&self) -> [&'static str; 4] {
        ["amplitude", "ln_steepness", "midpoint", "floor"]
    }

    fn bounds(&self) -> Bounds<4> {
        let floor = self.floor.map_or(FLOOR, |floor| (floor.share(), floor.share()));
        let top = |ceiling: Score| ceiling.share() - floor.0;
        let amplitude = self.ceiling.map_or(AMPLITUDE, |ceiling| (top(ceiling), top(ceiling)));
        Bounds::new([amplitude, LN_STEEPNESS, MIDPOINT, floor])
    }

    fn predict(&self, theta: &[f64; 4], loss: NatsPerToken) -> f64 {
        let (_, z) = Self::steepness_and_z(theta, loss);
        100.0 * (theta[0] * logistic(z) + theta[3])
    }

    fn gradient(&self, theta: &[f64; 4], loss: NatsPerToken) -> (f64, [f64; 4]) {
        let (steepness, z) = Self::steepness_and_z(theta, loss);
        let slopes = Slopes::at(theta[0], z);
        let value = 100.0 * (theta[0] * slopes.share + theta[3]);
        (value, [100.0 * slopes.share, slopes.first * z, slopes.first * steepness, 100.0])
    }

    fn curvature(&self, theta: &[f64; 4], loss: NatsPerToken, _: &[f64; 4]) -> [[f64; 4]; 4] {
        let (steepness, z) = Self::steepness_and_z(theta, loss);
        let Slopes { by_amplitude: a, first, second, .. } = Slopes::at(theta[0], z);
        let mixed = (second * z + first) * steepness;
        [
            [0.0, a * z, a * steepness, 0.0],
            [a * z, (second * z + first) * z, mixed, 0.0],
            [a * steepness, mixed, second * steepness * steepness, 0.0],
            [0.0; 4],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::checks::derivatives;

    const FREE: SigmoidLaw = SigmoidLaw { floor: None, ceiling: None };

    #[test]
    fn the_published_average_curve_passes_its_points() {
        // AVG4: c 90.77348, gamma -24.41189, l 0.162872, d 10.78089; S(0.174074445) = 50.
        let theta = [0.9077348, 24.41189f64.ln(), 0.162872, 0.1078089];
        let found = FREE.predict(&theta, NatsPerToken(0.174074445));
        assert!((found - 50.0).abs() < 1e-5, "{found}");
        assert!((FREE.predict(&theta, NatsPerToken(0.162872)) - 56.16763).abs() < 1e-9);
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&FREE, [0.9, 3.2, 0.16, 0.1], NatsPerToken(0.2));
        derivatives(&FREE, [0.7, 1.5, 0.9, 0.25], NatsPerToken(0.5));
    }

    #[test]
    fn facts_about_the_task_fix_their_parameters() {
        let percent = |value| Score::from_percent(value).ok();
        let law = SigmoidLaw { floor: percent(25.0), ceiling: percent(95.0) };
        let Bounds { lower, upper } = law.bounds();
        assert_eq!((lower[0], lower[3]), (upper[0], upper[3]));
        assert!((lower[0] - 0.7).abs() < 1e-15 && (lower[3] - 0.25).abs() < 1e-15);
        assert!(FREE.bounds().is_free(0) && FREE.bounds().is_free(3));
    }
}
