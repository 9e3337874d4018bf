//! Two periods of one series: did the trend's slope change at a date?
//!
//! The paper's comparison around 2022-11-30 (its figure 3c) rests on an envelope that **starts
//! anew** after the split: only so has it 3 points before and 6 after. One running maximum over
//! both periods leaves 5 points after, since Llama-65B lies below Chinchilla-70B.

use serde::{Deserialize, Serialize};
use time::Date;

use super::rows::{checked, iso_date};
use crate::{
    Dated, DensityError, Estimate, Series, Trend,
    line::{MIN_POINTS, t_quantile, t_two_sided},
};

/// The trends before and after a date.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// First day of the later period.
    #[serde(with = "iso_date")]
    pub split: Date,
    /// Trend of the models released before the split.
    pub before: Trend,
    /// Trend of the models released on the day of the split or later.
    pub after: Trend,
    /// Slope after over slope before; `None` unless the slope before is positive.
    pub ratio: Option<f64>,
    /// Slope after minus slope before, per day.
    pub difference: f64,
    /// Test of the difference; `None` if both lines pass exactly through all their points.
    pub test: Option<Welch>,
}

/// Welch's t for two slopes with errors `e1` and `e2` on `f1` and `f2` degrees of freedom:
/// `t = (A2 - A1) / sqrt(e1^2 + e2^2)` on `(e1^2 + e2^2)^2 / (e1^4 / f1 + e2^4 / f2)` degrees.
///
/// The two residual variances are not assumed equal. With three points in a period `f1 = 1`, and
/// the interval is as wide as that deserves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Welch {
    /// The difference of the slopes, per day, with its 95 % interval.
    pub difference: Estimate,
    /// The statistic.
    pub t: f64,
    /// Its degrees of freedom (Satterthwaite).
    pub freedom: f64,
    /// Two-sided p of equal slopes.
    pub p: f64,
}

impl Periods {
    /// Fits both periods on the same origin, the first of all dates; an envelope starts anew at
    /// the split.
    ///
    /// # Errors
    ///
    /// [`DensityError::ShortPeriod`] if a period has under three points, else those of
    /// [`Trend::fit`].
    pub fn fit(rows: &[Dated], series: Series, split: Date) -> Result<Self, DensityError> {
        let rows = checked(rows)?;
        let origin = rows.first().map(|row| row.date);
        let (early, late): (Vec<Dated>, Vec<Dated>) =
            rows.into_iter().partition(|row| row.date < split);
        let fit = |rows: &[Dated], period| {
            Trend::fit(rows, series, origin).map_err(|error| match error {
                DensityError::TooFew { found, .. } => {
                    DensityError::ShortPeriod { period, split, needed: MIN_POINTS, found }
                }
                other => other,
            })
        };
        let before = fit(&early, "before")?;
        let after = fit(&late, "from")?;
        let (old, new) = (before.line.slope.value, after.line.slope.value);
        Ok(Self {
            split,
            ratio: (old > 0.0).then(|| new / old),
            difference: new - old,
            test: Welch::of(&before, &after),
            before,
            after,
        })
    }
}

impl Welch {
    fn of(before: &Trend, after: &Trend) -> Option<Self> {
        let variance = |trend: &Trend| trend.line.slope_error.powi(2);
        let (early, late) = (variance(before), variance(after));
        let sum = early + late;
        if sum <= 0.0 {
            return None;
        }
        // Shares first: fourth powers of small errors would underflow.
        let (early, late) = (early / sum, late / sum);
        let freedom =
            1.0 / (early.powi(2) / before.line.freedom() + late.powi(2) / after.line.freedom());
        let difference = after.line.slope.value - before.line.slope.value;
        let t = difference / sum.sqrt();
        Some(Self {
            difference: Estimate::around(difference, t_quantile(freedom) * sum.sqrt()),
            t,
            freedom,
            p: t_two_sided(t, freedom),
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::{super::tables::*, *};

    const CHATGPT: Date = date!(2022 - 11 - 30);

    #[track_caller]
    fn check(found: f64, expect: f64, tolerance: f64) {
        assert!((found - expect).abs() <= tolerance, "{found}, expected {expect} +- {tolerance}");
    }

    #[test]
    fn figure_3c_before_and_after_chatgpt() {
        let found = Periods::fit(&figure_3c(), Series::Envelope, CHATGPT).unwrap();
        let (before, after) = (&found.before.line, &found.after.line);
        assert_eq!((before.points, after.points), (3, 6));
        check(before.slope.value, 0.004797, 5e-7);
        check(before.r2.unwrap(), 0.713, 5e-4);
        check(after.slope.value, 0.007312, 5e-7);
        check(after.r2.unwrap(), 0.974, 5e-4);
        let doubling = |trend: &Trend| trend.pace.doubling().unwrap();
        check(doubling(&found.before).value, 144.5, 0.05);
        check(doubling(&found.after).value, 94.8, 0.05);
        check(found.ratio.unwrap(), 1.5, 0.05);
        assert!(before.slope.includes_zero(), "{before:?}");
        assert_eq!(doubling(&found.before).high, None);
        assert!(!after.slope.includes_zero(), "{after:?}");
    }

    #[test]
    fn the_acceleration_of_figure_3c_is_undecided() {
        let found = Periods::fit(&figure_3c(), Series::Envelope, CHATGPT).unwrap();
        let test = found.test.unwrap();
        check(found.difference, 0.0025141015, 1e-9);
        check(test.t, 0.8102560, 1e-6);
        check(test.freedom, 1.0781578, 1e-6);
        check(test.p, 0.5583757, 1e-6);
        assert!(test.difference.includes_zero());
    }

    #[test]
    fn a_comparison_and_its_trends_survive_a_file() {
        let found = Periods::fit(&figure_3c(), Series::Envelope, CHATGPT).unwrap();
        let text = toml::to_string(&found).unwrap();
        assert!(text.contains("split = \"2022-11-30\"") && text.contains("pace = \"doubling\""));
        assert_eq!(toml::from_str::<Periods>(&text).unwrap(), found);
    }

    #[test]
    fn one_running_maximum_would_leave_five_points_after() {
        let whole = crate::envelope(&figure_3c()).unwrap();
        assert_eq!(whole.iter().filter(|row| row.date >= CHATGPT).count(), 5);
    }

    #[test]
    fn a_period_of_two_points_is_refused() {
        let refused = |split, part: &str| {
            let error = Periods::fit(&figure_3c(), Series::Envelope, split).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        refused(date!(2022 - 03 - 29), "before 2022-03-29 needs at least 3 points, got 2");
        refused(date!(2024 - 09 - 03), "from 2024-09-03 needs at least 3 points, got 1");
        refused(date!(2019 - 01 - 01), "before 2019-01-01 needs at least 3 points, got 0");
    }
}
