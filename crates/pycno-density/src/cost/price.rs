//! The price of a capability: `ln(price) = A t + B` on the record lows, `A` negative.
//!
//! Xiao et al. 2025 compare the first and the last price; the least-squares line over all record
//! lows uses those between as well. Both are given: they are two statements.

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    DensityError, LineFit, Pace,
    line::MIN_POINTS,
    trend::rows::{Key, days_since, is_positive, iso_date, records, sorted},
};

/// A model's price with the date of its release.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatedPrice {
    /// Name of the model.
    pub name: String,
    /// Release date, written `2022-11-30`.
    #[serde(with = "iso_date")]
    pub date: Date,
    /// US dollars per million tokens.
    pub usd_per_million: f64,
}

/// A fitted decline of prices.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTrend {
    /// The record lows regressed on, by date.
    pub points: Vec<DatedPrice>,
    /// The line of `ln(price)` over days since the first point.
    pub line: LineFit,
    /// Halving time.
    pub pace: Pace,
    /// The decline by first and last point alone.
    pub ends: EndPoints,
}

/// A decline told from its first and its last point; it has no interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndPoints {
    /// First price over last price.
    pub factor: f64,
    /// Days between them.
    pub days: f64,
    /// Days per halving, `days / log2(factor)`.
    pub halving_days: f64,
}

/// The strict running minimum of the price by date.
///
/// # Errors
///
/// [`DensityError::Row`] for a price that is not positive and finite.
pub fn record_lows(rows: &[DatedPrice]) -> Result<Vec<DatedPrice>, DensityError> {
    if let Some(row) = rows.iter().find(|row| !is_positive(row.usd_per_million)) {
        return Err(DensityError::Row {
            what: "price in dollars",
            name: row.name.clone(),
            found: row.usd_per_million,
        });
    }
    Ok(records(&sorted(rows, key), key))
}

/// The lowest price sets the record.
fn key(row: &DatedPrice) -> Key<'_> {
    Key { date: row.date, value: -row.usd_per_million, name: &row.name }
}

impl PriceTrend {
    /// Fits the record lows.
    ///
    /// # Errors
    ///
    /// [`DensityError::Row`] for an impossible price, [`DensityError::TooFew`] with under
    /// three record lows, [`DensityError::BeyondNumbers`] for a decline that no number holds.
    pub fn fit(rows: &[DatedPrice]) -> Result<Self, DensityError> {
        let points = record_lows(rows)?;
        let too_few = DensityError::TooFew {
            what: "a decline of record-low prices",
            needed: MIN_POINTS,
            found: points.len(),
        };
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err(too_few);
        };
        let pair = |row: &DatedPrice| (days_since(first.date, row.date), row.usd_per_million.ln());
        let pairs: Vec<(f64, f64)> = points.iter().map(pair).collect();
        let line = LineFit::new(&pairs).ok_or(too_few)?;
        let ends = EndPoints::between(first, last)?;
        Ok(Self { line, pace: Pace::of(line.slope), ends, points })
    }
}

impl EndPoints {
    /// Two record lows: the later is cheaper, so the factor exceeds 1.
    fn between(first: &DatedPrice, last: &DatedPrice) -> Result<Self, DensityError> {
        let logarithm = first.usd_per_million.ln() - last.usd_per_million.ln();
        let factor = first.usd_per_million / last.usd_per_million;
        if !factor.is_finite() {
            return Err(DensityError::BeyondNumbers { logarithm });
        }
        let days = days_since(first.date, last.date);
        Ok(Self { factor, days, halving_days: days / factor.log2() })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::DAYS_PER_MONTH;

    fn row((name, date, usd_per_million): (&str, Date, f64)) -> DatedPrice {
        DatedPrice { name: name.to_owned(), date, usd_per_million }
    }

    /// Figure 3a of Xiao et al. 2025 (CC BY 4.0), with the printed 0.075 for Gemini 1.5 Flash.
    fn figure_3a() -> Vec<DatedPrice> {
        let table = [
            ("GPT-3.5", date!(2022 - 11 - 30), 20.0),
            ("GPT-4", date!(2023 - 05 - 13), 30.0),
            ("Claude-2", date!(2023 - 07 - 11), 8.0),
            ("GPT-4-Turbo", date!(2023 - 11 - 06), 10.0),
            ("Claude-3-haiku", date!(2024 - 05 - 13), 0.25),
            ("GPT-4o", date!(2024 - 05 - 13), 2.5),
            ("GPT-4o-mini", date!(2024 - 07 - 18), 0.15),
            ("Llama-3.1-405B", date!(2024 - 07 - 23), 3.0),
            ("Gemini-1.5-Flash", date!(2024 - 08 - 12), 0.075),
            ("Claude-3.5-haiku", date!(2024 - 10 - 22), 1.0),
        ];
        table.into_iter().map(row).collect()
    }

    #[track_caller]
    fn check(found: f64, expect: f64, tolerance: f64) {
        assert!((found - expect).abs() <= tolerance, "{found}, expected {expect} +- {tolerance}");
    }

    #[test]
    fn prices_of_figure_3a_halve_in_two_and_a_half_months() {
        let found = PriceTrend::fit(&figure_3a()).unwrap();
        let days = found.pace.halving().unwrap();
        check(days.value / DAYS_PER_MONTH, 2.49, 5e-3);
        // SciPy: 75.9337 (57.0855 to 113.3635) days.
        check(days.value, 75.9337, 5e-5);
        check(days.low, 57.0855, 5e-5);
        check(days.high.unwrap(), 113.3635, 5e-5);
        check(found.line.r2.unwrap(), 0.9687187, 5e-8);
    }

    #[test]
    fn the_end_points_give_the_printed_factor() {
        let ends = PriceTrend::fit(&figure_3a()).unwrap().ends;
        check(ends.factor, 266.7, 0.05);
        check(ends.days, 621.0, 0.0);
        check(ends.days / ends.halving_days, 8.06, 5e-3);
        check(ends.halving_days / DAYS_PER_MONTH, 2.53, 5e-3);
    }

    #[test]
    fn five_prices_are_record_lows() {
        let found = record_lows(&figure_3a()).unwrap();
        let names: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        let expect = ["GPT-3.5", "Claude-2", "Claude-3-haiku", "GPT-4o-mini", "Gemini-1.5-Flash"];
        assert_eq!(names, expect);
    }

    #[test]
    fn what_is_no_decline_is_refused() {
        let refused = |rows: &[DatedPrice], part: &str| {
            let message = PriceTrend::fit(rows).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        refused(&[], "at least 3 points, got 0");
        refused(&figure_3a()[..3], "at least 3 points, got 2");
        let mut absurd = figure_3a();
        absurd[0].usd_per_million = f64::MAX;
        refused(&absurd, "must be a floating-point number, got exp(712");
        for price in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            refused(
                &[row(("free", date!(2024 - 01 - 01), price))],
                "the price in dollars of \"free\"",
            );
        }
    }
}
