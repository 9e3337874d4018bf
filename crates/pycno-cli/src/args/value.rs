//! Values that flags take, refused where they are read.

use pycno_units::{ParamCount, TokenCount, UnitsError};
use time::Date;

use crate::sheet;

/// The size of a model, such as `6.98B`.
pub(super) fn size(text: &str) -> Result<ParamCount, UnitsError> {
    ParamCount::of_model(text)
}

/// The tokens of a training, such as `1T`.
pub(super) fn tokens(text: &str) -> Result<TokenCount, UnitsError> {
    TokenCount::of_training(text)
}

/// A positive finite number.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    sheet::positive(text).ok_or_else(|| "expected a positive number".to_owned())
}

/// A finite number.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|x: &f64| x.is_finite());
    found.ok_or_else(|| "expected a finite number".to_owned())
}

/// A date such as `2024-02-01`.
pub(super) fn date(text: &str) -> Result<Date, String> {
    sheet::date(text).ok_or_else(|| "expected a date such as 2024-02-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_none_is_refused() {
        for text in ["0", "-5", "-6.98B", "6.98", "nan", "inf", "", "B", "1e400"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(size("6.98B"), Ok(ParamCount(6.98e9)));
    }

    #[test]
    fn other_values_out_of_range_are_refused() {
        assert!(tokens("0").is_err() && tokens("0.5").is_err() && tokens("1T").is_ok());
        assert!(positive("0").is_err() && positive("nan").is_err() && positive("2.5").is_ok());
        assert!(finite("inf").is_err() && finite("-3").is_ok());
        assert!(date("2024-2-1").is_err() && date("2024-02-01").is_ok());
    }
}
