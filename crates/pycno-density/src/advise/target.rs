//! Which size and how many tokens reach a score.
//!
//! The score asks for a loss `L` (Xiao et al. 2025,
//! [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0), equation 4), and the
//! loss law ties size to tokens, `L = E + a N^-alpha + b D^-beta`: with one fixed, the other follows.

use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};

use super::{
    Answer, DrawnLaw, Planned,
    drawn::{loss, params, tokens},
};
use crate::{
    Constants, DensityError, Effective, LossConstants, SigmoidConstants, law::checked_size,
};

/// What a plan for a score takes for granted, as sentences to print beside it.
pub const TARGET_ASSUMPTIONS: [&str; 4] = [
    "The model is trained as the ruler's reference family was: its data, its architecture, its recipe.",
    "Sizes are counted by the ruler's convention, and training takes 6 flops per parameter and token.",
    "Tokens are read once; what repeating them costs is not in the law.",
    "The interval is that of the ruler's draws within one basin; the noise of a single run is not in it.",
];

/// The smallest size that reaches a score at a token count.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SizeNeeded {
    /// Tokens it reads.
    pub tokens: TokenCount,
    /// The size.
    pub params: Planned<ParamCount>,
    /// How far the size lies outside the reference models; `None` within half to twice of them.
    pub outside: Option<f64>,
}

/// The fewest tokens that bring a size to a score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokensNeeded {
    /// The size.
    pub params: ParamCount,
    /// Tokens it must read.
    pub tokens: Planned<TokenCount>,
    /// How far the size lies outside the reference models; `None` within half to twice of them.
    pub outside: Option<f64>,
}

/// The loss at which a score is reached.
///
/// # Errors
///
/// [`DensityError::OneStep`] for a law of one step.
pub fn loss_needed(
    drawn: &DrawnLaw<'_>,
    target: Score,
) -> Result<Answer<Planned<NatsPerToken>>, DensityError> {
    let goal = Goal::new(drawn, target, "the loss of a score")?;
    let needed = |of: &LossConstants, needed: f64| {
        if needed > of.least(f64::INFINITY) { needed.ln() } else { f64::NEG_INFINITY }
    };
    goal.below(goal.loss.least(f64::INFINITY))
        .try_map(|value| Ok(drawn.planned(NatsPerToken(value), |c| goal.drawn(c, needed), loss)))
}

/// The smallest size that reaches a score at `tokens` tokens; at the law's own count this is the
/// score's effective size. More tokens need a smaller size, so up to a cap the smallest is at the cap.
///
/// # Errors
///
/// [`DensityError::OneTokenCount`] for a law of one step at another count than its own,
/// [`DensityError::Quantity`] for no tokens, [`DensityError::BeyondCounts`] for a size that is no number.
pub fn smallest_size(
    drawn: &DrawnLaw<'_>,
    target: Score,
    tokens: TokenCount,
) -> Result<Answer<SizeNeeded>, DensityError> {
    let law = drawn.law().at_tokens(tokens)?;
    let (percent, ln_tokens) = (target.percent(), law.ln_tokens());
    Ok(match law.effective(target) {
        Effective::BelowFloor { floor } => Answer::BelowFloor { floor },
        Effective::AboveCeiling { ceiling } => Answer::AboveCeiling { ceiling },
        Effective::BeyondReference { limit } => Answer::OutOfReach { limit },
        Effective::Inside { .. } | Effective::Extrapolated { .. } => {
            let size = size(law.ln_params(percent))?;
            let log = |constants: &Constants| Some(constants.ln_params(percent, ln_tokens));
            let params = drawn.planned(size, log, params);
            Answer::Reached(SizeNeeded { tokens, params, outside: law.range().outside(size) })
        }
    })
}

/// The fewest tokens that bring a model of this size to a score:
/// `D = (b / (L - E - a N^-alpha))^(1 / beta)`.
///
/// # Errors
///
/// [`DensityError::OneStep`] for a law of one step, [`DensityError::Size`] for an impossible size,
/// [`DensityError::BeyondCounts`] for tokens that no count holds.
pub fn fewest_tokens(
    drawn: &DrawnLaw<'_>,
    target: Score,
    params: ParamCount,
) -> Result<Answer<TokensNeeded>, DensityError> {
    let goal = Goal::new(drawn, target, "a number of tokens")?;
    let ln_params = checked_size(params)?.0.ln();
    let ln_tokens = |of: &LossConstants, needed: f64| {
        let rest = needed - with_endless_tokens(of, ln_params);
        if rest > 0.0 { (of.b.ln() - rest.ln()) / of.beta } else { f64::INFINITY }
    };
    goal.below(with_endless_tokens(&goal.loss, ln_params)).try_map(|needed| {
        let count = count(ln_tokens(&goal.loss, needed))?;
        let tokens = drawn.planned(count, |c| goal.drawn(c, ln_tokens), tokens);
        Ok(TokensNeeded { params, tokens, outside: drawn.law().range().outside(params) })
    })
}

/// A score to reach on a law of two steps.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    target: Score,
    pub(super) loss: LossConstants,
    score: SigmoidConstants,
    floor: Score,
    ceiling: Score,
}

impl Goal {
    pub(super) fn new(
        drawn: &DrawnLaw<'_>,
        target: Score,
        what: &'static str,
    ) -> Result<Self, DensityError> {
        let law = drawn.law();
        let Constants::TwoStep { loss, score } = law.constants() else {
            return Err(DensityError::OneStep { what });
        };
        Ok(Self { target, loss, score, floor: law.floor(), ceiling: law.ceiling() })
    }

    /// The loss needed, where it exceeds the least that can be had.
    pub(super) fn below(&self, least: f64) -> Answer<f64> {
        match self.score.loss(self.target.percent()) {
            f64::INFINITY => Answer::BelowFloor { floor: self.floor },
            f64::NEG_INFINITY => Answer::AboveCeiling { ceiling: self.ceiling },
            needed if needed > least => Answer::Reached(needed),
            _ => self.out_of_reach(least),
        }
    }

    fn out_of_reach(&self, least: f64) -> Answer<f64> {
        let percent = self.score.percent(NatsPerToken(least)).min(100.0);
        // Finite constants make a finite score at or above the floor.
        let limit = Score::from_percent(percent).unwrap_or(self.ceiling);
        Answer::OutOfReach { limit }
    }

    /// What a draw makes of the loss that it finds needed.
    pub(super) fn drawn(
        &self,
        draw: &Constants,
        log: impl Fn(&LossConstants, f64) -> f64,
    ) -> Option<f64> {
        let Constants::TwoStep { loss, score } = draw else { return None };
        Some(log(loss, score.loss(self.target.percent())))
    }
}

/// Loss of `ln N` parameters after endless tokens, `E + a N^-alpha`.
fn with_endless_tokens(of: &LossConstants, ln_params: f64) -> f64 {
    of.least(f64::INFINITY) + of.a * (-of.alpha * ln_params).exp()
}

pub(super) fn size(logarithm: f64) -> Result<ParamCount, DensityError> {
    let (what, allowed) = ("a planned size", "a positive finite number of parameters");
    let found = params(logarithm.exp()).filter(|size| size.0 > 0.0);
    found.ok_or(DensityError::BeyondCounts { what, allowed, logarithm })
}

pub(super) fn count(logarithm: f64) -> Result<TokenCount, DensityError> {
    let (what, allowed) = ("a planned token count", "below 2^63");
    // A run reads one token at least.
    tokens(logarithm.exp().max(1.0)).ok_or(DensityError::BeyondCounts { what, allowed, logarithm })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::published::*, *};
    use crate::{
        DirectConstants, ReferenceRange, ScoreLaw,
        advise::{CheapestRun, cheapest_run},
    };

    fn published() -> DrawnLaw<'static> {
        DrawnLaw::alone(law(LOSS))
    }

    fn size_at(target: f64, tokens: TokenCount) -> ParamCount {
        reached(smallest_size(&published(), percent(target), tokens).unwrap()).params.value
    }

    fn tokens_at(target: f64, size: ParamCount) -> TokenCount {
        reached(fewest_tokens(&published(), percent(target), size).unwrap()).tokens.value
    }

    fn one_step() -> DrawnLaw<'static> {
        let (floor, ceiling) = (percent(25.0), percent(80.0));
        let score = DirectConstants { floor, ceiling, steepness: 0.7, midpoint: 20.0 };
        let range = ReferenceRange { smallest: ParamCount(1e7), largest: ParamCount(1e10) };
        DrawnLaw::alone(ScoreLaw::new(Constants::Direct { score }, D0, range).unwrap())
    }

    #[test]
    fn losses_and_sizes_are_the_test_vectors_of_the_published_law() {
        let trillion = TokenCount(1_000_000_000_000);
        for (score, loss, size, at_trillion) in [
            (15.0, 0.286629258, 4.47176409e7, 7.17874219e7),
            (50.0, 0.174074445, 7.44741399e9, 1.72143341e10),
            (90.0, 0.084010681, 2.83650161e13, 2.52998669e14),
        ] {
            check(reached(loss_needed(&published(), percent(score)).unwrap()).value.0, loss, 1e-8);
            check(size_at(score, D0).0, size, 1e-8);
            check(size_at(score, trillion).0, at_trillion, 1e-8);
            check(tokens_at(score, ParamCount(at_trillion)).0 as f64, 1e12, 1e-6);
        }
    }

    #[test]
    fn out_of_range_is_an_answer() {
        let law = published();
        let (floor, ceiling) = (law.law().floor(), law.law().ceiling());
        let limit = law.law().limit();
        let size = |score| smallest_size(&law, percent(score), D0).unwrap();
        assert_eq!(size(10.0), Answer::BelowFloor { floor });
        assert_eq!(size(98.9), Answer::OutOfReach { limit });
        assert_eq!(cheapest_run(&law, percent(10.0)).unwrap(), Answer::BelowFloor { floor });
        // At most 99.8828 (loss 0), or 50.0 with that size and endless tokens.
        let at_most = |answer: Answer<f64>, expect: f64| match answer {
            Answer::OutOfReach { limit } => check(limit.percent(), expect, 1e-6),
            other => panic!("{other:?}"),
        };
        let none = |x: Answer<CheapestRun>| x.try_map(|_| Ok::<_, DensityError>(0.0)).unwrap();
        at_most(none(cheapest_run(&law, percent(99.9)).unwrap()), 99.8827933);
        let small = ParamCount((LOSS.a / 0.174074445f64).powf(1.0 / LOSS.alpha));
        let tokens = fewest_tokens(&law, percent(50.1), small).unwrap();
        at_most(tokens.try_map(|_| Ok::<_, DensityError>(0.0)).unwrap(), 50.0);
        let capped = SigmoidConstants { c: 80.0, ..SCORE };
        let constants = Constants::TwoStep { loss: LOSS, score: capped };
        let low = ScoreLaw::new(constants, D0, law.law().range()).unwrap();
        let above = cheapest_run(&DrawnLaw::alone(low), percent(95.0)).unwrap();
        assert_eq!(above, Answer::AboveCeiling { ceiling: low.ceiling() });
        assert_eq!(ceiling, Score::FULL);
    }

    #[test]
    fn a_law_of_one_step_knows_sizes_at_its_own_tokens_alone() {
        let law = one_step();
        let middle = reached(smallest_size(&law, percent(52.5), D0).unwrap());
        check(middle.params.value.0, 20f64.exp(), 1e-12);
        let refused = |error: DensityError, part: &str| {
            assert!(error.to_string().contains(part), "{error}");
        };
        let other = smallest_size(&law, percent(52.5), TokenCount(1)).unwrap_err();
        refused(other, "holds at 5000000000000 tokens alone, got 1");
        refused(cheapest_run(&law, percent(50.0)).unwrap_err(), "a run of least compute needs");
        refused(loss_needed(&law, percent(50.0)).unwrap_err(), "the loss of a score needs");
        let tokens = fewest_tokens(&law, percent(50.0), ParamCount(1e9)).unwrap_err();
        refused(tokens, "a number of tokens needs a law of two steps");
    }

    #[test]
    fn what_no_number_holds_is_refused() {
        let error = fewest_tokens(&published(), percent(50.0), ParamCount(0.0)).unwrap_err();
        assert!(matches!(error, DensityError::Size { .. }), "{error}");
        assert!(smallest_size(&published(), percent(50.0), TokenCount(0)).is_err());
        let flat = LossConstants { alpha: 1e-4, beta: 1e-4, ..LOSS };
        let error = cheapest_run(&DrawnLaw::alone(law(flat)), percent(50.0)).unwrap_err();
        assert!(error.to_string().contains("a planned size must be a positive finite"), "{error}");
        let barely = ParamCount((LOSS.a / 0.1740744448303).powf(1.0 / LOSS.alpha));
        let error = fewest_tokens(&published(), percent(50.0), barely).unwrap_err();
        assert!(error.to_string().contains("token count must be below 2^63"), "{error}");
    }

    proptest! {
        #[test]
        fn sizes_and_tokens_give_the_target_back(target in 12.0f64..97.0, trillions in 1u64..100) {
            let (law, tokens) = (law(LOSS), TokenCount(trillions * 1_000_000_000_000));
            let size = size_at(target, tokens);
            let back = law.at_tokens(tokens).unwrap().predict(size).percent();
            prop_assert!((back - target).abs() < 1e-8);
            prop_assert!((tokens_at(target, size).0 as f64 / tokens.0 as f64 - 1.0).abs() < 1e-6);
        }

        #[test]
        fn size_and_tokens_replace_each_other(target in 12.0f64..90.0, factor in 2u64..100) {
            let (tokens, size) = (D0, size_at(target, D0));
            prop_assert!(size_at(target, TokenCount(tokens.0 * factor)) < size);
            prop_assert!(tokens_at(target, ParamCount(size.0 * factor as f64)) < tokens);
            prop_assert!(size_at(target + 1.0, tokens) > size);
            let larger = ParamCount(2.0 * size_at(target + 1.0, tokens).0);
            prop_assert!(tokens_at(target + 1.0, larger) > tokens_at(target, larger));
        }
    }
}
