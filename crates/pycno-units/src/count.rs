//! Counts: parameters, tokens, bytes, floating-point operations.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{UnitsError, scale};

/// Parameters of a model; fractional, since an effective size is one too.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ParamCount(pub f64);

/// Tokens read by a model, in training or evaluation.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct TokenCount(pub u64);

/// Bytes as stored.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Floating-point operations.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Flops(pub f64);

impl fmt::Display for ParamCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&scale::format(self.0))
    }
}

impl fmt::Display for TokenCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&scale::format(self.0 as f64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 as f64 / f64::from(1 << 20);
        // Four digits at most.
        let large = mebibytes >= 10_240.0;
        let (value, unit) = if large { (mebibytes / 1024.0, "GiB") } else { (mebibytes, "MiB") };
        f.pad(&format!("{value:.1} {unit}"))
    }
}

impl FromStr for ParamCount {
    type Err = UnitsError;

    /// Reads `6.98B`, `135M` or plain digits.
    fn from_str(text: &str) -> Result<Self, UnitsError> {
        scale::parse(text).map(Self)
    }
}

/// Fewer than any model has parameters, or was trained on tokens: the number was meant in another unit.
const FEWEST: u64 = 1000;

impl ParamCount {
    /// Reads the size of a model, refusing what was meant in millions or billions, such as `6.98`.
    ///
    /// # Errors
    ///
    /// [`UnitsError::Count`], and [`UnitsError::Small`] below 1,000 or for a fraction without a suffix.
    pub fn of_model(text: &str) -> Result<Self, UnitsError> {
        whole(text, "parameters of a model").map(Self)
    }
}

impl TokenCount {
    /// Reads the tokens of a training, refusing what was meant in millions or billions, such as `300`.
    ///
    /// # Errors
    ///
    /// [`UnitsError::Count`], and [`UnitsError::Small`] below 1,000 or for a fraction.
    pub fn of_training(text: &str) -> Result<Self, UnitsError> {
        whole(text, "tokens of a training")?;
        text.parse()
    }
}

fn whole(text: &str, what: &'static str) -> Result<f64, UnitsError> {
    let value = scale::parse(text)?;
    // With a suffix, a fraction is what rounding left.
    let has_suffix = !text.trim_end().ends_with(|last: char| last.is_ascii_digit() || last == '.');
    if value >= FEWEST as f64 && (has_suffix || value.fract() == 0.0) {
        return Ok(value);
    }
    Err(UnitsError::Small { text: text.to_owned(), what, fewest: FEWEST })
}

impl FromStr for TokenCount {
    type Err = UnitsError;

    /// Reads `4M`, `250K` or plain digits; a fraction of a token is refused.
    fn from_str(text: &str) -> Result<Self, UnitsError> {
        let value = scale::parse(text)?;
        let whole = value.fract() == 0.0 && value < 2f64.powi(63);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        if whole {
            Ok(Self(value as u64))
        } else {
            Err(UnitsError::Count { text: text.to_owned() })
        }
    }
}

/// Token counts are written in configs either as a number or as text such as `"4M"`.
impl<'de> Deserialize<'de> for TokenCount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(n) => Ok(Self(n)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(text.parse::<TokenCount>().ok(), expect.map(TokenCount), "{text}");
    }

    #[test]
    fn token_counts_parse_with_suffixes() {
        check("4M", Some(4_000_000));
        check("1.5k", Some(1_500));
        check("1_024", Some(1_024));
        check("5T", Some(5_000_000_000_000));
        check("0.5", None);
        check("-3", None);
        check("M", None);
        check("", None);
        check("nan", None);
    }

    #[test]
    fn counts_that_were_meant_in_billions_are_refused() {
        for text in ["6.98", "0.019", "7", "999", "1000.5", "0.5K", "-3", "x"] {
            assert!(ParamCount::of_model(text).is_err(), "{text}");
        }
        for (text, expect) in [("6.98B", 6.98e9), ("1000", 1e3), ("11k", 11e3), ("1.9e7", 1.9e7)] {
            assert_eq!(ParamCount::of_model(text), Ok(ParamCount(expect)), "{text}");
        }
        assert_eq!(TokenCount::of_training("300B"), Ok(TokenCount(300_000_000_000)));
        let error = TokenCount::of_training("300").unwrap_err().to_string();
        assert!(error.contains("at least 1000") && error.contains("\"300\""), "{error}");
    }

    #[test]
    fn counts_print_short() {
        assert_eq!(ParamCount(106_203_456.0).to_string(), "106.2M");
        assert_eq!(ParamCount(18_915_328.0).to_string(), "18.92M");
        assert_eq!(ParamCount(6_979_588_096.0).to_string(), "6.980B");
        assert_eq!(ParamCount(512.0).to_string(), "512");
    }

    #[test]
    fn token_counts_are_read_as_number_or_text() {
        let read = |json: &str| serde_json::from_str::<TokenCount>(json).ok();
        assert_eq!(read("12"), Some(TokenCount(12)));
        assert_eq!(read("\"2K\""), Some(TokenCount(2_000)));
        assert_eq!(read("-1"), None);
    }
}
