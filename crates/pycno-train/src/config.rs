//! The settings of a recovery.

use std::num::{NonZeroU64, NonZeroUsize};

use pycno_units::TokenCount;
use serde::{Deserialize, Serialize};

use crate::{Schedule, TrainError};

/// How long and how fast to train. The length of a sequence is that of the data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Tokens to train on; rounded up to whole steps.
    pub tokens: TokenCount,
    /// Sequences an optimizer step.
    #[serde(default = "default_batch")]
    pub batch: NonZeroUsize,
    /// Sequences a forward pass; smaller takes less memory and gives the same gradient.
    #[serde(default = "default_micro_batch")]
    pub micro_batch: NonZeroUsize,
    /// Peak learning rate.
    #[serde(default)]
    pub learning_rate: LearningRate,
    /// Share of the steps in which the learning rate rises.
    #[serde(default = "default_warmup")]
    pub warmup: Share,
    /// Share of the steps in which it falls again, at the end.
    #[serde(default = "default_decay")]
    pub decay: Share,
    /// Pull of the blocks' matrices towards 0.
    #[serde(default)]
    pub weight_decay: WeightDecay,
    /// Longest gradient, over all parameters together.
    #[serde(default)]
    pub clip: NormLimit,
    /// Steps between checkpoints.
    #[serde(default = "default_checkpoint_every")]
    pub checkpoint_every: NonZeroU64,
}

impl TrainConfig {
    /// The defaults for a budget of tokens.
    pub fn new(tokens: TokenCount) -> Self {
        Self {
            tokens,
            batch: default_batch(),
            micro_batch: default_micro_batch(),
            learning_rate: LearningRate::default(),
            warmup: default_warmup(),
            decay: default_decay(),
            weight_decay: WeightDecay::default(),
            clip: NormLimit::default(),
            checkpoint_every: default_checkpoint_every(),
        }
    }

    /// Tokens a step learns from: every one of a sequence but the first has a prediction.
    pub fn tokens_a_step(&self, sequence_len: usize) -> u64 {
        (self.batch.get() * sequence_len.saturating_sub(1)) as u64
    }

    /// Steps the budget pays for, rounded up.
    pub fn steps(&self, sequence_len: usize) -> u64 {
        self.tokens.0.div_ceil(self.tokens_a_step(sequence_len).max(1))
    }

    /// Learning rates of a run over sequences of a length.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] without tokens, or if warm-up and decay exceed the run.
    pub fn schedule(&self, sequence_len: usize) -> Result<Schedule, TrainError> {
        let shares = self.warmup.0 + self.decay.0;
        if shares > 1.0 {
            let rule = "add up to at most 1";
            return Err(TrainError::Setting { what: "warmup and decay", rule, found: shares });
        }
        if self.tokens.0 == 0 {
            return Err(TrainError::Setting { what: "tokens", rule: "be above 0", found: 0.0 });
        }
        Ok(Schedule::new(
            self.learning_rate.0,
            self.steps(sequence_len),
            [self.warmup.0, self.decay.0],
        ))
    }
}

// 8 * 256 tokens: small, since the budgets of a study on a CPU give few steps.
const fn default_batch() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(7)
}

const fn default_micro_batch() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}

const fn default_warmup() -> Share {
    Share(0.05)
}

// Haegele et al. 2024 (arXiv:2405.18392): 10 to 20 percent.
const fn default_decay() -> Share {
    Share(0.2)
}

const fn default_checkpoint_every() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(19)
}

/// A part of the run, in `[0, 1]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

/// A learning rate, finite and above 0.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct LearningRate(f64);

/// Share of a weight lost per unit of learning rate, finite and not negative.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct WeightDecay(f64);

/// A longest norm, above 0; infinity never clips.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct NormLimit(f64);

impl Default for LearningRate {
    /// Minitron (arXiv:2408.11796) retrains from 1e-4; small models bear more.
    fn default() -> Self {
        Self(3e-4)
    }
}

impl Default for WeightDecay {
    /// As in Llama 2 (arXiv:2307.09288).
    fn default() -> Self {
        Self(0.1)
    }
}

impl Default for NormLimit {
    /// As in Llama 2 (arXiv:2307.09288).
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for Share {
    type Error = TrainError;

    fn try_from(found: f64) -> Result<Self, TrainError> {
        let good = (0.0..=1.0).contains(&found);
        check(good, "share of the steps", "lie in [0, 1]", found).map(Self)
    }
}

impl TryFrom<f64> for LearningRate {
    type Error = TrainError;

    fn try_from(found: f64) -> Result<Self, TrainError> {
        let good = found.is_finite() && found > 0.0;
        check(good, "learning rate", "be finite and above 0", found).map(Self)
    }
}

impl TryFrom<f64> for WeightDecay {
    type Error = TrainError;

    fn try_from(found: f64) -> Result<Self, TrainError> {
        let good = found.is_finite() && found >= 0.0;
        check(good, "weight decay", "be finite and not below 0", found).map(Self)
    }
}

impl TryFrom<f64> for NormLimit {
    type Error = TrainError;

    fn try_from(found: f64) -> Result<Self, TrainError> {
        check(found > 0.0, "norm limit", "be above 0", found).map(Self)
    }
}

impl From<Share> for f64 {
    fn from(x: Share) -> Self {
        x.0
    }
}

impl From<LearningRate> for f64 {
    fn from(x: LearningRate) -> Self {
        x.0
    }
}

impl From<WeightDecay> for f64 {
    fn from(x: WeightDecay) -> Self {
        x.0
    }
}

impl From<NormLimit> for f64 {
    fn from(x: NormLimit) -> Self {
        x.0
    }
}

fn check(
    good: bool,
    what: &'static str,
    rule: &'static str,
    found: f64,
) -> Result<f64, TrainError> {
    if good { Ok(found) } else { Err(TrainError::Setting { what, rule, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuse(line: &str, part: &str) {
        let error = toml::from_str::<TrainConfig>(&format!("tokens = '4M'\n{line}")).unwrap_err();
        assert!(error.to_string().contains(part), "{error} lacks {part}");
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read: TrainConfig = toml::from_str("tokens = '4M'").unwrap();
        assert_eq!(read, TrainConfig::new(TokenCount(4_000_000)));
    }

    #[test]
    fn wrong_settings_are_refused() {
        refuse("batch = 0", "nonzero");
        refuse("learning_rate = 0.0", "learning rate must be finite and above 0, got 0");
        refuse("learning_rate = nan", "got NaN");
        refuse("weight_decay = -0.1", "not below 0");
        refuse("warmup = 1.5", "lie in [0, 1], got 1.5");
        refuse("clip = 0.0", "above 0");
        refuse("lr = 1.0", "unknown field");
    }

    #[test]
    fn a_budget_is_rounded_up_to_whole_steps() {
        let config = TrainConfig::new(TokenCount(8 * 255 * 10 + 1));
        assert_eq!(config.tokens_a_step(256), 8 * 255);
        assert_eq!(config.steps(256), 11);
    }

    #[test]
    fn a_schedule_fits_its_run() {
        let mut config = TrainConfig::new(TokenCount(0));
        assert!(config.schedule(256).is_err());
        config.tokens = TokenCount(1);
        assert!(config.schedule(256).is_ok());
        config.warmup = Share(0.9);
        assert!(config.schedule(256).is_err());
    }
}
