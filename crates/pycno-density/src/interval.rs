//! Percentile intervals of draws on the extended real line.
//!
//! A draw below a law's floor is minus infinity, one above its ceiling plus infinity: an order, if
//! not a number. A draw without even an order (`None`) is put where it harms an end most, so an
//! end is a number only if at most 2.5 % of the draws lie or may lie beyond numbers there.

use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::{Interval, Verdict};

/// Coverage aimed at.
const LEVEL: f64 = 0.95;

/// Draws of a quantity on the log scale, with what a corrected interval needs.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    /// By draw: infinite beyond floor or ceiling, `None` where a refit failed.
    pub(crate) logs: Vec<Option<f64>>,
    /// The same, where each draw also takes out a run's deviation from its recipe's mean.
    pub(crate) over_runs: Vec<Option<f64>>,
    /// The estimate itself.
    pub(crate) point: f64,
    /// What each run, point and item adds to the estimate's error (jackknife).
    pub(crate) influences: Vec<f64>,
    /// Share of draws that another basin fits better.
    pub(crate) elsewhere: f64,
}

/// The ends on the log scale; infinite where 2.5 % of the draws are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ends {
    low: f64,
    high: f64,
}

/// Percentile interval of `exp(draw)`.
///
/// An end in the infinite part is open (`None`), but an *upper* end at minus infinity is the
/// number 0: nearly all draws are at or below the floor, whose size is the limit 0.
pub(crate) fn interval(draws: &[Option<f64>]) -> Interval {
    let tail = (1.0 - LEVEL) / 2.0;
    interval_at(draws, (tail, 1.0 - tail))
}

fn interval_at(draws: &[Option<f64>], shares: (f64, f64)) -> Interval {
    let Ends { low, high } = ends(draws, shares);
    let finite = draws.iter().flatten().filter(|draw| draw.is_finite()).count();
    Interval {
        low: low.is_finite().then(|| low.exp()),
        high: (high < f64::INFINITY).then(|| high.exp()),
        level: LEVEL,
        undefined: 1.0 - finite as f64 / draws.len() as f64,
    }
}

/// Bias-corrected and accelerated interval of `exp(draw)` (Efron 1987,
/// [doi 10.1080/01621459.1987.10478410](https://doi.org/10.1080/01621459.1987.10478410)).
///
/// Bias: the share of draws below the estimate. Acceleration: the skewness of the influences,
/// `sum u^3 / (6 (sum u^2)^1.5)`, over all runs, points and items together, as they are independent.
/// `None` without an estimate, or where the correction leaves the draws.
pub(crate) fn bca(draws: &Draws) -> Option<Interval> {
    let normal = Normal::standard();
    let n = draws.logs.len() as f64;
    let below = draws.logs.iter().flatten().filter(|draw| **draw < draws.point).count() as f64;
    let bias = normal.inverse_cdf(below / n);
    let moment = |power: i32| draws.influences.iter().map(|u| u.powi(power)).sum::<f64>();
    let acceleration = moment(3) / (6.0 * moment(2).powf(1.5));
    let share = |tail: f64| {
        let z = bias + normal.inverse_cdf(tail);
        normal.cdf(bias + z / (1.0 - acceleration * z))
    };
    let tail = (1.0 - LEVEL) / 2.0;
    let (low, high) = (share(tail), share(1.0 - tail));
    let usable = draws.point.is_finite() && low > 1.0 / n && high < 1.0 - 1.0 / n && low < high;
    usable.then(|| interval_at(&draws.logs, (low, high)))
}

/// Two-sided bootstrap p of a log ratio of zero: twice the smaller share of draws on one side, a draw
/// without an order counting for both; at least one draw in `n + 1` each.
pub(crate) fn p_value(log_ratios: &[Option<f64>]) -> f64 {
    let beyond = |is: fn(f64) -> bool| log_ratios.iter().filter(|d| d.is_none_or(is)).count();
    let smaller = beyond(|d| d <= 0.0).min(beyond(|d| d >= 0.0)) as f64;
    (2.0 * (smaller + 1.0) / (log_ratios.len() as f64 + 1.0)).min(1.0)
}

/// Raised or lowered if the whole interval of log ratios, infinite ends too, is on one side of 0.
pub(crate) fn verdict(log_ratios: &[Option<f64>]) -> Verdict {
    let tail = (1.0 - LEVEL) / 2.0;
    let Ends { low, high } = ends(log_ratios, (tail, 1.0 - tail));
    if low > 0.0 {
        Verdict::Raised
    } else if high < 0.0 {
        Verdict::Lowered
    } else {
        Verdict::Undecided
    }
}

/// Difference of two extended reals; `None` where both lie beyond numbers on the same side.
pub(crate) fn difference(student: Option<f64>, teacher: Option<f64>) -> Option<f64> {
    let difference = student? - teacher?;
    (!difference.is_nan()).then_some(difference)
}

fn ends(draws: &[Option<f64>], (low, high): (f64, f64)) -> Ends {
    let sorted = |missing: f64| {
        let mut values: Vec<f64> = draws.iter().map(|draw| draw.unwrap_or(missing)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    Ends {
        low: quantile(&sorted(f64::NEG_INFINITY), low),
        high: quantile(&sorted(f64::INFINITY), high),
    }
}

/// Linear between order statistics (Hyndman and Fan's type 7), as in R and `NumPy`.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let below = position.floor() as usize;
    let (a, b) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let weight = position - position.floor();
    if weight == 0.0 || a.to_bits() == b.to_bits() { a } else { a + (b - a) * weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Option<f64> = Some(f64::NEG_INFINITY);
    const UP: Option<f64> = Some(f64::INFINITY);

    /// 1,000 draws: the given ones, then an even spread over [-2, 2] times `scale` plus `shift`.
    fn draws(beyond: &[(Option<f64>, usize)], scale: f64, shift: f64) -> Vec<Option<f64>> {
        let mut all: Vec<Option<f64>> =
            beyond.iter().flat_map(|(draw, n)| vec![*draw; *n]).collect();
        let rest = 1_000 - all.len();
        let spread = |i: usize| 4.0 * i as f64 / (rest.max(2) - 1) as f64 - 2.0;
        all.extend((0..rest).map(|i| Some(scale * spread(i) + shift)));
        all
    }

    #[track_caller]
    fn check(draws: &[Option<f64>], open: (bool, bool), undefined: f64, expect: Verdict) {
        let found = interval(draws);
        assert_eq!((found.low.is_none(), found.high.is_none()), open, "{found:?}");
        assert!((found.undefined - undefined).abs() < 1e-12, "{found:?}");
        assert_eq!(verdict(draws), expect, "{found:?}");
    }

    #[test]
    fn an_end_opens_above_2_5_percent_beyond_numbers() {
        check(&draws(&[], 1.0, 0.0), (false, false), 0.0, Verdict::Undecided);
        check(&draws(&[(DOWN, 20)], 1.0, 0.0), (false, false), 0.02, Verdict::Undecided);
        check(&draws(&[(DOWN, 30)], 1.0, 0.0), (true, false), 0.03, Verdict::Undecided);
        check(&draws(&[(UP, 30)], 1.0, 0.0), (false, true), 0.03, Verdict::Undecided);
        check(&draws(&[(None, 30)], 1.0, 0.0), (true, true), 0.03, Verdict::Undecided);
    }

    #[test]
    fn a_side_is_taken_though_its_far_end_is_open() {
        check(&draws(&[(DOWN, 400)], 0.1, -1.0), (true, false), 0.4, Verdict::Lowered);
        check(&draws(&[(UP, 400)], 0.1, 1.0), (false, true), 0.4, Verdict::Raised);
        check(&draws(&[(DOWN, 990)], 0.1, -1.0), (true, false), 0.99, Verdict::Lowered);
        check(&draws(&[(DOWN, 900), (None, 100)], 1.0, 0.0), (true, true), 1.0, Verdict::Undecided);
    }

    #[test]
    fn the_upper_end_of_nearly_all_draws_below_the_floor_is_zero() {
        assert_eq!(interval(&draws(&[(DOWN, 990)], 0.1, -1.0)).high, Some(0.0));
    }

    #[test]
    fn quantiles_agree_with_hand_computed_ones() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert!((quantile(&sorted, 0.5) - 3.0).abs() < 1e-15);
        assert!((quantile(&sorted, 0.25) - 1.75).abs() < 1e-15);
        assert!((quantile(&sorted, 1.0) - 8.0).abs() < 1e-15);
    }

    #[test]
    fn a_difference_of_equal_infinities_is_undefined() {
        assert_eq!(difference(DOWN, DOWN), None);
        assert_eq!(difference(UP, UP), None);
        assert_eq!(difference(DOWN, UP), DOWN);
        assert_eq!(difference(DOWN, Some(1.0)), DOWN);
        assert_eq!(difference(Some(1.0), DOWN), UP);
        assert_eq!(difference(None, Some(1.0)), None);
    }
}
