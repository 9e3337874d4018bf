//! The published average law, and draws whose intervals are known in advance, for the tests.

use pycno_units::{ParamCount, Score, TokenCount};

use super::Answer;
use crate::{Constants, LossConstants, ReferenceRange, ScoreLaw, SigmoidConstants};

/// `D0` of Xiao et al. 2025.
pub(crate) const D0: TokenCount = TokenCount(5_000_000_000_000);

/// AVG4: four categories, the published basin.
pub(crate) const LOSS: LossConstants =
    LossConstants { a: 1.77434, alpha: 0.10784, b: 142.124, beta: 0.30137, irreducible: None };

/// AVG4.
pub(crate) const SCORE: SigmoidConstants =
    SigmoidConstants { c: 90.77348, gamma: -24.41189, l: 0.162872, d: 10.78089 };

/// A law of two steps over the published reference sizes.
pub(crate) fn law(loss: LossConstants) -> ScoreLaw {
    let range =
        ReferenceRange { smallest: ParamCount(5247232.0), largest: ParamCount(828225024.0) };
    ScoreLaw::new(Constants::TwoStep { loss, score: SCORE }, D0, range).unwrap()
}

/// 201 draws whose `a` gives sizes from `1 / e` to `e` times the published, evenly in `ln N`: their
/// 95 % interval ends at `exp(-0.95)` and `exp(0.95)`.
pub(crate) fn draws() -> Vec<Option<Constants>> {
    let draw = |i: i32| {
        let shift = f64::from(i - 100) / 100.0;
        let loss = LossConstants { a: LOSS.a * (LOSS.alpha * shift).exp(), ..LOSS };
        Some(Constants::TwoStep { loss, score: SCORE })
    };
    (0..=200).map(draw).collect()
}

pub(crate) fn percent(percent: f64) -> Score {
    Score::from_percent(percent).unwrap()
}

/// The value of an answer.
#[track_caller]
pub(crate) fn reached<T: std::fmt::Debug>(answer: Answer<T>) -> T {
    match answer {
        Answer::Reached(value) => value,
        refusal => panic!("{refusal:?}"),
    }
}

#[track_caller]
pub(crate) fn check(found: f64, expect: f64, relative: f64) {
    assert!((found / expect - 1.0).abs() <= relative, "{found}, expected {expect}");
}
