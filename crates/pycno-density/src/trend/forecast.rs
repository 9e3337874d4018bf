//! What a trend says about other dates, with prediction intervals and how far it is stretched.

use pycno_units::ParamCount;
use serde::{Deserialize, Serialize};
use time::Date;

use super::rows::{date_after, days_since, exp, iso_date};
use crate::{DensityError, Estimate, Trend, law::checked_size};

/// Where a date lies against the dates of a trend's points.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reach", rename_all = "lowercase", deny_unknown_fields)]
pub enum Reach {
    /// Between the first and the last point.
    Within {},
    /// Earlier than the first point.
    Before {
        /// Days before it.
        days: u64,
    },
    /// Later than the last point: the trend is extrapolated.
    After {
        /// Days after it.
        days: u64,
    },
}

/// A size read off a trend.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SizeForecast {
    /// The size.
    pub params: ParamCount,
    /// Lower end of the 95 % interval; `None` where it is beyond floating-point numbers.
    pub low: Option<ParamCount>,
    /// Upper end of the 95 % interval; `None` where it is beyond floating-point numbers.
    pub high: Option<ParamCount>,
    /// How far the date lies outside the data.
    pub reach: Reach,
}

/// A date read off a trend, to the nearest day.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DateForecast {
    /// The date.
    #[serde(with = "iso_date")]
    pub date: Date,
    /// Earliest date of the 95 % interval; `None` where the interval is open.
    #[serde(with = "iso_date::option", default)]
    pub earliest: Option<Date>,
    /// Latest date of the 95 % interval; `None` where the interval is open.
    #[serde(with = "iso_date::option", default)]
    pub latest: Option<Date>,
    /// How far the date lies outside the data.
    pub reach: Reach,
}

impl Trend {
    /// The real size that carries an effective size at the trend's density of a date:
    /// `ln N = ln N_hat - (A t + B)`.
    ///
    /// The interval is that of a new model of the series (prediction variance of the line), not
    /// that of the line alone.
    ///
    /// # Errors
    ///
    /// [`DensityError::Size`] for an impossible effective size, [`DensityError::BeyondNumbers`]
    /// for a date so far that the size is no floating-point number.
    pub fn size_needed(
        &self,
        effective: ParamCount,
        date: Date,
    ) -> Result<SizeForecast, DensityError> {
        let ln_effective = checked_size(effective)?.0.ln();
        let Estimate { value, low, high } =
            self.line.predict(days_since(self.origin, date)).map(|ln_density| -ln_density);
        SizeForecast::from_logs(
            // A larger density needs a smaller size: the ends change places.
            Estimate { value, low: high, high: low }.map(|ln| ln_effective + ln),
            self.reach(date),
        )
    }

    /// The date at which a model of a real size reaches an effective size:
    /// `t = (ln(N_hat / N) - B) / A`.
    ///
    /// The interval holds the dates whose prediction interval contains the density needed
    /// (Fieller); it is open on both sides where the slope's interval includes zero.
    ///
    /// # Errors
    ///
    /// [`DensityError::Size`] for an impossible size, [`DensityError::NoGrowth`] if the slope is
    /// not positive, [`DensityError::Calendar`] for a date beyond the year 9999.
    pub fn date_when(
        &self,
        effective: ParamCount,
        size: ParamCount,
    ) -> Result<DateForecast, DensityError> {
        let ln_density = checked_size(effective)?.0.ln() - checked_size(size)?.0.ln();
        let slope = self.line.slope.value;
        if slope <= 0.0 {
            return Err(DensityError::NoGrowth { slope });
        }
        let days = (ln_density - self.line.intercept) / slope;
        let date = date_after(self.origin, days)
            .ok_or(DensityError::Calendar { days, origin: self.origin })?;
        let ends = self.line.inverse_interval(ln_density);
        Ok(DateForecast {
            date,
            earliest: ends.and_then(|(low, _)| date_after(self.origin, low)),
            latest: ends.and_then(|(_, high)| date_after(self.origin, high)),
            reach: self.reach(date),
        })
    }

    /// Where a date lies against those of the points.
    pub fn reach(&self, date: Date) -> Reach {
        let days = |late: Date, early: Date| (late - early).whole_days().unsigned_abs();
        match (self.points.first(), self.points.last()) {
            (Some(first), _) if date < first.date => Reach::Before { days: days(first.date, date) },
            (_, Some(last)) if date > last.date => Reach::After { days: days(date, last.date) },
            _ => Reach::Within {},
        }
    }
}

impl SizeForecast {
    /// From `ln N` and its interval.
    pub(crate) fn from_logs(ln_params: Estimate, reach: Reach) -> Result<Self, DensityError> {
        let size = |ln: f64| exp(ln).map(ParamCount);
        let params = size(ln_params.value)
            .ok_or(DensityError::BeyondNumbers { logarithm: ln_params.value })?;
        Ok(Self { params, low: size(ln_params.low), high: size(ln_params.high), reach })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::date};

    use super::{super::tables::*, *};
    use crate::{Periods, Series};

    fn trend() -> Trend {
        Trend::fit(&figure_1(), Series::Envelope, None).unwrap()
    }

    #[track_caller]
    fn check(found: f64, expect: f64) {
        assert!((found / expect - 1.0).abs() < 1e-5, "{found}, expected {expect}");
    }

    #[test]
    fn a_size_is_forecast_with_a_prediction_interval() {
        let found = trend().size_needed(ParamCount(70e9), date!(2026 - 01 - 01)).unwrap();
        check(found.params.0, 1.0581072957e9);
        check(found.low.unwrap().0, 2.388288838e8);
        check(found.high.unwrap().0, 4.687837718e9);
        assert_eq!(found.reach, Reach::After { days: 343 });
    }

    #[test]
    fn a_date_is_forecast_with_fiellers_interval() {
        let found = trend().date_when(ParamCount(70e9), ParamCount(4e9)).unwrap();
        assert_eq!(found.date, date!(2025 - 06 - 11));
        assert_eq!(
            (found.earliest, found.latest),
            (Some(date!(2024 - 12 - 19)), Some(date!(2026 - 01 - 30)))
        );
        assert_eq!(found.reach, Reach::After { days: 139 });
        let text = toml::to_string(&found).unwrap();
        assert_eq!(toml::from_str::<DateForecast>(&text).unwrap(), found);
    }

    #[test]
    fn an_uncertain_slope_leaves_the_dates_open() {
        let split = date!(2022 - 11 - 30);
        let before = Periods::fit(&figure_3c(), Series::Envelope, split).unwrap().before;
        let found = before.date_when(ParamCount(70e9), ParamCount(70e9)).unwrap();
        assert_eq!((found.earliest, found.latest), (None, None));
        let text = toml::to_string(&found).unwrap();
        assert_eq!(toml::from_str::<DateForecast>(&text).unwrap(), found);
        let size = before.size_needed(ParamCount(70e9), date!(2022 - 11 - 30)).unwrap();
        assert!(size.high.unwrap().0 / size.low.unwrap().0 > 1e9, "{size:?}");
    }

    #[test]
    fn reach_counts_from_the_nearest_point() {
        assert_eq!(trend().reach(date!(2023 - 02 - 23)), Reach::Before { days: 1 });
        assert_eq!(trend().reach(date!(2023 - 02 - 24)), Reach::Within {});
        assert_eq!(trend().reach(date!(2025 - 01 - 23)), Reach::Within {});
        assert_eq!(trend().reach(date!(2025 - 01 - 24)), Reach::After { days: 1 });
    }

    #[test]
    fn what_cannot_be_forecast_is_refused() {
        let refused = |found: Result<DateForecast, DensityError>, part: &str| {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        refused(trend().date_when(ParamCount(0.0), ParamCount(1e9)), "positive finite count");
        refused(trend().date_when(ParamCount(1e9), ParamCount(f64::NAN)), "positive finite count");
        let mut slow = trend();
        slow.line.slope.value = 1e-5;
        refused(slow.date_when(ParamCount(1e300), ParamCount(1.0)), "years -9999 to 9999");
        slow.line.slope.value = 0.0;
        refused(slow.date_when(ParamCount(1e9), ParamCount(1e9)), "must rise, its slope is 0");
        let far = trend().size_needed(ParamCount(1e9), date!(9999 - 12 - 31)).unwrap_err();
        assert!(matches!(far, DensityError::BeyondNumbers { .. }), "{far}");
    }

    proptest! {
        #[test]
        fn the_two_forecasts_cancel(days in -2000i64..8000, ln_effective in 15.0f64..30.0) {
            let (trend, effective) = (trend(), ParamCount(ln_effective.exp()));
            let date = trend.origin + Duration::days(days);
            let size = trend.size_needed(effective, date).unwrap();
            let back = trend.date_when(effective, size.params).unwrap();
            prop_assert_eq!((back.date, back.reach), (date, size.reach));
            prop_assert!(back.earliest.unwrap() <= date && date <= back.latest.unwrap());
        }
    }
}
