//! Warm-up, stable phase, decay (Hu et al. 2024, [arXiv:2404.06395](https://arxiv.org/abs/2404.06395),
//! section 4).
//!
//! DIFFERENCE: the decay is linear, as in Haegele et al. 2024
//! ([arXiv:2405.18392](https://arxiv.org/abs/2405.18392)); the paper's is exponential.

/// Learning rates of a run, by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    peak: f64,
    steps: u64,
    warmup: u64,
    decay: u64,
}

impl Schedule {
    /// A run of `steps`, of which the given shares, rounded, rise and fall.
    pub fn new(peak: f64, steps: u64, [warmup, decay]: [f64; 2]) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of steps"
        )]
        let part = |share: f64| (share * steps as f64).round() as u64;
        let warmup = part(warmup).min(steps);
        Self { peak, steps, warmup, decay: part(decay).min(steps - warmup) }
    }

    /// Steps of the run.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The learning rate of a step, counted from 1: `peak * min(1, step / warmup, left / (decay + 1))`,
    /// where `left` counts this step too. No step of the run has rate 0.
    pub fn at(&self, step: u64) -> f64 {
        let rise = if self.warmup == 0 { 1.0 } else { step as f64 / self.warmup as f64 };
        let left = (self.steps + 1).saturating_sub(step) as f64;
        let fall = if self.decay == 0 { 1.0 } else { left / (self.decay as f64 + 1.0) };
        self.peak * rise.min(fall).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(steps: u64, shares: [f64; 2], expect: &[f64]) {
        let schedule = Schedule::new(1.0, steps, shares);
        let found: Vec<f64> = (1..=steps).map(|step| schedule.at(step)).collect();
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert!((found - expect).abs() < 1e-12, "{found:?} {expect}");
        }
    }

    #[test]
    fn rates_rise_stay_and_fall() {
        check(10, [0.2, 0.3], &[0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]);
        check(4, [0.0, 0.0], &[1.0; 4]);
        check(3, [1.0, 0.0], &[1.0 / 3.0, 2.0 / 3.0, 1.0]);
        check(1, [0.05, 0.2], &[1.0]);
        check(3, [0.5, 0.5], &[0.5, 1.0, 0.5]);
    }
}
