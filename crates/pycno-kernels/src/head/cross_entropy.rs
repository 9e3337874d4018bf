//! Cross-entropy of the next token of a text.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation::log_softmax};

use super::{
    row_loss::{ChunkLoss, RowLoss, Target, column},
    rows::{add, max},
};
use crate::{
    host::narrow,
    simd::{LANES, exp, load, store, subtract},
};

/// `-ln q[target]` with `q = softmax(student)`; its gradient by the student's logits is `q - onehot(target)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropy;

impl RowLoss<Target> for CrossEntropy {
    #[inline(always)]
    fn row(&self, student: &mut [f32], target: usize, scale: f64) -> f64 {
        let (top, scale) = (max(student), narrow(scale));
        let gold = f64::from(student[target]) - f64::from(top);
        let mut sums = [0.0; LANES];
        for chunk in student.chunks_mut(LANES) {
            let e = exp(subtract(load(chunk, f32::NEG_INFINITY), top));
            sums = add(sums, e);
            store(chunk, e);
        }
        let sum: f64 = sums.iter().sum();
        let to_softmax = scale / narrow(sum);
        for x in student.iter_mut() {
            *x *= to_softmax;
        }
        student[target] -= scale;
        sum.ln() - gold
    }

    fn chunk(&self, student: Tensor<2>, targets: Tensor<2, Int>, scales: &[f64]) -> ChunkLoss {
        let q_log = log_softmax(student, 1);
        let losses = -q_log.clone().gather(1, targets.clone());
        let minus_one = Tensor::<2>::ones(targets.dims(), &q_log.device()).neg();
        let gradient = q_log.exp().scatter(1, targets, minus_one, IndexingUpdateOp::Add);
        let factors = column(scales, 1.0, &gradient);
        ChunkLoss { losses, gradient: gradient * factors }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn one_of_eight_costs_ln_8_and_pulls_its_logit_up() {
        // Shares 1/8, 5/8, 2/8.
        let logits = [0.0, 5f32.ln(), 2f32.ln()];
        let mut row = logits;
        let loss = CrossEntropy.row(&mut row, 0, 2.0);
        let device = Device::flex();
        let targets = Tensor::from_data(TensorData::new(vec![0_i64], [1, 1]), &device);
        let found = CrossEntropy.chunk(Tensor::from_data([logits], &device), targets, &[2.0]);
        let sum = f64::from(found.losses.into_scalar::<f32>());
        assert!((loss - 8f64.ln()).abs() < 1e-6 && (sum - 8f64.ln()).abs() < 1e-6);
        let gradient: Vec<f32> = found.gradient.into_data().iter().collect();
        for found in [row.to_vec(), gradient] {
            for (found, expect) in found.iter().zip([-1.75, 1.25, 0.5]) {
                assert!((found - expect).abs() < 1e-6, "{found}, not {expect}");
            }
        }
    }
}
