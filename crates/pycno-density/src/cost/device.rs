//! Densing times Moore: what fits a device of fixed price at a date.
//!
//! Xiao et al. 2025 multiply the two growth factors, so the rates add:
//! `T = 1 / (1/T_density + 1/T_chip)`.
//!
//! DIFFERENCE: the paper prints `T` = 88 days, which belongs to the slope rounded to 0.007; here
//! `T` comes from the fitted slope (93 days for the paper's own 106-day doubling time).

use std::f64::consts::LN_2;

use pycno_units::ParamCount;
use time::Date;

use crate::{
    DAYS_PER_YEAR, DateForecast, DensityError, Estimate, Pace, SizeForecast, Trend,
    law::checked_size,
    trend::rows::{date_after, days_since, is_positive},
};

/// Doubling time of chip performance per price: 2.1 years, 767.025 days, as Xiao et al. 2025 take
/// it in their section on densing law and Moore's law.
pub const CHIP_DOUBLING_DAYS: f64 = 2.1 * DAYS_PER_YEAR;

/// What a device forecast takes for granted, as sentences to print beside it.
pub const DEVICE_ASSUMPTIONS: [&str; 4] = [
    "The device has the price of today; memory and speed grow alike, by the chips' doubling time.",
    "The models on it are at the top of the trend, today and then.",
    "Density and chips grow independently, and both go on as they did.",
    "The interval is that of the trend's slope; the chips' doubling time is taken as known.",
];

/// `T = 1 / (1/T_density + 1/T_chip)`, all in days.
///
/// # Errors
///
/// [`DensityError::Quantity`] for a doubling time that is not positive and finite.
pub fn combined_days(density_days: f64, chip_days: f64) -> Result<f64, DensityError> {
    let density = positive("the doubling time of density", density_days)?;
    let chip = positive("the doubling time of chips", chip_days)?;
    positive("the combined doubling time", 1.0 / (1.0 / density + 1.0 / chip))
}

/// A device of fixed price, whose largest effective size grows by density and by chips.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    effective: ParamCount,
    date: Date,
    rate: Estimate,
    trend: Trend,
}

impl Device {
    /// A device that holds this effective size at this date; models follow the trend, chips
    /// double every `chip_days` (by default [`CHIP_DOUBLING_DAYS`]).
    ///
    /// # Errors
    ///
    /// [`DensityError::Size`] for an impossible size, [`DensityError::Quantity`] for a doubling
    /// time that is not positive and finite.
    pub fn new(
        effective: ParamCount,
        date: Date,
        trend: Trend,
        chip_days: f64,
    ) -> Result<Self, DensityError> {
        let chip_rate = LN_2 / positive("the doubling time of chips", chip_days)?;
        let rate = trend.line.slope.map(|slope| slope + chip_rate);
        Ok(Self { effective: checked_size(effective)?, date, rate, trend })
    }

    /// Growth per day of `ln(effective size)`: the trend's slope plus that of the chips, with the
    /// slope's interval; the chips' rate is taken as known.
    pub const fn rate(&self) -> Estimate {
        self.rate
    }

    /// Doubling time of the effective size that fits.
    pub fn pace(&self) -> Pace {
        Pace::of(self.rate)
    }

    /// The effective size that fits at a date, with the interval that the rate's gives.
    ///
    /// # Errors
    ///
    /// [`DensityError::BeyondNumbers`] for a date so far that the size is no number.
    pub fn effective_at(&self, date: Date) -> Result<SizeForecast, DensityError> {
        let (start, days) = (self.effective.0.ln(), days_since(self.date, date));
        let Estimate { value, low, high } = self.rate.map(|rate| start + rate * days);
        let logs = Estimate { value, low: low.min(high), high: low.max(high) };
        SizeForecast::from_logs(logs, self.trend.reach(date))
    }

    /// The date at which an effective size fits, with the interval that the rate's gives; open
    /// where that includes zero.
    ///
    /// # Errors
    ///
    /// [`DensityError::Size`] for an impossible size, [`DensityError::NoGrowth`] if the rate is
    /// not positive, [`DensityError::Calendar`] for a date beyond the year 9999.
    pub fn date_when(&self, effective: ParamCount) -> Result<DateForecast, DensityError> {
        let rise = checked_size(effective)?.0.ln() - self.effective.0.ln();
        let Estimate { value, low, high } = self.rate;
        if value <= 0.0 {
            return Err(DensityError::NoGrowth { slope: value });
        }
        let days = rise / value;
        let date = date_after(self.date, days)
            .ok_or(DensityError::Calendar { days, origin: self.date })?;
        let (fast, slow) = (Some(rise / high), (low > 0.0).then(|| rise / low));
        // Looking back, the fast rate gives the later date.
        let (earliest, latest) = if rise < 0.0 { (slow, fast) } else { (fast, slow) };
        let day = |days: Option<f64>| days.and_then(|days| date_after(self.date, days));
        let (earliest, latest) = (day(earliest), day(latest));
        Ok(DateForecast { date, earliest, latest, reach: self.trend.reach(date) })
    }
}

/// A quantity that is positive and finite.
pub(crate) fn positive(what: &'static str, found: f64) -> Result<f64, DensityError> {
    if is_positive(found) {
        Ok(found)
    } else {
        Err(DensityError::Quantity { what, allowed: "positive and finite", found })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::date};

    use super::*;
    use crate::{Reach, Series, trend::tables::figure_1};

    const START: Date = date!(2025 - 01 - 23);

    fn device() -> Device {
        let trend = Trend::fit(&figure_1(), Series::Envelope, None).unwrap();
        Device::new(ParamCount(8e9), START, trend, CHIP_DOUBLING_DAYS).unwrap()
    }

    #[track_caller]
    fn check(density_days: f64, expect: f64, tolerance: f64) {
        let found = combined_days(density_days, CHIP_DOUBLING_DAYS).unwrap();
        assert!((found - expect).abs() <= tolerance, "{found}, expected {expect}");
    }

    #[test]
    fn densing_and_moore_together() {
        check(LN_2 / 0.007, 87.70, 5e-3);
        check(LN_2 / 0.0073, 84.5, 5e-2);
        check(106.164, 93.26, 5e-3);
        assert!((CHIP_DOUBLING_DAYS - 767.025).abs() < 1e-9);
    }

    #[test]
    fn the_fitted_trend_doubles_a_device_in_93_days() {
        let days = device().pace().doubling().unwrap();
        assert!((days.value - 93.26).abs() < 5e-3, "{days:?}");
        // Rates add: the ends are those of 86 and 139 days with 767.
        assert!((days.low - combined_days(85.78375, 767.025).unwrap()).abs() < 1e-4, "{days:?}");
        let high = combined_days(139.24072, 767.025).unwrap();
        assert!((days.high.unwrap() - high).abs() < 1e-4, "{days:?}");
    }

    #[test]
    fn a_device_holds_twice_as_much_after_one_doubling_time() {
        let found = device().effective_at(START + Duration::days(93)).unwrap();
        assert!((found.params.0 / 16e9 - 1.0).abs() < 2e-3, "{found:?}");
        assert!(found.low.unwrap() < found.params && found.params < found.high.unwrap());
        assert_eq!(found.reach, Reach::After { days: 93 });
        let found = device().date_when(ParamCount(16e9)).unwrap();
        assert_eq!(found.date, START + Duration::days(93));
        assert_eq!(found.earliest, Some(START + Duration::days(77)));
        assert_eq!(found.latest, Some(START + Duration::days(118)));
    }

    #[test]
    fn a_device_without_growth_has_no_date() {
        let mut trend = device().trend;
        trend.line.slope = Estimate { value: -0.01, low: -0.02, high: 0.01 };
        let device = Device::new(ParamCount(8e9), START, trend, CHIP_DOUBLING_DAYS).unwrap();
        assert!(device.pace().halving().is_some());
        let error = device.date_when(ParamCount(16e9)).unwrap_err();
        assert!(matches!(error, DensityError::NoGrowth { .. }), "{error}");
    }

    #[test]
    fn impossible_doubling_times_are_refused() {
        for days in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let message = combined_days(days, 767.0).unwrap_err().to_string();
            assert!(message.contains("the doubling time of density must be"), "{message}");
            let message = combined_days(106.0, days).unwrap_err().to_string();
            assert!(message.contains("the doubling time of chips must be"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn size_and_date_cancel(days in -3000i64..3000) {
            let (device, date) = (device(), START + Duration::days(days));
            let back = device.date_when(device.effective_at(date).unwrap().params).unwrap();
            prop_assert_eq!(back.date, date);
            prop_assert!(back.earliest.unwrap() <= date && date <= back.latest.unwrap());
        }

        #[test]
        fn the_order_of_the_two_doublings_is_free(a in 1.0f64..1e4, b in 1.0f64..1e4) {
            let both = combined_days(a, b).unwrap();
            prop_assert!((both / combined_days(b, a).unwrap() - 1.0).abs() < 1e-12);
            prop_assert!(both < a.min(b));
        }
    }
}
