//! The settings of a training run.

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
    /// How long the learning rate rises: a share of the steps, or tokens.
    #[serde(default = "default_warmup")]
    pub warmup: Phase,
    /// How long it decays again, at the end.
    #[serde(default = "default_decay")]
    pub decay: Phase,
    /// Pull of the blocks' matrices towards 0.
    #[serde(default)]
    pub weight_decay: WeightDecay,
    /// Longest gradient, over all parameters together.
    #[serde(default)]
    pub clip: NormLimit,
    /// How many times the median of the latest losses a step may have; one with more changes nothing, and
    /// too many of those in a row stop the run.
    #[serde(default)]
    pub spike: SpikeLimit,
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
            spike: SpikeLimit::default(),
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
        if self.tokens.0 == 0 {
            return Err(TrainError::Setting { what: "tokens", rule: "be above 0", found: 0.0 });
        }
        let (steps, a_step) = (self.steps(sequence_len), self.tokens_a_step(sequence_len));
        let share = self.warmup.share(self.tokens) + self.decay.share(self.tokens);
        if share > 1.0 {
            let rule = "add up to at most 1 of the run";
            return Err(TrainError::Setting { what: "warmup and decay", rule, found: share });
        }
        let phases = [self.warmup, self.decay].map(|phase| phase.steps(steps, a_step));
        Ok(Schedule::new(self.learning_rate.0, steps, phases))
    }
}

// 8 * 256 tokens: small, since the budgets of a study on a CPU give few steps.
const fn default_batch() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(7)
}

const fn default_micro_batch() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(3)
}

const fn default_warmup() -> Phase {
    Phase::Share(Share(0.05))
}

// Haegele et al. 2024 (arXiv:2405.18392): 10 to 20 percent.
const fn default_decay() -> Phase {
    Phase::Share(Share(0.2))
}

const fn default_checkpoint_every() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(19)
}

/// A part of the run, in `[0, 1]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

/// How long a phase of a run is: `0.05`, a share of its steps, or `"256K"`, tokens.
///
/// Runs of different budgets are alike up to where the first one decays if their warm-up is in tokens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Phase {
    /// A part of the run.
    Share(Share),
    /// Rounded up to whole steps.
    Tokens(TokenCount),
}

impl Phase {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of steps")]
    fn steps(self, steps: u64, tokens_a_step: u64) -> u64 {
        match self {
            Self::Share(share) => (share.0 * steps as f64).round() as u64,
            Self::Tokens(tokens) => tokens.0.div_ceil(tokens_a_step.max(1)),
        }
    }

    fn share(self, of: TokenCount) -> f64 {
        match self {
            Self::Share(share) => share.0,
            Self::Tokens(tokens) => tokens.0 as f64 / of.0 as f64,
        }
    }
}

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

/// A multiple of a loss, above 1; infinity is no limit.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct SpikeLimit(f64);

impl Default for SpikeLimit {
    /// Far above what batches differ by, far below what a diverging run shows.
    fn default() -> Self {
        Self(3.0)
    }
}

impl TryFrom<f64> for SpikeLimit {
    type Error = TrainError;

    fn try_from(found: f64) -> Result<Self, TrainError> {
        check(found > 1.0, "spike limit", "be above 1", found).map(Self)
    }
}

impl From<SpikeLimit> for f64 {
    fn from(x: SpikeLimit) -> Self {
        x.0
    }
}

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
        refuse("warmup = 1.5", "warmup");
        refuse("spike = 1.0", "above 1, got 1");
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
    fn a_phase_is_a_share_or_tokens() {
        let read: TrainConfig = toml::from_str("tokens = '4M'\nwarmup = '256K'").unwrap();
        assert_eq!(read.warmup, Phase::Tokens(TokenCount(256_000)));
        assert_eq!(read.warmup.steps(1000, 2040), 126);
        let read: TrainConfig = toml::from_str("tokens = '4M'\nwarmup = 0.25").unwrap();
        assert_eq!(read.warmup.steps(1000, 2040), 250);
        let long = TrainConfig { warmup: Phase::Tokens(TokenCount(5_000_000)), ..read };
        assert!(long.schedule(256).unwrap_err().to_string().contains("at most 1 of the run"));
    }

    #[test]
    fn a_schedule_fits_its_run() {
        let mut config = TrainConfig::new(TokenCount(0));
        assert!(config.schedule(256).is_err());
        config.tokens = TokenCount(1);
        assert!(config.schedule(256).is_ok());
        config.warmup = Phase::Share(Share(0.9));
        assert!(config.schedule(256).is_err());
    }
}
