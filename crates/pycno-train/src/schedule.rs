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
    /// A run of `steps`, of which the first and the last so many rise and fall.
    pub fn new(peak: f64, steps: u64, [warmup, decay]: [u64; 2]) -> Self {
        let warmup = warmup.min(steps);
        Self { peak, steps, warmup, decay: decay.min(steps - warmup) }
    }

    /// Steps of the run.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps up to where the rate begins to decay.
    pub const fn stable(&self) -> u64 {
        self.steps - self.decay
    }

    /// The same without its decay: a run that others branch off from.
    #[must_use]
    pub const fn without_decay(self) -> Self {
        Self { decay: 0, ..self }
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
    fn check(steps: u64, phases: [u64; 2], expect: &[f64]) {
        let schedule = Schedule::new(1.0, steps, phases);
        let found: Vec<f64> = (1..=steps).map(|step| schedule.at(step)).collect();
        assert_eq!(found.len(), expect.len());
        for (found, expect) in found.iter().zip(expect) {
            assert!((found - expect).abs() < 1e-12, "{found:?} {expect}");
        }
    }

    #[test]
    fn rates_rise_stay_and_fall() {
        check(10, [2, 3], &[0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]);
        check(4, [0, 0], &[1.0; 4]);
        check(3, [3, 0], &[1.0 / 3.0, 2.0 / 3.0, 1.0]);
        check(1, [0, 0], &[1.0]);
        check(3, [2, 2], &[0.5, 1.0, 0.5]);
    }

    #[test]
    fn without_its_fall_a_run_is_the_same_up_to_there() {
        let schedule = Schedule::new(1.0, 10, [2, 3]);
        assert_eq!(schedule.stable(), 7);
        for step in 1..=7 {
            assert!((schedule.at(step) - schedule.without_decay().at(step)).abs() < 1e-15);
        }
        assert!((schedule.without_decay().at(10) - 1.0).abs() < 1e-15);
    }
}
