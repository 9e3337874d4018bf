//! Score against size at a fixed token count: a sigmoid in the logarithm of the size.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equations 1 to 4, collapsed into one step.
//!
//! DIFFERENCE: the paper goes from score to loss (sigmoid) and from loss to size (power law in
//! size and tokens). Here one sigmoid goes from score to size. All reference models of one ruler
//! read the same number of tokens `D0`, so the paper's law is only ever read along that line, and
//! no loss of the reference models on the test items is public. The two-step law needs both.
//!
//! DIFFERENCE: the floor is fixed at chance, a fact about the task; the paper fits it.

use pycno_units::{ParamCount, Score};

use crate::{DensityError, Effective, curve::Curve};

/// Reference sizes times this is the lower border of [`Effective::Inside`].
const INSIDE_BELOW: f64 = 0.5;
/// Reference sizes times this is the upper border of [`Effective::Inside`].
const INSIDE_ABOVE: f64 = 2.0;

/// `S = floor + (ceiling - floor) / (1 + exp(-k (ln N - x0)))`, scores in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreLaw {
    floor: Score,
    ceiling: Score,
    steepness: f64,
    midpoint: f64,
    smallest: ParamCount,
    largest: ParamCount,
}

/// The constants of a [`ScoreLaw`] that a fit finds.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// Score of an infinitely large reference model, in percent.
    pub ceiling: Score,
    /// `k`, per unit of `ln N`; positive.
    pub steepness: f64,
    /// `x0`, the `ln N` halfway between floor and ceiling.
    pub midpoint: f64,
}

/// Sizes of the reference models; what lies far outside is extrapolated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceRange {
    /// Smallest reference model.
    pub smallest: ParamCount,
    /// Largest reference model.
    pub largest: ParamCount,
}

impl ScoreLaw {
    /// A law from its constants.
    ///
    /// # Errors
    ///
    /// [`DensityError::Constant`] unless the ceiling exceeds the floor, the steepness is positive
    /// and the midpoint finite; [`DensityError::Size`] for an impossible reference size.
    pub fn new(
        floor: Score,
        constants: Constants,
        range: ReferenceRange,
    ) -> Result<Self, DensityError> {
        let Constants { ceiling, steepness, midpoint } = constants;
        let bad = |constant, allowed, found| DensityError::Constant { constant, allowed, found };
        if ceiling <= floor {
            return Err(bad("ceiling", "above the floor", ceiling.percent()));
        }
        if !(steepness.is_finite() && steepness > 0.0) {
            return Err(bad("steepness", "positive and finite", steepness));
        }
        if !midpoint.is_finite() {
            return Err(bad("midpoint", "finite", midpoint));
        }
        let smallest = checked_size(range.smallest)?;
        let largest = checked_size(range.largest)?;
        Ok(Self { floor, ceiling, steepness, midpoint, smallest, largest })
    }

    /// Score of a reference model of this size.
    pub fn predict(&self, params: ParamCount) -> Score {
        let percent = Curve::of(self).predict(params.0.ln());
        // Between floor and ceiling, both scores: only a NaN size can miss, and has no score.
        Score::from_percent(percent.min(self.ceiling.percent())).unwrap_or(self.floor)
    }

    /// Effective size of a score: the inverse of [`predict`](Self::predict), or why there is none.
    pub fn effective(&self, score: Score) -> Effective {
        let ln_params = self.ln_params(score.percent());
        if ln_params == f64::NEG_INFINITY {
            return Effective::BelowFloor { floor: self.floor };
        }
        if ln_params == f64::INFINITY {
            return Effective::AboveCeiling { ceiling: self.ceiling };
        }
        let params = ParamCount(ln_params.exp());
        if params.0 < INSIDE_BELOW * self.smallest.0 {
            return Effective::Extrapolated { params, factor: params.0 / self.smallest.0 };
        }
        if params.0 > INSIDE_ABOVE * self.largest.0 {
            return Effective::Extrapolated { params, factor: params.0 / self.largest.0 };
        }
        Effective::Inside { params }
    }

    /// `d ln N / dS = (1/(S - floor) + 1/(ceiling - S)) / k`, per percent point; `None` outside.
    pub fn sensitivity(&self, score: Score) -> Option<f64> {
        let above = score.percent() - self.floor.percent();
        let below = self.ceiling.percent() - score.percent();
        (above > 0.0 && below > 0.0).then(|| (1.0 / above + 1.0 / below) / self.steepness)
    }

    /// `ln N` of a score in percent; minus infinity at or below the floor, plus infinity at or
    /// above the ceiling.
    fn ln_params(&self, percent: f64) -> f64 {
        Curve::of(self).ln_params(percent)
    }

    /// Chance level, a fact about the task.
    pub const fn floor(&self) -> Score {
        self.floor
    }

    /// The fitted constants.
    pub const fn constants(&self) -> Constants {
        Constants { ceiling: self.ceiling, steepness: self.steepness, midpoint: self.midpoint }
    }

    /// Sizes of the reference models.
    pub const fn range(&self) -> ReferenceRange {
        ReferenceRange { smallest: self.smallest, largest: self.largest }
    }
}

/// A size that is positive and finite.
pub(crate) fn checked_size(params: ParamCount) -> Result<ParamCount, DensityError> {
    if params.0.is_finite() && params.0 > 0.0 {
        Ok(params)
    } else {
        Err(DensityError::Size { params: params.0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percent(value: f64) -> Score {
        Score::from_percent(value).unwrap()
    }

    /// Floor 25, ceiling 75, k = 1/2, half way at `N = e^18`; references from e^17 to e^20.
    fn law() -> ScoreLaw {
        let constants = Constants { ceiling: percent(75.0), steepness: 0.5, midpoint: 18.0 };
        let range =
            ReferenceRange { smallest: ParamCount(17f64.exp()), largest: ParamCount(20f64.exp()) };
        ScoreLaw::new(percent(25.0), constants, range).unwrap()
    }

    #[track_caller]
    fn check(score: f64, expect: Effective) {
        let found = law().effective(percent(score));
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
        let same = match (found, expect) {
            (Effective::Inside { params: a }, Effective::Inside { params: b }) => close(a.0, b.0),
            (
                Effective::Extrapolated { params: a, factor: f },
                Effective::Extrapolated { params: b, factor: g },
            ) => close(a.0, b.0) && close(f, g),
            _ => found == expect,
        };
        assert!(same, "score {score}: {found:?}, expected {expect:?}");
    }

    /// Score at `ln N = 18 + offset`: logit `offset / 2`.
    fn at(offset: f64) -> f64 {
        25.0 + 50.0 / (1.0 + (-offset / 2.0).exp())
    }

    #[test]
    fn every_border_has_its_own_answer() {
        check(0.0, Effective::BelowFloor { floor: percent(25.0) });
        check(25.0, Effective::BelowFloor { floor: percent(25.0) });
        check(75.0, Effective::AboveCeiling { ceiling: percent(75.0) });
        check(100.0, Effective::AboveCeiling { ceiling: percent(75.0) });
        check(50.0, Effective::Inside { params: ParamCount(18f64.exp()) });
        let (low, high) = (-1.0 + 0.5f64.ln(), 2.0 + 2f64.ln());
        check(at(low + 1e-9), Effective::Inside { params: ParamCount((18.0 + low + 1e-9).exp()) });
        check(
            at(high - 1e-9),
            Effective::Inside { params: ParamCount((18.0 + high - 1e-9).exp()) },
        );
        let below = ParamCount(16f64.exp());
        check(at(-2.0), Effective::Extrapolated { params: below, factor: (-1f64).exp() });
        let above = ParamCount(23f64.exp());
        check(at(5.0), Effective::Extrapolated { params: above, factor: 3f64.exp() });
    }

    #[test]
    fn sensitivity_is_the_slope_of_the_inverse() {
        let step = 1e-5;
        for score in [26.0, 40.0, 50.0, 74.0] {
            let slope =
                (law().ln_params(score + step) - law().ln_params(score - step)) / 2.0 / step;
            let given = law().sensitivity(percent(score)).unwrap();
            assert!((given / slope - 1.0).abs() < 1e-6, "{score}: {given} and {slope}");
        }
        assert_eq!(law().sensitivity(percent(25.0)), None);
        assert_eq!(law().sensitivity(percent(75.0)), None);
    }

    #[test]
    fn impossible_constants_are_refused() {
        let build = |floor: f64, ceiling: f64, steepness: f64, midpoint: f64, smallest: f64| {
            let range = ReferenceRange { smallest: ParamCount(smallest), largest: ParamCount(1e9) };
            let constants = Constants { ceiling: percent(ceiling), steepness, midpoint };
            ScoreLaw::new(percent(floor), constants, range)
        };
        assert!(build(25.0, 75.0, 1.0, 18.0, 1e6).is_ok());
        assert!(build(75.0, 75.0, 1.0, 18.0, 1e6).is_err());
        assert!(build(25.0, 75.0, 0.0, 18.0, 1e6).is_err());
        assert!(build(25.0, 75.0, f64::NAN, 18.0, 1e6).is_err());
        assert!(build(25.0, 75.0, 1.0, f64::INFINITY, 1e6).is_err());
        assert!(build(25.0, 75.0, 1.0, 18.0, 0.0).is_err());
        assert!(build(25.0, 75.0, 1.0, 18.0, f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_law(ln_params in 12.0..26.0f64) {
            let score = law().predict(ParamCount(ln_params.exp()));
            prop_assert!((law().ln_params(score.percent()) - ln_params).abs() < 1e-9);
        }

        #[test]
        fn more_parameters_give_a_higher_score(ln_params in 12.0..26.0f64, more in 1e-6..3.0f64) {
            let small = law().predict(ParamCount(ln_params.exp()));
            prop_assert!(law().predict(ParamCount((ln_params + more).exp())) > small);
        }
    }
}
