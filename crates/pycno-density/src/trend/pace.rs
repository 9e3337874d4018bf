//! How fast a quantity grows: its doubling time, its halving time, or neither.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::rows::exp;
use crate::Estimate;

/// Days of a mean year.
pub const DAYS_PER_YEAR: f64 = 365.25;
/// Days of a mean month.
pub const DAYS_PER_MONTH: f64 = DAYS_PER_YEAR / 12.0;

/// A length of time in days with its 95 % interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// Point estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end; `None` where it is open, since the rate's interval includes zero.
    pub high: Option<f64>,
}

/// `ln 2 / rate`, by the sign of the rate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "pace", rename_all = "lowercase", deny_unknown_fields)]
pub enum Pace {
    /// The quantity grows.
    Doubling {
        /// Doubling time.
        days: Days,
    },
    /// The rate is zero: neither doubling nor halving time.
    Flat {},
    /// The quantity shrinks.
    Halving {
        /// Halving time.
        days: Days,
    },
}

/// Factor per mean year, `exp(365.25 rate)`; a number is `None` where it is beyond
/// floating-point numbers, as the ends of three points close in time can be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct YearFactor {
    /// Point estimate.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
}

impl YearFactor {
    /// The factor of a rate per day.
    pub fn of(rate: Estimate) -> Self {
        let factor = |rate: f64| exp(rate * DAYS_PER_YEAR);
        Self { value: factor(rate.value), low: factor(rate.low), high: factor(rate.high) }
    }
}

impl Pace {
    /// The pace of a rate per day; the interval is that of the rate, turned over.
    pub fn of(rate: Estimate) -> Self {
        let Estimate { value, low, high } = rate;
        if value > 0.0 {
            Self::Doubling { days: Days::of(value, low, high) }
        } else if value < 0.0 {
            Self::Halving { days: Days::of(-value, -high, -low) }
        } else {
            Self::Flat {}
        }
    }

    /// The doubling time, where there is one.
    pub const fn doubling(&self) -> Option<Days> {
        match self {
            Self::Doubling { days } => Some(*days),
            _ => None,
        }
    }

    /// The halving time, where there is one.
    pub const fn halving(&self) -> Option<Days> {
        match self {
            Self::Halving { days } => Some(*days),
            _ => None,
        }
    }
}

impl Days {
    fn of(rate: f64, low: f64, high: f64) -> Self {
        Self { value: LN_2 / rate, low: LN_2 / high, high: (low > 0.0).then(|| LN_2 / low) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rate: (f64, f64, f64), expect: Pace) {
        let found = Pace::of(Estimate { value: rate.0, low: rate.1, high: rate.2 });
        assert_eq!(found, expect);
    }

    #[test]
    fn a_factor_per_year_beyond_numbers_is_none() {
        let steep = YearFactor::of(Estimate { value: LN_2 / DAYS_PER_YEAR, low: -3.0, high: 3.0 });
        assert!((steep.value.unwrap() - 2.0).abs() < 1e-12, "{steep:?}");
        assert_eq!((steep.low, steep.high), (None, None));
    }

    #[test]
    fn the_sign_of_the_rate_names_the_pace() {
        let days = |value, low, high| Days { value, low, high };
        let open = days(1.0, 0.5, None);
        check((LN_2, LN_2 / 2.0, LN_2 * 2.0), Pace::Doubling { days: days(1.0, 0.5, Some(2.0)) });
        check((LN_2, -LN_2, LN_2 * 2.0), Pace::Doubling { days: open });
        check((LN_2, 0.0, LN_2 * 2.0), Pace::Doubling { days: open });
        check((-LN_2, -LN_2 * 2.0, LN_2), Pace::Halving { days: open });
        check((-LN_2, -LN_2 * 2.0, -LN_2 / 2.0), Pace::Halving { days: days(1.0, 0.5, Some(2.0)) });
        check((0.0, -1.0, 1.0), Pace::Flat {});
    }
}
