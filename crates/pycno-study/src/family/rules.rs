//! Batch and learning rate by size.

use std::num::NonZeroUsize;

use pycno_train::LearningRate;
use pycno_units::ParamCount;
use serde::{Deserialize, Serialize};

use crate::StudyError;

/// Sequences an optimizer step.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum BatchSize {
    /// The same for every size.
    Fixed(NonZeroUsize),
    /// By size.
    BySize(BatchRule),
}

/// A batch that grows with size: `sequences (N / at)^power`, rounded, at least 1; `N` without embedding and head.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRule {
    /// The batch at one size.
    pub sequences: NonZeroUsize,
    /// That size.
    pub at: ParamCount,
    /// How fast it grows.
    pub power: f64,
}

/// A peak learning rate that falls with size: `peak (N / at)^-power`, `N` without embedding and head.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateRule {
    /// The rate at one size.
    pub peak: LearningRate,
    /// That size.
    pub at: ParamCount,
    /// How fast it falls.
    pub power: f64,
}

/// More sequences per step than any model of a ladder is trained with.
const MOST_SEQUENCES: f64 = 65536.0;

impl BatchSize {
    /// The batch of a model of so many non-embedding parameters.
    ///
    /// # Errors
    ///
    /// [`StudyError::Study`] where the rule gives no number, or more than 65,536.
    pub fn of(&self, params: ParamCount) -> Result<NonZeroUsize, StudyError> {
        let BatchRule { sequences, at, power } = match *self {
            Self::Fixed(batch) => return Ok(batch),
            Self::BySize(rule) => rule,
        };
        let batch = (sequences.get() as f64 * (params.0 / at.0).powf(power)).round().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let whole = (batch <= MOST_SEQUENCES).then_some(batch as usize);
        whole.and_then(NonZeroUsize::new).ok_or_else(|| StudyError::Study {
            rule: format!("train.batch gives {batch} sequences at {params} parameters"),
        })
    }
}

impl RateRule {
    /// The peak of a model of so many non-embedding parameters.
    ///
    /// # Errors
    ///
    /// [`StudyError::Study`] where the rule gives no learning rate.
    pub fn of(&self, params: ParamCount) -> Result<LearningRate, StudyError> {
        let rate = f64::from(self.peak) * (params.0 / self.at.0).powf(-self.power);
        rate.try_into().map_err(|_| StudyError::Study {
            rule: format!("train.learning_rate gives {rate} at {params} parameters"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_falls_and_a_batch_grows_with_size() {
        let rate = RateRule { peak: 1e-2.try_into().unwrap(), at: ParamCount(1e4), power: 0.5 };
        assert!((f64::from(rate.of(ParamCount(1e6)).unwrap()) - 1e-3).abs() < 1e-12);
        let batch: BatchSize =
            toml::from_str::<toml::Table>("b = { sequences = 8, at = 1e4, power = 0.5 }").unwrap()
                ["b"]
                .clone()
                .try_into()
                .unwrap();
        let of = |params| batch.of(ParamCount(params)).unwrap().get();
        assert_eq!([of(1e4), of(4e4), of(1e6), of(1.0)], [8, 16, 80, 1]);
        assert!(batch.of(ParamCount(1e30)).unwrap_err().to_string().contains("train.batch"));
    }
}
