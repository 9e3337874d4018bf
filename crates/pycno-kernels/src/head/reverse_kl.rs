//! Reverse Kullback-Leibler divergence, from student to teacher (Gu et al. 2023, MiniLLM,
//! [arXiv:2306.08543](https://arxiv.org/abs/2306.08543), eq. 1), token by token.

use burn::tensor::{Tensor, activation::log_softmax};

use super::{
    row_loss::{ChunkLoss, Logits, RowLoss, column},
    rows::{KlSums, Softening},
};
use crate::{
    host::narrow,
    simd::{LANES, SMALLEST, store},
};

/// `T^2 KL(q || p)` with `p = softmax(teacher / T)` and `q = softmax(student / T)`; its gradient by the
/// student's logits is `T q (ln(q / p) - KL(q || p))`.
///
/// It is small where the student says only what the teacher would say too, and large where the student says
/// what the teacher would not: it seeks modes, while [`super::ForwardKl`] covers them.
///
/// DIFFERENCE: MiniLLM takes the divergence of whole answers that the student has sampled, and follows its
/// policy gradient. This is the exact divergence of every next token of a given text, with the temperature and
/// the factor `T^2` of the forward one, so that the two can be compared and mixed.
///
/// DIFFERENCE: a probability of the teacher counts as at least `e^-87` of its largest, about the smallest
/// normal `f32`. The formula is infinite where `p = 0`, as it is for tokens that a teacher masks by `-inf`, and
/// a mask of `-1e9` would outweigh all other tokens. A student that avoids such tokens does not notice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseKl {
    temperature: f64,
}

impl ReverseKl {
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

impl RowLoss<Logits> for ReverseKl {
    #[inline(always)]
    fn row(&self, student: &mut [f32], teacher: &[f32], scale: f64) -> f64 {
        let t = self.temperature;
        let (q, p) = (Softening::of(student, t), Softening::of(teacher, t));
        let floor = SMALLEST * narrow(t);
        let mut sums = KlSums::default();
        for (student, teacher) in student.chunks(LANES).zip(teacher.chunks(LANES)) {
            let (z, y) = (q.centered(student), p.centered(teacher));
            sums.add([z, floored(y, floor)], [q.exp(z), p.exp(y)]);
        }
        let ([q_sum, p_sum], kl) = sums.total(q.inverse_temperature);
        // ln(q / p) of a token is (z - y) / T + ln p_sum - ln q_sum.
        let offset = narrow(p_sum.ln() - q_sum.ln() - kl);
        let to_q = narrow(t * scale) / narrow(q_sum);
        for (student, teacher) in student.chunks_mut(LANES).zip(teacher.chunks(LANES)) {
            let z = q.centered(student);
            let mut gradient = q.exp(z);
            // Where q is 0, so is the gradient: `-inf` must not become NaN.
            let (z, y) = (floored(z, floor), floored(p.centered(teacher), floor));
            for i in 0..LANES {
                gradient[i] *= to_q * ((z[i] - y[i]) * q.inverse_temperature + offset);
            }
            store(student, gradient);
        }
        t * t * kl
    }

    fn chunk(&self, student: Tensor<2>, teacher: Tensor<2>, scales: &[f64]) -> ChunkLoss {
        let t = self.temperature;
        let q_log = log_softmax(student * (1.0 / t), 1);
        let p_log = log_softmax(teacher * (1.0 / t), 1);
        let q = q_log.clone().exp();
        let log_ratio = floored_rows(q_log) - floored_rows(p_log);
        let kl = (q.clone() * log_ratio.clone()).sum_dim(1);
        let factors = column(scales, t, &q);
        ChunkLoss { losses: kl.clone() * (t * t), gradient: q * (log_ratio - kl) * factors }
    }
}

/// The larger of `x` and `floor` in each lane; `NaN` stays.
#[inline(always)]
fn floored(mut x: [f32; LANES], floor: f32) -> [f32; LANES] {
    for x in &mut x {
        *x = if *x < floor { floor } else { *x };
    }
    x
}

/// Log-probabilities `[rows, vocab]`, none further than [`SMALLEST`] below the largest of its row.
fn floored_rows(log_probs: Tensor<2>) -> Tensor<2> {
    let largest = log_probs.clone().max_dim(1);
    (log_probs - largest.clone()).clamp_min(SMALLEST) + largest
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
            formula(&ReverseKl::at(t), |student, teacher| {
                let (q, p) = (log_softmax(student, t), log_softmax(teacher, t));
                t * t * q.iter().zip(p).map(|(q, p)| q.exp() * (q - p)).sum::<f64>()
            });
        }
    }

    #[test]
    fn limits_are_those_of_a_divergence() {
        nothing_between_equals(&ReverseKl::at(1.5));
        difference_of_logits_when_hot(&ReverseKl::at(200.0));
        impossible_tokens_count_nothing(&ReverseKl::at(1.0));
    }

    #[test]
    fn a_token_that_the_teacher_rules_out_costs_87_nats_per_share_of_the_student() {
        for masked in [-1e9, f32::MIN, f32::NEG_INFINITY] {
            // p = (1, e^-87), q = (1/2, 1/2): ln(q / p) = (-ln 2, 87 - ln 2).
            for found in versions(&ReverseKl::at(1.0), [&[0.0, 0.0], &[0.0, masked]]) {
                near(&[found.loss], &[43.5 - 2f64.ln()], 1e-6);
                near(&found.gradient, &[-21.75, 21.75], 1e-6);
            }
            // At T = 2 the floor is that of the softened distribution: T^2 and T times the same.
            for found in versions(&ReverseKl::at(2.0), [&[0.0, 0.0], &[0.0, masked]]) {
                near(&[found.loss], &[4.0 * (43.5 - 2f64.ln())], 1e-6);
                near(&found.gradient, &[-43.5, 43.5], 1e-6);
            }
        }
    }

    #[test]
    fn a_token_that_the_student_rules_out_has_no_gradient() {
        for masked in [-1e9, f32::NEG_INFINITY] {
            for found in versions(&ReverseKl::at(1.0), [&[0.0, masked], &[0.0, 0.0]]) {
                near(&[found.loss], &[2f64.ln()], 1e-6);
                assert_eq!(found.gradient, [0.0, 0.0]);
            }
        }
    }

    #[test]
    fn very_unlikely_tokens_above_the_floor_follow_the_formula() {
        let t = 1.0;
        let rows = [[1.0, 0.0, -3.0], [0.0, -40.0, -80.0]];
        let [student, teacher] = rows.map(|row| log_softmax(&row, t));
        let expect: f64 = student.iter().zip(teacher).map(|(q, p)| q.exp() * (q - p)).sum();
        let [student, teacher] = rows.map(|row| row.map(narrow));
        for found in versions(&ReverseKl::at(t), [&student, &teacher]) {
            near(&[found.loss], &[expect], 1e-6);
        }
    }
}
