//! A task's law at one token count: score to effective size, and the reasons when there is none.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equation 4. The paper does not discuss the domain; here a score outside it has a typed answer.

use pycno_units::{ParamCount, Score, TokenCount};

use crate::{
    DensityError, Effective,
    constants::{Constants, ln_tokens},
    law::checked_size,
};

/// Reference sizes times this is the lower border of [`Effective::Inside`].
const INSIDE_BELOW: f64 = 0.5;
/// Reference sizes times this is the upper border of [`Effective::Inside`].
const INSIDE_ABOVE: f64 = 2.0;

/// Score against size of a reference family at the token count `D0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreLaw {
    constants: Constants,
    tokens: TokenCount,
    ln_tokens: f64,
    range: ReferenceRange,
}

/// Sizes of the reference models; what lies far outside is extrapolated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceRange {
    /// Smallest reference model.
    pub smallest: ParamCount,
    /// Largest reference model.
    pub largest: ParamCount,
}

impl ReferenceRange {
    /// The range of some sizes.
    pub(crate) fn of(sizes: impl Iterator<Item = f64>) -> Self {
        let start = (f64::INFINITY, 0.0f64);
        let (least, most) = sizes.fold(start, |(a, b), x| (a.min(x), b.max(x)));
        Self { smallest: ParamCount(least), largest: ParamCount(most) }
    }

    /// How far a size lies outside, as its ratio to the nearer end; `None` within half the smallest
    /// to twice the largest.
    pub(crate) fn outside(&self, params: ParamCount) -> Option<f64> {
        if params.0 < INSIDE_BELOW * self.smallest.0 {
            Some(params.0 / self.smallest.0)
        } else {
            (params.0 > INSIDE_ABOVE * self.largest.0).then(|| params.0 / self.largest.0)
        }
    }
}

impl ScoreLaw {
    /// A law from its constants, at `tokens` tokens.
    ///
    /// # Errors
    ///
    /// [`DensityError::Constant`] for constants that make no rising curve, [`DensityError::Quantity`]
    /// for no tokens, [`DensityError::Size`] for an impossible reference size.
    pub fn new(
        constants: Constants,
        tokens: TokenCount,
        range: ReferenceRange,
    ) -> Result<Self, DensityError> {
        constants.check()?;
        checked_size(range.smallest)?;
        checked_size(range.largest)?;
        Ok(Self { constants, tokens, ln_tokens: ln_tokens(tokens)?, range })
    }

    /// The same laws at another token count; a law of one step holds at its own count alone.
    ///
    /// # Errors
    ///
    /// [`DensityError::OneTokenCount`] for a law of one step, [`DensityError::Quantity`] for no tokens.
    pub fn at_tokens(&self, tokens: TokenCount) -> Result<Self, DensityError> {
        if tokens != self.tokens && matches!(self.constants, Constants::Direct { .. }) {
            return Err(DensityError::OneTokenCount { tokens: self.tokens.0, asked: tokens.0 });
        }
        Self::new(self.constants, tokens, self.range)
    }

    /// Score of a reference model of this size. Scores end at 100 percent, also where a fitted
    /// ceiling lies a little above.
    pub fn predict(&self, params: ParamCount) -> Score {
        let percent = self.constants.percent(params.0.ln(), self.ln_tokens).clamp(0.0, 100.0);
        // Only a NaN size can miss the range of scores, and has no score.
        Score::from_percent(percent).unwrap_or_else(|_| self.floor())
    }

    /// Effective size of a score: the inverse of [`predict`](Self::predict), or why there is none.
    pub fn effective(&self, score: Score) -> Effective {
        let ln_params = self.ln_params(score.percent());
        if ln_params == f64::NEG_INFINITY {
            return Effective::BelowFloor { floor: self.floor() };
        }
        if score.percent() >= self.constants.ceiling() {
            return Effective::AboveCeiling { ceiling: self.ceiling() };
        }
        if ln_params == f64::INFINITY {
            return Effective::BeyondReference { limit: self.limit() };
        }
        let params = ParamCount(ln_params.exp());
        match self.range.outside(params) {
            Some(factor) => Effective::Extrapolated { params, factor },
            None => Effective::Inside { params },
        }
    }

    /// `d ln N / dS` per percent point; `None` where a score has no size.
    pub fn sensitivity(&self, score: Score) -> Option<f64> {
        self.sensitivity_at(score.percent())
    }

    /// [`sensitivity`](Self::sensitivity) at a percentage.
    pub(crate) fn sensitivity_at(&self, percent: f64) -> Option<f64> {
        let has_size = self.ln_params(percent).is_finite();
        has_size.then(|| self.constants.sensitivity(percent, self.ln_tokens))
    }

    /// `ln D0`.
    pub(crate) const fn ln_tokens(&self) -> f64 {
        self.ln_tokens
    }

    /// `ln N` of a score in percent, infinite where there is none.
    pub(crate) fn ln_params(&self, percent: f64) -> f64 {
        self.constants.ln_params(percent, self.ln_tokens)
    }

    /// The constants.
    pub const fn constants(&self) -> Constants {
        self.constants
    }

    /// The token count `D0` at which sizes are read.
    pub const fn tokens(&self) -> TokenCount {
        self.tokens
    }

    /// Sizes of the reference models.
    pub const fn range(&self) -> ReferenceRange {
        self.range
    }

    /// Scores at or below this have no size.
    pub fn floor(&self) -> Score {
        within(self.constants.floor())
    }

    /// Scores at or above this have no size, whatever the tokens; 100 where the curve ends above.
    pub fn ceiling(&self) -> Score {
        within(self.constants.ceiling())
    }

    /// Score of an infinitely large reference model at `D0`: the largest score with a size.
    pub fn limit(&self) -> Score {
        within(self.constants.limit(self.ln_tokens))
    }
}

/// A percentage as a score; the constants were checked, so only an end above 100 is moved.
fn within(percent: f64) -> Score {
    Score::from_percent(percent.clamp(0.0, 100.0)).unwrap_or(Score::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DirectConstants, LossConstants, SigmoidConstants};

    fn percent(value: f64) -> Score {
        Score::from_percent(value).unwrap()
    }

    /// The densing law's average over four categories, at `D0 = 5e12`.
    fn avg4() -> ScoreLaw {
        let loss = LossConstants {
            a: 1.77434,
            alpha: 0.10784,
            b: 142.124,
            beta: 0.30137,
            irreducible: None,
        };
        let score = SigmoidConstants { c: 90.77348, gamma: -24.41189, l: 0.162872, d: 10.78089 };
        law(Constants::TwoStep { loss, score }, 5_247_232.0, 828_225_024.0)
    }

    /// Floor 25, ceiling 75, k = 1/2, half way at `N = e^18`; references from e^17 to e^20.
    fn direct() -> ScoreLaw {
        let (floor, ceiling) = (percent(25.0), percent(75.0));
        let score = DirectConstants { floor, ceiling, steepness: 0.5, midpoint: 18.0 };
        law(Constants::Direct { score }, 17f64.exp(), 20f64.exp())
    }

    fn law(constants: Constants, smallest: f64, largest: f64) -> ScoreLaw {
        let range = ReferenceRange { smallest: ParamCount(smallest), largest: ParamCount(largest) };
        ScoreLaw::new(constants, TokenCount(5_000_000_000_000), range).unwrap()
    }

    #[track_caller]
    fn check(law: ScoreLaw, score: f64, expect: Effective) {
        let found = law.effective(percent(score));
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
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

    /// Score of the one-step law at `ln N = 18 + offset`.
    fn at(offset: f64) -> f64 {
        25.0 + 50.0 / (1.0 + (-offset / 2.0).exp())
    }

    #[test]
    fn every_border_of_one_step_has_its_own_answer() {
        let inside = |ln_params: f64| Effective::Inside { params: ParamCount(ln_params.exp()) };
        for score in [0.0, 25.0] {
            check(direct(), score, Effective::BelowFloor { floor: percent(25.0) });
        }
        for score in [75.0, 100.0] {
            check(direct(), score, Effective::AboveCeiling { ceiling: percent(75.0) });
        }
        check(direct(), 50.0, inside(18.0));
        let (low, high) = (-1.0 + 0.5f64.ln(), 2.0 + 2f64.ln());
        check(direct(), at(low + 1e-9), inside(18.0 + low + 1e-9));
        check(direct(), at(high - 1e-9), inside(18.0 + high - 1e-9));
        let below = ParamCount(16f64.exp());
        check(direct(), at(-2.0), Effective::Extrapolated { params: below, factor: (-1f64).exp() });
        let above = ParamCount(23f64.exp());
        check(direct(), at(5.0), Effective::Extrapolated { params: above, factor: 3f64.exp() });
    }

    #[test]
    fn every_border_of_two_steps_has_its_own_answer() {
        for score in [0.0, 10.0, 10.78089] {
            let found = avg4().effective(percent(score));
            assert!(matches!(found, Effective::BelowFloor { .. }), "{score}: {found:?}");
        }
        // The largest score with a size is 98.787; the curve itself ends above 100.
        for score in [98.9, 99.9, 100.0] {
            let Effective::BeyondReference { limit } = avg4().effective(percent(score)) else {
                panic!("{score}: {:?}", avg4().effective(percent(score)));
            };
            assert!((limit.percent() - 98.787).abs() < 1e-3, "{limit}");
        }
        assert_eq!(avg4().ceiling(), percent(100.0));
    }

    #[test]
    fn effective_sizes_and_sensitivities_of_the_reference_vectors() {
        // Score, effective size at 5e12 tokens, d ln N / dS.
        let vectors = [
            (15.0, 4.47176409e7, 0.3556794),
            (30.0, 7.60889768e8, 0.1282133),
            (50.0, 7.44741399e9, 0.1115256),
            (70.0, 9.71270531e10, 0.1591821),
            (90.0, 2.83650161e13, 0.5993945),
        ];
        for (score, size, slope) in vectors {
            let found = avg4().effective(percent(score)).params().unwrap().0;
            assert!((found / size - 1.0).abs() < 1e-6, "{score}: {found}");
            let found = avg4().sensitivity(percent(score)).unwrap();
            assert!((found / slope - 1.0).abs() < 1e-6, "{score}: {found}");
        }
        assert_eq!(avg4().sensitivity(percent(10.0)), None);
        assert_eq!(avg4().sensitivity(percent(99.0)), None);
        let forward = avg4().predict(ParamCount(1e10)).percent();
        assert!((forward - 52.6189).abs() < 5e-5, "{forward}");
    }

    #[test]
    fn impossible_constants_are_refused() {
        let (Constants::TwoStep { loss, score }, Constants::Direct { score: curve }) =
            (avg4().constants(), direct().constants())
        else {
            panic!("two kinds");
        };
        let bad = [
            Constants::TwoStep { loss: LossConstants { a: 0.0, ..loss }, score },
            Constants::TwoStep { loss: LossConstants { alpha: -0.1, ..loss }, score },
            Constants::TwoStep { loss: LossConstants { b: f64::NAN, ..loss }, score },
            Constants::TwoStep { loss: LossConstants { irreducible: Some(-1.0), ..loss }, score },
            Constants::TwoStep { loss, score: SigmoidConstants { gamma: 24.0, ..score } },
            Constants::TwoStep { loss, score: SigmoidConstants { d: -1.0, ..score } },
            Constants::TwoStep { loss, score: SigmoidConstants { l: f64::INFINITY, ..score } },
            Constants::Direct { score: DirectConstants { ceiling: curve.floor, ..curve } },
            Constants::Direct { score: DirectConstants { steepness: 0.0, ..curve } },
            Constants::Direct { score: DirectConstants { midpoint: f64::NAN, ..curve } },
        ];
        for constants in bad {
            assert!(constants.check().is_err(), "{constants:?}");
        }
        let build = |smallest: f64, tokens: u64| {
            let range = ReferenceRange { smallest: ParamCount(smallest), ..direct().range() };
            ScoreLaw::new(direct().constants(), TokenCount(tokens), range)
        };
        assert!(build(1e6, 1).is_ok());
        for (smallest, tokens) in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (1e6, 0)] {
            assert!(build(smallest, tokens).is_err(), "{smallest} {tokens}");
        }
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_law(ln_params in 15.0..27.0f64) {
            for law in [avg4(), direct()] {
                let score = law.predict(ParamCount(ln_params.exp()));
                prop_assert!((law.ln_params(score.percent()) - ln_params).abs() < 1e-8);
            }
        }

        #[test]
        fn more_parameters_give_a_higher_score(ln_params in 12.0..26.0f64, more in 1e-6..3.0f64) {
            for law in [avg4(), direct()] {
                let score = |x: f64| law.predict(ParamCount(x.exp()));
                prop_assert!(score(ln_params + more) > score(ln_params));
            }
        }

        #[test]
        fn the_sensitivity_is_the_slope_of_the_inverse(score in 26.0..74.0f64) {
            for law in [avg4(), direct()] {
                let step = 1e-5;
                let slope = (law.ln_params(score + step) - law.ln_params(score - step)) / 2.0 / step;
                let given = law.sensitivity(percent(score)).unwrap();
                prop_assert!((given / slope - 1.0).abs() < 1e-6, "{given} and {slope}");
            }
        }

        #[test]
        fn more_tokens_make_a_score_a_smaller_size(score in 20.0..90.0f64, tokens in 1u64..1_000) {
            let size = |tokens: u64| {
                let tokens = TokenCount(tokens * 1_000_000_000_000);
                avg4().at_tokens(tokens).unwrap().ln_params(score)
            };
            prop_assert!(size(tokens + 1) < size(tokens));
        }
    }
}
