//! AdamW over a decoder's parameters, with one clip over all of them.
//!
//! Not Burn's `ModuleOptimizer`: its state goes by parameter ids, which a new process does not have,
//! and loads onto the default device. Ours goes by path, and is one fused pass.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use pycno_kernels::{
    adamw::{AdamWStep, Slot, adamw},
    norm::square_sum,
};
use pycno_model::{Decoder, TensorId, TensorInfo};

use crate::{NormLimit, WeightDecay, parameters};

/// Share of the old mean of gradients that stays, as in Llama 2.
const BETA_1: f64 = 0.9;
/// Share of the old mean of squares that stays, as in Llama 2.
const BETA_2: f64 = 0.95;
/// As in PyTorch.
const EPSILON: f64 = 1e-8;
/// Added to the norm before dividing by it, as PyTorch's `clip_grad_norm_` does.
const CLIP_EPSILON: f64 = 1e-6;

/// Running means of a parameter's gradient and of its square, flat.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) first: Tensor<1>,
    pub(crate) second: Tensor<1>,
}

/// The state of AdamW.
#[derive(Clone, Debug, Default)]
pub(crate) struct Optimizer {
    /// By parameter path.
    pub(crate) moments: BTreeMap<String, Moments>,
    /// Steps taken.
    pub(crate) steps: u64,
}

/// The settings of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) learning_rate: f64,
    pub(crate) weight_decay: WeightDecay,
    /// What clipping asks for; see [`clip_scale`].
    pub(crate) gradient_scale: f64,
}

impl Optimizer {
    /// Moves the student one step; a parameter without a gradient stays.
    pub(crate) fn step(
        &mut self,
        student: Decoder,
        mut gradients: BTreeMap<String, Tensor<1>>,
        rates: Rates,
    ) -> Decoder {
        self.steps += 1;
        let how = AdamWStep {
            learning_rate: rates.learning_rate,
            beta_1: BETA_1,
            beta_2: BETA_2,
            epsilon: EPSILON,
            weight_decay: 0.0,
            gradient_scale: rates.gradient_scale,
            step: self.steps,
        };
        parameters::replaced(student, &mut |path, weight| {
            let Some(gradient) = gradients.remove(path) else { return weight };
            let weight_decay = if decays(path) { rates.weight_decay.into() } else { 0.0 };
            self.update(path, [weight, gradient], &AdamWStep { weight_decay, ..how })
        })
    }

    fn update(
        &mut self,
        path: &str,
        [weight, gradient]: [Tensor<1>; 2],
        how: &AdamWStep,
    ) -> Tensor<1> {
        let Moments { first, second } = self
            .moments
            .remove(path)
            .unwrap_or_else(|| Moments { first: weight.zeros_like(), second: weight.zeros_like() });
        let Slot { weight, first, second } = adamw(Slot { weight, first, second }, gradient, how);
        self.moments.insert(path.to_owned(), Moments { first, second });
        weight
    }
}

/// Whether weight decay applies to a parameter: to the matrices of blocks, which are also those that are pruned.
fn decays(path: &str) -> bool {
    let info = Decoder::tensor_of(path).and_then(TensorId::info);
    info.is_some_and(TensorInfo::is_prunable)
}

/// The L2 norm of all gradients together, and the gradients back.
pub(crate) fn global_norm(
    gradients: BTreeMap<String, Tensor<1>>,
) -> (f64, BTreeMap<String, Tensor<1>>) {
    let mut sum = 0.0;
    let gradients = gradients.into_iter().map(|(path, gradient)| {
        let (squares, gradient) = square_sum(gradient);
        sum += squares;
        (path, gradient)
    });
    let gradients = gradients.collect();
    (sum.sqrt(), gradients)
}

/// What to multiply gradients with so that their norm is at most the limit: PyTorch's
/// `clip_grad_norm_`, `min(1, limit / (norm + 1e-6))`.
pub(crate) fn clip_scale(norm: f64, limit: NormLimit) -> f64 {
    (f64::from(limit) / (norm + CLIP_EPSILON)).min(1.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn only_matrices_of_blocks_decay() {
        assert!(decays("layers.0.mlp.up.weight"));
        assert!(!decays("layers.0.input_norm.gamma"));
        assert!(!decays("layers.0.attention.q.bias"));
        assert!(!decays("layers.0.attention.q_norm.gamma"));
        assert!(!decays("embedding.weight"));
        assert!(!decays("head.weight"));
        assert!(!decays("norm.gamma"));
    }

    #[test]
    fn clipping_is_that_of_torch() {
        let tensor = |x: [f32; 2]| Tensor::<1>::from_data(x, &Device::flex());
        let gradients = BTreeMap::from([
            ("a".to_owned(), tensor([3.0, 0.0])),
            ("b".to_owned(), tensor([0.0, 4.0])),
        ]);
        let (norm, gradients) = global_norm(gradients);
        assert!((norm - 5.0).abs() < 1e-12);
        assert_eq!(gradients.len(), 2);
        let limit = |x: f64| NormLimit::try_from(x).unwrap();
        assert!((clip_scale(norm, limit(1.0)) - 1.0 / 5.000_001).abs() < 1e-12);
        assert!((clip_scale(norm, limit(7.0)) - 1.0).abs() < 1e-12);
        assert!((clip_scale(0.0, limit(1.0)) - 1.0).abs() < 1e-12);
        assert!((clip_scale(norm, limit(f64::INFINITY)) - 1.0).abs() < 1e-12);
    }
}
