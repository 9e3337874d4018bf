//! Measured quantities: losses and benchmark scores.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UnitsError;

/// Mean loss in nats per token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct NatsPerToken(pub f64);

/// Loss in bits per byte of UTF-8 text; comparable across tokenizers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct BitsPerByte(pub f64);

/// Benchmark result in percent, in `[0, 100]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Score(f64);

impl NatsPerToken {
    /// The perplexity, `exp(loss)`.
    pub fn perplexity(self) -> f64 {
        self.0.exp()
    }
}

impl BitsPerByte {
    /// Turns a summed loss into bits per byte: `nats / ln 2 / bytes`.
    pub fn from_nats(nats: f64, bytes: usize) -> Self {
        Self(nats / std::f64::consts::LN_2 / bytes as f64)
    }
}

impl Score {
    /// No item right.
    pub const ZERO: Self = Self(0.0);
    /// Every item right.
    pub const FULL: Self = Self(100.0);

    /// A score given in percent.
    ///
    /// # Errors
    ///
    /// [`UnitsError::Score`] outside `[0, 100]`, `NaN` included.
    pub fn from_percent(percent: f64) -> Result<Self, UnitsError> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(UnitsError::Score { percent })
        }
    }

    /// A score given as a share in `[0, 1]`.
    ///
    /// # Errors
    ///
    /// [`UnitsError::Score`] outside `[0, 1]`, `NaN` included.
    pub fn from_share(share: f64) -> Result<Self, UnitsError> {
        Self::from_percent(share * 100.0)
    }

    /// The score in percent.
    pub const fn percent(self) -> f64 {
        self.0
    }

    /// The score as a share in `[0, 1]`.
    pub fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl TryFrom<f64> for Score {
    type Error = UnitsError;

    fn try_from(percent: f64) -> Result<Self, UnitsError> {
        Self::from_percent(percent)
    }
}

impl From<Score> for f64 {
    fn from(score: Score) -> Self {
        score.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.2}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_outside_its_range_cannot_be_built() {
        for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Score::from_percent(percent).is_err(), "{percent}");
        }
        assert!(Score::from_share(1.5).is_err());
        assert!(serde_json::from_str::<Score>("101").is_err());
    }

    #[test]
    fn one_bit_a_byte_is_ln2_nats() {
        assert!((BitsPerByte::from_nats(std::f64::consts::LN_2 * 8.0, 8).0 - 1.0).abs() < 1e-15);
    }
}
