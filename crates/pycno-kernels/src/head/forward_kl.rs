//! Forward Kullback-Leibler divergence, from teacher to student (Hinton et al. 2015,
//! [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), section 2).

use burn::tensor::{Tensor, activation::log_softmax};

use super::{
    row_loss::{ChunkLoss, Logits, RowLoss, column},
    rows::{KlSums, Softening},
};
use crate::{
    host::narrow,
    simd::{LANES, load, store, times},
};

/// `T^2 KL(p || q)` with `p = softmax(teacher / T)` and `q = softmax(student / T)`; its gradient by the
/// student's logits is `T (q - p)` (the paper's eq. 2, times `T^2`).
///
/// A token with `p = 0` counts nothing, so that both rows may hold `-inf` at the same place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardKl {
    temperature: f64,
}

impl ForwardKl {
    /// The divergence at temperature `T`.
    ///
    /// # Panics
    ///
    /// Unless `temperature` is positive.
    pub const fn at(temperature: f64) -> Self {
        assert!(temperature > 0.0, "a temperature is positive");
        Self { temperature }
    }
}

impl RowLoss<Logits> for ForwardKl {
    #[inline(always)]
    fn row(&self, student: &mut [f32], teacher: &[f32], scale: f64) -> f64 {
        let t = self.temperature;
        let (q, p) = (Softening::of(student, t), Softening::of(teacher, t));
        let mut sums = KlSums::default();
        for (student, teacher) in student.chunks_mut(LANES).zip(teacher.chunks(LANES)) {
            let (z, y) = (q.centered(student), p.centered(teacher));
            let q_exp = q.exp(z);
            sums.add([y, z], [p.exp(y), q_exp]);
            store(student, q_exp);
        }
        let ([p_sum, q_sum], kl) = sums.total(q.inverse_temperature);
        let scale = narrow(t * scale);
        let (to_q, to_p) = (scale / narrow(q_sum), scale / narrow(p_sum));
        for (student, teacher) in student.chunks_mut(LANES).zip(teacher.chunks(LANES)) {
            let mut gradient = times(load(student, 0.0), to_q);
            let p_exp = p.exp(p.centered(teacher));
            for i in 0..LANES {
                gradient[i] -= p_exp[i] * to_p;
            }
            store(student, gradient);
        }
        t * t * kl
    }

    fn chunk(&self, student: Tensor<2>, teacher: Tensor<2>, scales: &[f64]) -> ChunkLoss {
        let t = self.temperature;
        let q_log = log_softmax(student * (1.0 / t), 1);
        let p_log = log_softmax(teacher * (1.0 / t), 1);
        let (q, p) = (q_log.clone().exp(), p_log.clone().exp());
        // 0 * (-inf - -inf) must not count.
        let terms = (p.clone() * (p_log - q_log)).mask_fill(p.clone().equal_elem(0.0), 0.0);
        let factors = column(scales, t, &q);
        ChunkLoss { losses: terms.sum_dim(1) * (t * t), gradient: (q - p) * factors }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::check::{
            difference_of_logits_when_hot, formula, impossible_tokens_count_nothing, log_softmax,
            near, nothing_between_equals, versions,
        },
        *,
    };

    #[test]
    fn values_and_slopes_are_those_of_the_formula() {
        for t in [0.7, 1.0, 3.0] {
            formula(&ForwardKl::at(t), |student, teacher| {
                let (q, p) = (log_softmax(student, t), log_softmax(teacher, t));
                t * t * p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>()
            });
        }
    }

    #[test]
    fn limits_are_those_of_a_divergence() {
        nothing_between_equals(&ForwardKl::at(1.5));
        difference_of_logits_when_hot(&ForwardKl::at(200.0));
        impossible_tokens_count_nothing(&ForwardKl::at(1.0));
    }

    #[test]
    fn a_token_that_the_teacher_rules_out_costs_what_it_takes_from_the_others() {
        for found in versions(&ForwardKl::at(1.0), [&[0.0, 0.0], &[0.0, f32::NEG_INFINITY]]) {
            near(&[found.loss], &[2f64.ln()], 1e-6);
            near(&found.gradient, &[-0.5, 0.5], 1e-6);
        }
    }
}
