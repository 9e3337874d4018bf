//! The densing law over time: the largest density of its day grows exponentially.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0):
//! `ln(rho_max) = A t + B`, `t` in days. The paper prints neither how the maximum is formed nor
//! its points; a strict running maximum and ordinary least squares reproduce its figures.

mod forecast;
mod pace;
mod periods;
pub(crate) mod rows;
#[cfg(test)]
pub(crate) mod tables;

use serde::{Deserialize, Serialize};
use time::Date;

pub use forecast::{DateForecast, Reach, SizeForecast};
pub use pace::{DAYS_PER_MONTH, DAYS_PER_YEAR, Days, Pace, YearFactor};
pub use periods::{Periods, Welch};
pub use rows::{Dated, envelope};

use self::rows::{checked, days_since, iso_date};
use crate::{
    DensityError, LineFit,
    line::{MIN_POINTS, slope},
};

/// Which models a trend rests on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// The densest of their day: the paper's law.
    #[default]
    Envelope,
    /// Every model: how fast the typical model grows denser.
    AllModels,
}

/// A fitted trend: `ln(density) = A t + B`, `t` in days since the origin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// Which models it rests on.
    pub series: Series,
    /// Date of `t = 0`.
    #[serde(with = "iso_date")]
    pub origin: Date,
    /// The models regressed on, by date.
    pub points: Vec<Dated>,
    /// The line: slope `A` per day, intercept `B`, residuals in units of `ln(density)`.
    pub line: LineFit,
    /// Doubling time `ln 2 / A`, or what there is instead.
    pub pace: Pace,
    /// Factor per year, `exp(365.25 A)`.
    pub per_year: YearFactor,
    /// The slope without each point in turn.
    pub leave_one_out: Vec<LeftOut>,
}

/// The slope of a trend without one of its points.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The model left out.
    pub name: String,
    /// `A` per day without it; `None` if all others are of one date.
    pub slope: Option<f64>,
}

impl Trend {
    /// Fits `ln(density) = A t + B` by ordinary least squares; the origin is the first of all
    /// rows' dates unless given.
    ///
    /// # Errors
    ///
    /// [`DensityError::Row`] for an impossible density, [`DensityError::TooFew`]
    /// with under three points (on the envelope, where it is regressed on), and
    /// [`DensityError::OneDate`] if all points share their date.
    pub fn fit(rows: &[Dated], series: Series, origin: Option<Date>) -> Result<Self, DensityError> {
        let rows = checked(rows)?;
        let first = rows.first().map(|row| row.date);
        let points = match series {
            Series::Envelope => envelope(&rows)?,
            Series::AllModels => rows,
        };
        let too_few =
            DensityError::TooFew { what: "a trend", needed: MIN_POINTS, found: points.len() };
        let (true, Some(first)) = (points.len() >= MIN_POINTS, first) else {
            return Err(too_few);
        };
        let origin = origin.unwrap_or(first);
        let pairs = pairs(&points, origin);
        let line = LineFit::new(&pairs).ok_or(DensityError::OneDate { date: first })?;
        Ok(Self {
            series,
            origin,
            line,
            pace: Pace::of(line.slope),
            per_year: YearFactor::of(line.slope),
            leave_one_out: leave_one_out(&points, &pairs),
            points,
        })
    }

    /// Least and largest slope per day when one point is left out; `None` if a slope is missing.
    ///
    /// The points are those of the whole fit: leaving one off the envelope lifts no other onto it.
    pub fn leave_one_out_range(&self) -> Option<(f64, f64)> {
        let slopes: Option<Vec<f64>> = self.leave_one_out.iter().map(|left| left.slope).collect();
        let slopes = slopes?;
        let low = slopes.iter().copied().reduce(f64::min)?;
        let high = slopes.iter().copied().reduce(f64::max)?;
        Some((low, high))
    }
}

fn pairs(points: &[Dated], origin: Date) -> Vec<(f64, f64)> {
    points.iter().map(|row| (days_since(origin, row.date), row.density.ln())).collect()
}

fn leave_one_out(points: &[Dated], pairs: &[(f64, f64)]) -> Vec<LeftOut> {
    let without = |i: usize| [&pairs[..i], &pairs[i + 1..]].concat();
    points
        .iter()
        .enumerate()
        .map(|(i, row)| LeftOut { name: row.name.clone(), slope: slope(&without(i)) })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use proptest::prelude::*;
    use time::{Duration, macros::date};

    use super::{tables::*, *};

    #[track_caller]
    fn check(found: f64, expect: f64, tolerance: f64) {
        assert!((found - expect).abs() <= tolerance, "{found}, expected {expect} +- {tolerance}");
    }

    fn rows(values: &[(i64, f64)]) -> Vec<Dated> {
        let row = |(i, (day, density)): (usize, &(i64, f64))| Dated {
            name: i.to_string(),
            date: date!(2023 - 02 - 24) + Duration::days(*day),
            density: *density,
        };
        values.iter().enumerate().map(row).collect()
    }

    #[test]
    fn the_envelope_of_figure_1_gives_the_published_trend() {
        let trend = Trend::fit(&figure_1(), Series::Envelope, None).unwrap();
        assert_eq!(trend.points.len(), 9);
        assert_eq!(trend.origin, date!(2023 - 02 - 24));
        check(trend.line.slope.value, 0.0065290, 5e-7);
        check(trend.line.intercept, -2.61128, 5e-5);
        check(trend.line.r2.unwrap(), 0.93401, 5e-6);
        let Days { value, low, high } = trend.pace.doubling().unwrap();
        // The reference has 106.164 from unrounded densities; five digits give 106.1626.
        check(value, 106.164, 2e-3);
        check(low, 86.0, 0.5);
        check(high.unwrap(), 139.0, 0.5);
        check(value / DAYS_PER_MONTH, 3.49, 5e-3);
        check(trend.per_year.value.unwrap(), 10.9, 0.05);
        let (slowest, fastest) = trend.leave_one_out_range().unwrap();
        check(LN_2 / fastest, 97.0, 0.5);
        check(LN_2 / slowest, 123.0, 0.5);
    }

    #[test]
    fn the_envelope_of_figure_1_is_the_one_of_the_reference() {
        let trend = Trend::fit(&figure_1(), Series::Envelope, None).unwrap();
        let names: Vec<&str> = trend.points.iter().map(|row| row.name.as_str()).collect();
        let days = trend.points.iter().map(|row| days_since(trend.origin, row.date));
        let expect = [
            "Llama-65B",
            "Phi-1-1.2B",
            "Phi-1.5-1.2B",
            "Phi-2-2B",
            "MiniCPM-2.4B",
            "MiniCPM-1.2B",
            "Gemma2-9B",
            "MiniCPM3-4B",
            "Mistral-Small-24B",
        ];
        assert_eq!(names, expect);
        let expect = [0.0, 116.0, 198.0, 291.0, 342.0, 412.0, 489.0, 557.0, 699.0];
        assert!(days.eq(expect));
    }

    #[test]
    fn all_models_grow_more_slowly_than_the_envelope() {
        let trend = Trend::fit(&figure_1(), Series::AllModels, None).unwrap();
        assert_eq!((trend.points.len(), trend.series), (45, Series::AllModels));
        check(trend.line.slope.value, 0.00402, 5e-6);
        check(trend.line.r2.unwrap(), 0.46, 5e-3);
        check(trend.pace.doubling().unwrap().value, 172.0, 0.5);
    }

    #[test]
    fn the_contamination_free_benchmark_doubles_as_fast() {
        let trend = Trend::fit(&figure_2(), Series::Envelope, None).unwrap();
        assert_eq!(trend.points.len(), 9);
        check(trend.line.slope.value, 0.006648, 5e-7);
        check(trend.line.intercept, -3.3394, 5e-5);
        check(trend.line.r2.unwrap(), 0.9537, 5e-5);
        check(trend.pace.doubling().unwrap().value, 104.3, 0.05);
    }

    #[test]
    fn three_exact_points_are_a_line_without_spread() {
        let doubling = rows(&[(0, 1.0), (100, 2.0), (200, 4.0)]);
        let trend = Trend::fit(&doubling, Series::Envelope, None).unwrap();
        let days = trend.pace.doubling().unwrap();
        check(days.value, 100.0, 1e-9);
        check(days.high.unwrap() - days.low, 0.0, 1e-9);
        assert_eq!(trend.line.r2, Some(1.0));
    }

    #[test]
    fn a_falling_or_flat_series_has_no_doubling_time() {
        let falling = rows(&[(0, 4.0), (100, 2.1), (200, 1.0), (300, 0.5)]);
        let trend = Trend::fit(&falling, Series::AllModels, None).unwrap();
        assert_eq!(trend.pace.doubling(), None);
        check(trend.pace.halving().unwrap().value, 100.0, 1.0);
        let flat = rows(&[(0, 0.3), (70, 0.3), (200, 0.3)]);
        let trend = Trend::fit(&flat, Series::AllModels, None).unwrap();
        assert_eq!(trend.pace, Pace::Flat {});
    }

    #[test]
    fn what_carries_no_trend_is_refused() {
        let refused = |values: &[(i64, f64)], series, part: &str| {
            let message = Trend::fit(&rows(values), series, None).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        refused(&[], Series::Envelope, "a trend needs at least 3 points, got 0");
        refused(&[(0, 2.0), (1, 1.0), (2, 3.0)], Series::Envelope, "at least 3 points, got 2");
        refused(&[(5, 2.0), (5, 1.0), (5, 3.0)], Series::AllModels, "all are of 2023-03-01");
        refused(&[(0, 2.0), (1, 0.0), (2, 3.0)], Series::AllModels, "must be positive and finite");
    }

    #[test]
    fn a_slope_left_to_one_date_is_missing() {
        let trend = Trend::fit(&rows(&[(0, 1.0), (0, 2.0), (9, 3.0)]), Series::AllModels, None);
        let trend = trend.unwrap();
        let missing = trend.leave_one_out.iter().filter(|left| left.slope.is_none()).count();
        assert_eq!((missing, trend.leave_one_out_range()), (1, None));
    }

    proptest! {
        #[test]
        fn origin_and_unit_change_neither_slope_nor_spread(
            shift in -4000i64..4000, factor in 1e-3f64..1e3,
        ) {
            let trend = Trend::fit(&figure_1(), Series::Envelope, None).unwrap();
            let mut scaled = figure_1();
            for row in &mut scaled {
                row.density *= factor;
            }
            let origin = trend.origin + Duration::days(shift);
            let moved = Trend::fit(&scaled, Series::Envelope, Some(origin)).unwrap();
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
            prop_assert!(close(moved.line.slope.value, trend.line.slope.value));
            prop_assert!(close(moved.line.slope_error, trend.line.slope_error));
            let at_first = moved.line.slope.value * -(shift as f64) + moved.line.intercept;
            prop_assert!((at_first - trend.line.intercept - factor.ln()).abs() < 1e-8);
        }
    }
}
