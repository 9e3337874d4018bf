//! When a device is enough: the date at which a model that fits it reaches a score.
//!
//! The score has an effective size on the ruler; the trend says when a model of the device's size is
//! that dense, and with falling chip prices ([`Device`]) when one for the same price is.

use pycno_units::{ParamCount, Score};
use serde::{Deserialize, Serialize};
use time::Date;

use super::{Answer, DrawnLaw, SizeNeeded, smallest_size};
use crate::{DateForecast, DensityError, Device, SizeForecast, Trend, law::checked_size};

/// What a date takes for granted, as sentences to print beside it; with growing chips also
/// [`DEVICE_ASSUMPTIONS`](crate::DEVICE_ASSUMPTIONS).
pub const DEVICE_DATE_ASSUMPTIONS: [&str; 4] = [
    "The trend's densities were weighed on the ruler that the score is read on.",
    "The model is at the trend's density of its day, at any size; the device runs its full size.",
    "The interval of a date is the trend's; that of the effective size is the ruler's, and not in it.",
    "Beyond the trend's last model the trend is extrapolated: density per parameter must end somewhere.",
];

/// A device, described by the real size it runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hardware {
    /// Largest size that fits, by the ruler's convention.
    pub params: ParamCount,
    /// The date at which it does.
    pub date: Date,
    /// Doubling time in days of what its price buys, such as
    /// [`CHIP_DOUBLING_DAYS`](crate::CHIP_DOUBLING_DAYS); `None` to ask for this very device alone.
    pub chip_days: Option<f64>,
}

/// When a device is enough for a score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceEnough {
    /// Effective size of the score.
    pub effective: SizeNeeded,
    /// Real size that carries it at the device's date.
    pub needed_then: SizeForecast,
    /// When a model that fits this device reaches the score.
    pub same_device: DateForecast,
    /// When one that fits a device of the same price does.
    pub same_price: Option<DateForecast>,
}

/// The date at which a model that fits the device reaches a score.
///
/// # Errors
///
/// [`DensityError::Size`] for an impossible size, [`DensityError::Quantity`] for an impossible
/// doubling time, [`DensityError::NoGrowth`] for a trend that does not rise,
/// [`DensityError::Calendar`] and [`DensityError::BeyondNumbers`] for a forecast that is neither date
/// nor number, [`DensityError::BeyondCounts`] for an effective size that is no number.
pub fn device_enough(
    drawn: &DrawnLaw<'_>,
    target: Score,
    hardware: Hardware,
    trend: &Trend,
) -> Result<Answer<DeviceEnough>, DensityError> {
    checked_size(hardware.params)?;
    smallest_size(drawn, target, drawn.law().tokens())?.try_map(|effective| {
        let size = effective.params.value;
        Ok(DeviceEnough {
            effective,
            needed_then: trend.size_needed(size, hardware.date)?,
            same_device: trend.date_when(size, hardware.params)?,
            same_price: same_price(size, hardware, trend)?,
        })
    })
}

fn same_price(
    size: ParamCount,
    Hardware { params, date, chip_days }: Hardware,
    trend: &Trend,
) -> Result<Option<DateForecast>, DensityError> {
    let Some(chip_days) = chip_days else { return Ok(None) };
    // What fits carries its size times the density of the day: one part in `needed` of the score's.
    let needed = trend.size_needed(size, date)?.params;
    let carried = ParamCount(size.0 * (params.0 / needed.0));
    Device::new(carried, date, trend.clone(), chip_days)?.date_when(size).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Duration, macros::date};

    use super::{super::published::*, *};
    use crate::{CHIP_DOUBLING_DAYS, Reach, Series, trend::tables::figure_1};

    const NOW: Date = date!(2025 - 01 - 23);

    fn trend() -> Trend {
        Trend::fit(&figure_1(), Series::Envelope, None).unwrap()
    }

    fn phone(params: f64, chip_days: Option<f64>) -> Hardware {
        Hardware { params: ParamCount(params), date: NOW, chip_days }
    }

    fn ask(score: f64, hardware: Hardware) -> Answer<DeviceEnough> {
        device_enough(&DrawnLaw::alone(law(LOSS)), percent(score), hardware, &trend()).unwrap()
    }

    #[test]
    fn a_device_is_enough_when_the_trend_carries_the_score_on_it() {
        let found = reached(ask(70.0, phone(4e9, None)));
        check(found.effective.params.value.0, 9.71270531e10, 1e-8);
        // t = (ln(97.127 / 4) + 2.61128) / 0.0065290 = 888.5 days after 2023-02-24.
        assert_eq!(found.same_device.date, date!(2025 - 07 - 31));
        assert_eq!(found.same_device.reach, Reach::After { days: 189 });
        let size = ParamCount(9.71270531e10);
        assert_eq!(found.same_device, trend().date_when(size, ParamCount(4e9)).unwrap());
        // 97.127e9 / exp(0.0065290 * 699 - 2.61128).
        check(found.needed_then.params.0, 97.127e9 / 7.0445, 1e-3);
        assert_eq!((found.needed_then.reach, found.same_price), (Reach::Within {}, None));
    }

    #[test]
    fn growing_chips_bring_the_date_nearer() {
        let found = reached(ask(70.0, phone(4e9, Some(CHIP_DOUBLING_DAYS))));
        let date = found.same_price.unwrap().date;
        // 189.5 days at 0.0065290 a day are 166.4 at 0.0065290 + ln 2 / 767.025.
        assert_eq!(date, date!(2025 - 07 - 08));
        assert!(date < found.same_device.date);
    }

    #[test]
    fn a_device_that_is_enough_has_its_date_in_the_past() {
        let found = reached(ask(50.0, phone(8e9, Some(CHIP_DOUBLING_DAYS))));
        assert!(found.needed_then.params < ParamCount(8e9));
        assert!(found.same_device.date < NOW && found.same_price.unwrap().date < NOW);
        let text = toml::to_string(&found).unwrap();
        assert_eq!(toml::from_str::<DeviceEnough>(&text).unwrap(), found);
    }

    #[test]
    fn what_has_no_date_is_refused() {
        assert!(matches!(ask(99.0, phone(4e9, None)), Answer::OutOfReach { .. }));
        assert!(matches!(ask(9.0, phone(4e9, None)), Answer::BelowFloor { .. }));
        let refused = |hardware, trend: &Trend, part: &str| {
            let law = DrawnLaw::alone(law(LOSS));
            let message = device_enough(&law, percent(50.0), hardware, trend).unwrap_err();
            assert!(message.to_string().contains(part), "{message}");
        };
        refused(phone(0.0, None), &trend(), "positive finite count");
        refused(phone(4e9, Some(0.0)), &trend(), "the doubling time of chips must be positive");
        let mut falling = trend();
        falling.line.slope.value = -0.001;
        refused(phone(4e9, None), &falling, "a trend must rise");
    }

    proptest! {
        #[test]
        fn a_larger_device_is_enough_earlier_and_a_higher_score_later(
            score in 20.0f64..90.0, ln_params in 20.0f64..26.0,
        ) {
            let date = |score: f64, params: f64| {
                reached(ask(score, phone(params, None))).same_device.date
            };
            let params = ln_params.exp();
            let one = date(score, params);
            // One doubling is 106.16 days.
            let gain = one - date(score, 2.0 * params);
            prop_assert!((Duration::days(106)..=Duration::days(107)).contains(&gain));
            prop_assert!(date(score + 1.0, params) > one);
        }
    }
}
