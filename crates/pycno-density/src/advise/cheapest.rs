//! The size and the tokens that reach a score with the least compute.
//!
//! The loss law ties size to tokens, `L = E + a N^-alpha + b D^-beta` (Hoffmann et al. 2022,
//! [arXiv:2203.15556](https://arxiv.org/abs/2203.15556), equation 10; without `E` Xiao et al. 2025,
//! equation 2). Of all pairs on that curve the least `C = 6 N D` is found in closed form; equation 4
//! of the former answers the converse, the least loss of a given `C`. Write `x = a N^-alpha` and
//! `y = b D^-beta`, so that `x + y = L - E` and
//! `ln C = ln 6 + (ln a - ln x) / alpha + (ln b - ln y) / beta`. Where a move along the curve,
//! `dy = -dx`, changes `C` no more, `1 / (alpha x) = 1 / (beta y)`: the reducible loss splits as
//! `x : y = beta : alpha`, whatever the target. `ln C` is convex in `x`, so this is the one minimum.

use pycno_units::{Flops, ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};

use super::{
    Answer, DrawnLaw, Planned,
    drawn::{flops, params, tokens},
    target::{Goal, count, size},
};
use crate::{Constants, DensityError, LossConstants};

/// Compute of a training run over parameters times tokens: forward 2, backward 4.
const FLOPS_PER_PARAM_AND_TOKEN: f64 = 6.0;

/// The training run that reaches a score with the least compute.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CheapestRun {
    /// Its size.
    pub params: Planned<ParamCount>,
    /// Its tokens.
    pub tokens: Planned<TokenCount>,
    /// Its compute, `6 N D`.
    pub flops: Planned<Flops>,
    /// How far the size lies outside the reference models; `None` within half to twice of them.
    pub outside: Option<f64>,
}

/// The size and the tokens that reach a score with the least compute `6 N D`: there
/// `a N^-alpha : b D^-beta = beta : alpha`.
///
/// # Errors
///
/// [`DensityError::OneStep`] for a law of one step, [`DensityError::BeyondCounts`] for counts that no
/// number holds.
pub fn cheapest_run(
    drawn: &DrawnLaw<'_>,
    target: Score,
) -> Result<Answer<CheapestRun>, DensityError> {
    let goal = Goal::new(drawn, target, "a run of least compute")?;
    goal.below(goal.loss.least(f64::INFINITY)).try_map(|needed| {
        let best = Logs::cheapest(&goal.loss, needed);
        let (size, count, cost) = (size(best.params)?, count(best.tokens)?, compute(best.flops())?);
        let log = |of: fn(Logs) -> f64| {
            move |constants: &Constants| {
                goal.drawn(constants, |loss, needed| of(Logs::cheapest(loss, needed)))
            }
        };
        Ok(CheapestRun {
            params: drawn.planned(size, log(|logs| logs.params), params),
            tokens: drawn.planned(count, log(|logs| logs.tokens), tokens),
            flops: drawn.planned(cost, log(Logs::flops), flops),
            outside: drawn.law().range().outside(size),
        })
    })
}

/// A pair of size and tokens, as logarithms.
#[derive(Clone, Copy)]
struct Logs {
    params: f64,
    tokens: f64,
}

impl Logs {
    /// The pair of least compute: minus infinity for a loss that everything has, plus infinity for
    /// one that nothing reaches.
    fn cheapest(of: &LossConstants, needed: f64) -> Self {
        let reducible = needed - of.least(f64::INFINITY);
        if reducible <= 0.0 {
            return Self { params: f64::INFINITY, tokens: f64::INFINITY };
        }
        let sum = of.alpha + of.beta;
        let (of_size, of_data) = (reducible * of.beta / sum, reducible * of.alpha / sum);
        Self {
            params: (of.a.ln() - of_size.ln()) / of.alpha,
            tokens: (of.b.ln() - of_data.ln()) / of.beta,
        }
    }

    fn flops(self) -> f64 {
        FLOPS_PER_PARAM_AND_TOKEN.ln() + self.params + self.tokens
    }
}

fn compute(logarithm: f64) -> Result<Flops, DensityError> {
    let (what, allowed) = ("planned compute", "a finite number of flops");
    flops(logarithm.exp()).ok_or(DensityError::BeyondCounts { what, allowed, logarithm })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pycno_units::NatsPerToken;

    use super::{super::published::*, *};
    use crate::advise::{SizeNeeded, fewest_tokens, loss_needed, smallest_size};

    fn published() -> DrawnLaw<'static> {
        DrawnLaw::alone(law(LOSS))
    }

    fn run(target: f64) -> CheapestRun {
        reached(cheapest_run(&published(), percent(target)).unwrap())
    }

    #[test]
    fn the_cheapest_run_is_the_one_computed_by_hand() {
        // L(50) = 0.174074445 splits into 0.128200 of size and 0.045874 of data.
        for (score, size, tokens, flops) in [
            (30.0, 5.00485131e9, 1.85489026e11, 5.57006999e21),
            (50.0, 3.81823303e10, 3.83791341e11, 8.79242867e22),
            (70.0, 3.49878862e11, 8.47910238e11, 1.77999522e24),
        ] {
            let found = run(score);
            check(found.params.value.0, size, 1e-8);
            check(found.tokens.value.0 as f64, tokens, 1e-8);
            check(found.flops.value.0, flops, 1e-8);
            check(found.outside.unwrap(), size / 828225024.0, 1e-8);
        }
        assert_eq!(run(15.0).outside, None);
    }

    #[test]
    fn golden_optima_at_ten_to_the_19_flops_come_back() {
        for (alpha, beta, size, needed) in [
            (0.31, 0.31, 1.269263492e9, 2.914285315759),
            (0.34, 0.28, 2.279559110e8, 2.985740596315),
            (0.465, 0.155, 2.077973534e5, 7.164079307533),
        ] {
            let irreducible = Some(1.69);
            let of = LossConstants { a: 406.4, alpha, b: 410.7, beta, irreducible };
            let best = Logs::cheapest(&of, needed);
            check(best.params.exp(), size, 1e-8);
            check(best.flops().exp(), 1e19, 1e-8);
        }
    }

    #[test]
    fn an_irreducible_loss_bounds_what_can_be_had() {
        let of = LossConstants { irreducible: Some(0.1), ..LOSS };
        let with_rest = DrawnLaw::alone(law(of));
        let answer = cheapest_run(&with_rest, percent(90.0)).unwrap();
        let limit = percent(SCORE.percent(NatsPerToken(0.1)));
        assert_eq!(answer, Answer::OutOfReach { limit });
        assert_eq!(loss_needed(&with_rest, percent(90.0)).unwrap().reached(), None);
        let found = reached(cheapest_run(&with_rest, percent(70.0)).unwrap());
        let back = law(of).at_tokens(found.tokens.value).unwrap().predict(found.params.value);
        check(back.percent(), 70.0, 1e-9);
    }

    #[test]
    fn intervals_are_those_of_the_draws() {
        let draws = draws();
        let drawn = DrawnLaw::with(law(LOSS), &draws);
        let found = reached(cheapest_run(&drawn, percent(50.0)).unwrap());
        let ends = found.params.interval.unwrap();
        check(ends.low.unwrap().0 / found.params.value.0, (-0.95f64).exp(), 1e-9);
        check(ends.high.unwrap().0 / found.params.value.0, 0.95f64.exp(), 1e-9);
        let ends = found.flops.interval.unwrap();
        check(ends.high.unwrap().0 / found.flops.value.0, 0.95f64.exp(), 1e-9);
        // `a` moves the size alone.
        let ends = found.tokens.interval.unwrap();
        let count = found.tokens.value.0 as f64;
        check(ends.low.unwrap().0 as f64, count, 1e-9);
        check(ends.high.unwrap().0 as f64, count, 1e-9);
        let size = reached(smallest_size(&drawn, percent(50.0), D0).unwrap()).params;
        check(size.interval.unwrap().low.unwrap().0 / size.value.0, (-0.95f64).exp(), 1e-9);
        assert_eq!((ends.level, ends.undefined), (0.95, 0.0));
    }

    #[test]
    fn ends_stay_open_where_draws_reach_nothing() {
        let mut draws = draws();
        let endless = LossConstants { irreducible: Some(0.2), ..LOSS };
        for draw in draws.iter_mut().take(11) {
            *draw = Some(Constants::TwoStep { loss: endless, score: SCORE });
        }
        let drawn = DrawnLaw::with(law(LOSS), &draws);
        let found = reached(cheapest_run(&drawn, percent(50.0)).unwrap());
        let ends = found.params.interval.unwrap();
        assert!(ends.low.is_some() && ends.high.is_none(), "{ends:?}");
        check(ends.undefined, 11.0 / 201.0, 1e-12);
        assert_eq!(found.tokens.interval.unwrap().high, None);
        assert_eq!(found.flops.interval.unwrap().high, None);
    }

    #[test]
    fn answers_are_written_and_read_back() {
        let found = cheapest_run(&DrawnLaw::with(law(LOSS), &draws()), percent(50.0)).unwrap();
        let text = toml::to_string(&found).unwrap();
        assert!(text.contains("answer = \"reached\""), "{text}");
        assert_eq!(toml::from_str::<Answer<CheapestRun>>(&text).unwrap(), found);
        let below = smallest_size(&published(), percent(10.0), D0).unwrap();
        let text = toml::to_string(&below).unwrap();
        assert_eq!(toml::from_str::<Answer<SizeNeeded>>(&text).unwrap(), below);
        assert!(toml::from_str::<Answer<SizeNeeded>>(&format!("{text}more = 1\n")).is_err());
    }

    proptest! {
        #[test]
        fn every_plan_gives_the_target_back(target in 12.0f64..97.0, shift in -2.5f64..3.0) {
            let (law, best) = (law(LOSS), run(target));
            let predict = |size, tokens| law.at_tokens(tokens).unwrap().predict(size).percent();
            prop_assert!((predict(best.params.value, best.tokens.value) - target).abs() < 1e-6);
            let product = 6.0 * best.params.value.0 * best.tokens.value.0 as f64;
            prop_assert!((product / best.flops.value.0 - 1.0).abs() < 1e-6);
            // Another size on the curve that reaches the target at all.
            let size = ParamCount(best.params.value.0 * shift.exp());
            if let Answer::Reached(other) = fewest_tokens(&published(), percent(target), size).unwrap() {
                prop_assert!((predict(size, other.tokens.value) - target).abs() < 1e-6);
                let flops = 6.0 * size.0 * other.tokens.value.0 as f64;
                prop_assert!(flops >= best.flops.value.0 * (1.0 - 1e-9));
            }
        }

        #[test]
        fn a_higher_score_takes_more_of_everything(target in 12.0f64..96.0, more in 0.1f64..2.0) {
            let (low, high) = (run(target), run(target + more));
            prop_assert!(high.params.value > low.params.value);
            prop_assert!(high.tokens.value > low.tokens.value);
            prop_assert!(high.flops.value > low.flops.value);
        }
    }
}
