//! The break-even window: a training cost must come back before a half-size rival appears.
//!
//! Corollary of the densing law (Xiao et al. 2025,
//! [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0)): one doubling
//! time after a model's release, half its size reaches its score, and serving that costs about
//! half. What the model has not earned by then it earns against a cheaper rival.

use serde::{Deserialize, Serialize};

use super::device::positive;
use crate::{DAYS_PER_MONTH, Days, DensityError};

/// What a break-even window takes for granted, as sentences to print beside it.
pub const BREAK_EVEN_ASSUMPTIONS: [&str; 5] = [
    "The model is at the top of the trend when it is released.",
    "The trend's doubling time holds until the window closes.",
    "A model with the same score at half the size ends the window, whoever makes it.",
    "Profit flows evenly from the day of release; serving and staff are already taken off.",
    "Training cost is all spent by the day of release; money has no interest.",
];

/// What comes in, after the cost of serving.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "per", rename_all = "lowercase", deny_unknown_fields)]
pub enum Profit {
    /// By the day.
    Day {
        /// US dollars a day.
        usd: f64,
    },
    /// By the mean month of 30.4375 days.
    Month {
        /// US dollars a month.
        usd: f64,
    },
}

/// What a model cost and what it earns.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Venture {
    /// Cost of training, US dollars.
    pub training_usd: f64,
    /// Profit rate; zero or negative where serving eats it up.
    pub profit: Profit,
}

/// Whether the training cost comes back within the window.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payback {
    /// At the latest on the day when the half-size model appears.
    InTime,
    /// Only after that day.
    TooLate,
    /// Not at all: there is no profit.
    Never,
}

/// A venture against its window; months are of 30.4375 days.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BreakEven {
    /// Months until the training cost is earned; `None` without profit.
    pub recovery_months: Option<f64>,
    /// Months until a half-size model matches: the doubling time.
    pub window_months: f64,
    /// Window minus payback; negative where the cost comes back too late, `None` without profit.
    pub margin_months: Option<f64>,
    /// Share of the training cost that the window earns; negative with a loss.
    pub earned_share: f64,
    /// At the doubling time's estimate.
    pub verdict: Payback,
    /// Whether the verdict is the same over the whole interval of the doubling time.
    pub certain: bool,
}

impl Venture {
    /// Lays the venture against a doubling time of density.
    ///
    /// # Errors
    ///
    /// [`DensityError::Quantity`] for a cost or a doubling time that is not positive and finite,
    /// or a profit that is not finite; also where a result is beyond floating-point numbers.
    pub fn break_even(&self, doubling: Days) -> Result<BreakEven, DensityError> {
        let cost = positive("the training cost in dollars", self.training_usd)?;
        let window = positive("the doubling time of density", doubling.value)?;
        let profit = self.profit.usd_per_day()?;
        let days_to_earn = || positive("the days to break even", cost / profit);
        let recovery = (profit > 0.0).then(days_to_earn).transpose()?;
        let verdict = |window: f64| match recovery {
            None => Payback::Never,
            Some(days) if days <= window => Payback::InTime,
            Some(_) => Payback::TooLate,
        };
        let at_ends = [verdict(doubling.low), verdict(doubling.high.unwrap_or(f64::INFINITY))];
        Ok(BreakEven {
            recovery_months: recovery.map(|days| days / DAYS_PER_MONTH),
            window_months: window / DAYS_PER_MONTH,
            margin_months: recovery.map(|days| (window - days) / DAYS_PER_MONTH),
            earned_share: finite("the share of the cost earned", profit * window / cost)?,
            verdict: verdict(window),
            certain: at_ends == [verdict(window); 2],
        })
    }
}

impl Profit {
    /// US dollars a day.
    fn usd_per_day(self) -> Result<f64, DensityError> {
        let (usd, days) = match self {
            Self::Day { usd } => (usd, 1.0),
            Self::Month { usd } => (usd, DAYS_PER_MONTH),
        };
        Ok(finite("a profit", usd)? / days)
    }
}

fn finite(what: &'static str, found: f64) -> Result<f64, DensityError> {
    if found.is_finite() {
        Ok(found)
    } else {
        Err(DensityError::Quantity { what, allowed: "finite", found })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The window of figure 1's envelope: 3.488 months.
    const WINDOW: Days = Days { value: 106.16, low: 85.78, high: Some(139.24) };

    fn break_even(training_usd: f64, profit: Profit) -> Result<BreakEven, DensityError> {
        Venture { training_usd, profit }.break_even(WINDOW)
    }

    #[track_caller]
    fn check(usd_per_month: f64, months: Option<f64>, verdict: Payback, certain: bool) {
        let found = break_even(6e6, Profit::Month { usd: usd_per_month }).unwrap();
        assert_eq!((found.verdict, found.certain), (verdict, certain), "{found:?}");
        let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a == b,
        };
        assert!(close(found.recovery_months, months), "{found:?}");
        let margin = months.map(|months| 106.16 / 30.4375 - months);
        assert!(close(found.margin_months, margin), "{found:?}");
    }

    #[test]
    fn six_millions_must_come_back_in_three_and_a_half_months() {
        check(3e6, Some(2.0), Payback::InTime, true);
        check(2e6, Some(3.0), Payback::InTime, false);
        check(1.5e6, Some(4.0), Payback::TooLate, false);
        check(1e6, Some(6.0), Payback::TooLate, true);
        check(0.0, None, Payback::Never, true);
        check(-1e6, None, Payback::Never, true);
    }

    #[test]
    fn the_window_earns_a_share_of_the_cost() {
        let found = break_even(106.16e3, Profit::Day { usd: 500.0 }).unwrap();
        assert!((found.earned_share - 0.5).abs() < 1e-12, "{found:?}");
        assert!((found.window_months - 3.488).abs() < 5e-4, "{found:?}");
    }

    #[test]
    fn an_open_window_makes_no_delay_certain() {
        let open = Days { high: None, ..WINDOW };
        let slow = Venture { training_usd: 1e9, profit: Profit::Day { usd: 1.0 } };
        let found = slow.break_even(open).unwrap();
        assert_eq!((found.verdict, found.certain), (Payback::TooLate, false));
    }

    #[test]
    fn impossible_ventures_are_refused() {
        let refused = |found: Result<BreakEven, DensityError>, part: &str| {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        refused(break_even(0.0, Profit::Day { usd: 1.0 }), "the training cost in dollars must be");
        refused(break_even(1.0, Profit::Day { usd: f64::NAN }), "a profit must be finite");
        refused(break_even(1e300, Profit::Day { usd: 1e-300 }), "the days to break even must be");
        refused(break_even(1e-300, Profit::Day { usd: -1e300 }), "the cost earned must be finite");
        let venture = Venture { training_usd: 1.0, profit: Profit::Day { usd: 1.0 } };
        let window = Days { value: f64::NAN, ..WINDOW };
        refused(venture.break_even(window), "the doubling time of density must be");
    }

    proptest! {
        #[test]
        fn days_and_months_say_the_same(cost in 1.0f64..1e9, usd in -1e6f64..1e6) {
            let daily = break_even(cost, Profit::Day { usd }).unwrap();
            let monthly = break_even(cost, Profit::Month { usd: usd * DAYS_PER_MONTH }).unwrap();
            prop_assert_eq!(daily.verdict, monthly.verdict);
            prop_assert!((daily.earned_share - monthly.earned_share).abs()
                <= 1e-12 * daily.earned_share.abs());
            prop_assert_eq!(daily.verdict == Payback::InTime, daily.earned_share >= 1.0);
        }
    }
}
