//! How much logits are softened before they are compared.

use serde::{Deserialize, Serialize};

use crate::DistillError;

/// What logits are divided by, finite and above 0; 1 leaves the models as they are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

impl Temperature {
    /// A checked temperature.
    ///
    /// # Errors
    ///
    /// [`DistillError::Temperature`] unless finite and above 0.
    pub fn new(found: f64) -> Result<Self, DistillError> {
        if found.is_finite() && found > 0.0 {
            Ok(Self(found))
        } else {
            Err(DistillError::Temperature { found })
        }
    }
}

impl Default for Temperature {
    /// 1: the models' own distributions.
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Temperature {
    type Error = DistillError;

    fn try_from(found: f64) -> Result<Self, DistillError> {
        Self::new(found)
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_out_of_range_cannot_be_built() {
        for found in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Temperature::new(found).is_err(), "{found}");
        }
        assert_eq!(Temperature::new(0.5).map(f64::from), Ok(0.5));
    }
}
