//! One step of AdamW in one pass over the weights (Loshchilov and Hutter 2017,
//! [arXiv:1711.05101](https://arxiv.org/abs/1711.05101), algorithm 2; the decay is scaled by the learning
//! rate, as in PyTorch).

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    host::{narrow, on_host, read, values},
    simd::vectorized,
};

/// Weights handled by one thread at a time.
const BLOCK: usize = 1 << 14;

/// A parameter with its running means, all flat and of one length.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The weights.
    pub weight: Tensor<1>,
    /// Running mean of the gradient.
    pub first: Tensor<1>,
    /// Running mean of its square.
    pub second: Tensor<1>,
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate.
    pub learning_rate: f64,
    /// Share of the old mean of gradients that stays.
    pub beta_1: f64,
    /// Share of the old mean of squares that stays.
    pub beta_2: f64,
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Share of a weight lost per unit of learning rate.
    pub weight_decay: f64,
    /// Factor on the gradient first of all: what clipping asks for, else 1.
    pub gradient_scale: f64,
    /// Which step this is, counted from 1; corrects the means, which start at 0.
    pub step: u64,
}

/// Moves a parameter one step against its gradient:
///
/// ```text
/// g <- gradient_scale * gradient
/// w <- w - learning_rate * weight_decay * w
/// m <- beta_1 m + (1 - beta_1) g
/// v <- beta_2 v + (1 - beta_2) g^2
/// w <- w - learning_rate * (m / (1 - beta_1^step)) / (sqrt(v / (1 - beta_2^step)) + epsilon)
/// ```
///
/// On the CPU this is one pass over host slices, in place if nobody else holds the tensors.
///
/// # Shapes
///
/// - `gradient`: as `slot.weight`
///
/// # Panics
///
/// If lengths differ or `step` is 0.
pub fn adamw(slot: Slot, gradient: Tensor<1>, how: &AdamWStep) -> Slot {
    assert_eq!(slot.weight.dims(), gradient.dims(), "weights and gradient");
    assert!(how.step > 0, "steps count from 1");
    let factors = Factors::new(how);
    if on_host(&gradient.device()) {
        fused(slot, gradient, factors)
    } else {
        stepped(slot, gradient, factors)
    }
}

/// [`adamw`] in Burn's operations.
pub fn composed(slot: Slot, gradient: Tensor<1>, how: &AdamWStep) -> Slot {
    stepped(slot, gradient, Factors::new(how))
}

/// What the inner loop multiplies with.
#[derive(Clone, Copy)]
struct Factors {
    gradient: f32,
    keep_weight: f32,
    keep_first: f32,
    keep_second: f32,
    /// `learning_rate / (1 - beta_1^step)`
    rate: f32,
    /// `1 / sqrt(1 - beta_2^step)`
    root: f32,
    epsilon: f32,
}

impl Factors {
    fn new(how: &AdamWStep) -> Self {
        let step = i32::try_from(how.step).unwrap_or(i32::MAX);
        Self {
            gradient: narrow(how.gradient_scale),
            keep_weight: narrow(1.0 - how.learning_rate * how.weight_decay),
            keep_first: narrow(how.beta_1),
            keep_second: narrow(how.beta_2),
            rate: narrow(how.learning_rate / (1.0 - how.beta_1.powi(step))),
            root: narrow((1.0 - how.beta_2.powi(step)).sqrt().recip()),
            epsilon: narrow(how.epsilon),
        }
    }

    #[inline(always)]
    fn apply(self, [w, m, v]: [&mut f32; 3], gradient: f32) {
        let g = self.gradient * gradient;
        *m = self.keep_first * *m + (1.0 - self.keep_first) * g;
        *v = self.keep_second * *v + (1.0 - self.keep_second) * g * g;
        *w = self.keep_weight * *w - self.rate * *m / (v.sqrt() * self.root + self.epsilon);
    }
}

fn fused(slot: Slot, gradient: Tensor<1>, factors: Factors) -> Slot {
    let device = gradient.device();
    let gradient = gradient.into_data();
    let mut data = [slot.weight, slot.first, slot.second].map(Tensor::into_data);
    let [w, m, v] = data.each_mut().map(|data| values(data).par_chunks_mut(BLOCK));
    w.zip(m).zip(v).zip(read(&gradient).par_chunks(BLOCK)).for_each(|(((w, m), v), g)| {
        vectorized(
            #[inline(always)]
            || {
                for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(g) {
                    factors.apply([w, m, v], *g);
                }
            },
        );
    });
    let [weight, first, second] = data.map(|data| Tensor::from_data(data, &device));
    Slot { weight, first, second }
}

fn stepped(slot: Slot, gradient: Tensor<1>, by: Factors) -> Slot {
    let g = gradient * by.gradient;
    let first = slot.first * by.keep_first + g.clone() * (1.0 - by.keep_first);
    let second = slot.second * by.keep_second + g.square() * (1.0 - by.keep_second);
    let step = first.clone() * by.rate / (second.clone().sqrt() * by.root + by.epsilon);
    Slot { weight: slot.weight * by.keep_weight - step, first, second }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::Noise;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn host(x: Tensor<1>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    fn step(step: u64) -> AdamWStep {
        AdamWStep {
            learning_rate: 0.1,
            beta_1: 0.9,
            beta_2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.5,
            gradient_scale: 1.0,
            step,
        }
    }

    fn start(weight: Tensor<1>) -> Slot {
        Slot { first: weight.zeros_like(), second: weight.zeros_like(), weight }
    }

    #[test]
    fn first_step_has_the_length_of_the_learning_rate() {
        // At step 1 the corrected means are g and g^2: w (1 - 0.1 * 0.5) - 0.1 sign(g).
        let slot = adamw(start(tensor(&[1.0, -2.0, 0.0])), tensor(&[0.3, 7.0, -1e-3]), &step(1));
        for (found, expect) in host(slot.weight).iter().zip([0.85, -2.0, 0.1]) {
            assert!((found - expect).abs() < 1e-5, "{found} {expect}");
        }
        for (found, expect) in host(slot.first).iter().zip([0.03, 0.7, -1e-4]) {
            assert!((found - expect).abs() < 1e-6, "{found} {expect}");
        }
        for (found, expect) in host(slot.second).iter().zip([0.0045, 2.45, 5e-8]) {
            assert!((found - expect).abs() < 1e-6, "{found} {expect}");
        }
    }

    /// `torch.optim.AdamW([1.0, -0.5], lr=0.1, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.5)` after
    /// gradients `[0.2, -0.4]`, `[-0.1, -0.3]`, `[0.05, 0.6]`, in `f64`; torch 2.15.0.
    const TORCH: [[f64; 2]; 3] = [
        [0.8500000050, -0.3750000025],
        [0.7806630617, -0.2576447736],
        [0.7069617484, -0.2452493966],
    ];

    #[test]
    fn three_steps_are_those_of_torch() {
        let mut slot = start(tensor(&[1.0, -0.5]));
        let gradients = [[0.2, -0.4], [-0.1, -0.3], [0.05, 0.6]];
        for (i, (gradient, expect)) in gradients.iter().zip(TORCH).enumerate() {
            slot = adamw(slot, tensor(gradient), &step(i as u64 + 1));
            for (found, expect) in host(slot.weight.clone()).iter().zip(expect) {
                assert!((f64::from(*found) - expect).abs() < 1e-6, "step {i}: {found} {expect}");
            }
        }
    }

    #[test]
    fn both_versions_agree_over_many_blocks() {
        let n = 2 * BLOCK + 3;
        let mut noise = Noise::new(n as u64);
        let mut random = || noise.tensor([n], 1.0);
        let slot = Slot { weight: random(), first: random(), second: random().abs() };
        let how = AdamWStep { gradient_scale: 0.3, ..step(5) };
        let gradient = random();
        let fused = adamw(slot.clone(), gradient.clone(), &how);
        let composed = composed(slot, gradient, &how);
        let pairs = [
            (fused.weight, composed.weight),
            (fused.first, composed.first),
            (fused.second, composed.second),
        ];
        for (fused, composed) in pairs {
            for (a, b) in host(fused).iter().zip(host(composed)) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
            }
        }
    }

    #[test]
    fn tensors_held_elsewhere_keep_their_values() {
        let slot = start(tensor(&[1.0, 2.0]));
        let _moved = adamw(slot.clone(), tensor(&[1.0, 1.0]), &step(1));
        assert_eq!(host(slot.weight), [1.0, 2.0]);
        assert_eq!(host(slot.first), [0.0, 0.0]);
    }
}
