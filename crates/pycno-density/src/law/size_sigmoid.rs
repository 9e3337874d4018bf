//! Score against size at one token count: `S = floor + c / (1 + exp(-k (ln N - x0)))`, in percent.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equations 2 and 3 collapsed into one step.
//!
//! DIFFERENCE: the paper goes from score to loss (sigmoid) and from loss to size (power law in
//! size and tokens). Here one sigmoid goes from score to size, for families whose losses on the
//! test items are not public and whose models all read the same number of tokens.
//!
//! DIFFERENCE: the floor is fixed at chance, a fact about the task; the paper fits it.

use pycno_units::Score;

use super::{Bounds, Law, sigmoid::Slopes};

/// `ln k`; public families lie between 0.3 and 1 per unit of `ln N`.
const LN_STEEPNESS: (f64, f64) = (-4.6, 2.3);
/// `x0`: from one parameter to far beyond any model.
const MIDPOINT: (f64, f64) = (0.0, 45.0);
/// A ceiling lies at least a tenth of a percent point above the floor.
const LEAST_AMPLITUDE: f64 = 1e-3;

/// Score against `ln N`. Parameters `[ln k, x0, c / 100]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeSigmoidLaw {
    /// Chance level of the task.
    pub floor: Score,
    /// Known ceiling; fitted up to 100 percent where `None`.
    pub ceiling: Option<Score>,
}

impl Law<3> for SizeSigmoidLaw {
    /// `ln N`.
    type Input = f64;

    fn names(&self) -> [&'static str; 3] {
        ["ln_steepness", "midpoint", "amplitude"]
    }

    fn bounds(&self) -> Bounds<3> {
        let above = |ceiling: Score| ceiling.share() - self.floor.share();
        let amplitude = match self.ceiling {
            Some(ceiling) => (above(ceiling), above(ceiling)),
            None => (LEAST_AMPLITUDE, 1.0 - self.floor.share()),
        };
        Bounds::new([LN_STEEPNESS, MIDPOINT, amplitude])
    }

    fn predict(&self, theta: &[f64; 3], ln_params: f64) -> f64 {
        self.gradient(theta, ln_params).0
    }

    fn gradient(&self, theta: &[f64; 3], ln_params: f64) -> (f64, [f64; 3]) {
        let steepness = theta[0].exp();
        let z = steepness * (ln_params - theta[1]);
        let Slopes { share, first, .. } = Slopes::at(theta[2], z);
        let value = self.floor.percent() + 100.0 * theta[2] * share;
        (value, [first * z, -first * steepness, 100.0 * share])
    }

    fn curvature(&self, theta: &[f64; 3], ln_params: f64, _: &[f64; 3]) -> [[f64; 3]; 3] {
        let steepness = theta[0].exp();
        let z = steepness * (ln_params - theta[1]);
        let Slopes { by_amplitude: a, first, second, .. } = Slopes::at(theta[2], z);
        let mixed = -(second * z + first) * steepness;
        [
            [(second * z + first) * z, mixed, a * z],
            [mixed, second * steepness * steepness, -a * steepness],
            [a * z, -a * steepness, 0.0],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::checks::derivatives;

    fn law() -> SizeSigmoidLaw {
        SizeSigmoidLaw { floor: Score::from_percent(25.0).unwrap(), ceiling: None }
    }

    #[test]
    fn half_way_up_is_at_the_midpoint() {
        assert!((law().predict(&[-0.5, 18.0, 0.5], 18.0) - 50.0).abs() < 1e-12);
        assert!((law().predict(&[0.0, 18.0, 0.5], 100.0) - 75.0).abs() < 1e-12);
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&law(), [-0.5, 18.0, 0.5], 19.3);
        derivatives(&law(), [0.3, 21.0, 0.7], 19.3);
    }

    #[test]
    fn a_known_ceiling_is_not_fitted() {
        let fixed = SizeSigmoidLaw { ceiling: Score::from_percent(80.0).ok(), ..law() };
        assert!(!fixed.bounds().is_free(2) && law().bounds().is_free(2));
    }
}
