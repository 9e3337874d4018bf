//! The divergences between a teacher's and a student's next-token distributions that a student can be trained
//! on. Their formulas, papers and gradients are in [`pycno_kernels::head`], a file each.

use std::fmt;

use pycno_kernels::head::{CHUNK_ROWS, ForwardKl, HeadLoss, HeadPair, ReverseKl, distill_head};

use crate::Temperature;

/// A divergence of the whole vocabulary, its mean over tokens, by their weights if the pair has any.
///
/// With `p = softmax(teacher / T)` and `q = softmax(student / T)` each is multiplied by `T^2`, which keeps the
/// gradient's scale independent of the temperature (Hinton et al. 2015,
/// [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), section 2).
///
/// DIFFERENCE: no cross-entropy term is mixed in; Hinton et al. add one with a small weight, and a study would
/// have to name that weight.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use pycno_distill::{Divergence, Head, HeadPair, Temperature};
///
/// let device = Device::flex();
/// // One token, two words: teacher says 3/4 and 1/4, student 1/2 and 1/2.
/// let pair = HeadPair {
///     student_hidden: Tensor::ones([1, 1], &device),
///     student_head: Head::plain(Tensor::zeros([1, 2], &device)),
///     teacher_hidden: Tensor::ones([1, 1], &device),
///     teacher_head: Head::plain(Tensor::from_data([[3f32.ln(), 0.0]], &device)),
///     weights: None,
/// };
/// let temperature = Temperature::default();
/// let forward = Divergence::ForwardKl { temperature }.gradients(&pair).loss;
/// assert!((forward - (0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln())).abs() < 1e-6);
/// let reverse = Divergence::ReverseKl { temperature }.gradients(&pair).loss;
/// assert!((reverse - 0.5 * ((0.5f64 / 0.75).ln() + (0.5f64 / 0.25).ln())).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Divergence {
    /// `T^2 KL(p || q)`, teacher to student: the student has to cover all that the teacher may say.
    ForwardKl {
        /// Softens both distributions.
        temperature: Temperature,
    },
    /// `T^2 KL(q || p)`, student to teacher: the student has to avoid what the teacher would not say.
    ReverseKl {
        /// Softens both distributions.
        temperature: Temperature,
    },
}

impl Divergence {
    /// The name as written in a study and shown in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ForwardKl { .. } => "forward-kl",
            Self::ReverseKl { .. } => "reverse-kl",
        }
    }

    /// Computes the loss and its gradients by the student's hidden states and head.
    ///
    /// # Panics
    ///
    /// As [`distill_head`]: if rows or vocabularies differ.
    pub fn gradients(&self, pair: &HeadPair) -> HeadLoss {
        match *self {
            Self::ForwardKl { temperature } => {
                distill_head(pair, &ForwardKl::at(temperature.into()), CHUNK_ROWS)
            }
            Self::ReverseKl { temperature } => {
                distill_head(pair, &ReverseKl::at(temperature.into()), CHUNK_ROWS)
            }
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::ForwardKl { temperature } | Self::ReverseKl { temperature }) = self;
        write!(f, "{} (temperature {})", self.name(), f64::from(*temperature))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;
    use crate::Head;

    fn pair(scale: f64) -> HeadPair {
        // Repeatable, unlike Burn's generator, which all tests of a process share.
        let random = |shape: [usize; 2]| {
            let n = shape[0] * shape[1];
            let wave = |i: usize| 1.4 * ((i * i * 7 + 3 * i + shape[0]) as f32).sin();
            let values: Vec<f32> = (0..n).map(wave).collect();
            Tensor::<2>::from_data(TensorData::new(values, shape), &Device::flex()) * scale
        };
        HeadPair {
            student_hidden: random([9, 4]),
            student_head: Head::plain(random([4, 30])),
            teacher_hidden: random([9, 5]),
            teacher_head: Head::plain(random([5, 30])),
            weights: None,
        }
    }

    /// Both divergences at a temperature.
    fn both(temperature: f64) -> [Divergence; 2] {
        let temperature = Temperature::new(temperature).unwrap();
        [Divergence::ForwardKl { temperature }, Divergence::ReverseKl { temperature }]
    }

    fn norm(x: Tensor<2>) -> f32 {
        x.square().sum().sqrt().into_scalar()
    }

    #[test]
    fn gradients_keep_their_scale_at_high_temperatures() {
        // Large T: the gradient by the logits tends to (student - teacher) / vocab, whatever T.
        for (warm, hot) in both(50.0).into_iter().zip(both(400.0)) {
            let norms = [warm, hot].map(|at| norm(at.gradients(&pair(0.5)).grad_hidden));
            assert!((norms[0] / norms[1] - 1.0).abs() < 0.02, "{warm}: {norms:?}");
        }
    }

    #[test]
    fn hot_divergences_are_one() {
        // Of small differences both are the same quadratic form.
        let [forward, reverse] = both(200.0).map(|at| at.gradients(&pair(0.5)));
        assert!((forward.loss / reverse.loss - 1.0).abs() < 0.02, "{forward:?} {reverse:?}");
        let difference = norm(forward.grad_head.clone() - reverse.grad_head);
        assert!(difference < 0.02 * norm(forward.grad_head));
    }

    #[test]
    fn each_divergence_is_the_one_it_is_named_after() {
        // The teacher rules out the second of two words, the student does not: only the reverse minds.
        let logits = |other: f32| Head::plain(Tensor::from_data([[0.0, other]], &Device::flex()));
        let one = || Tensor::ones([1, 1], &Device::flex());
        let pair = HeadPair {
            student_hidden: one(),
            student_head: logits(0.0),
            teacher_hidden: one(),
            teacher_head: logits(-40.0),
            weights: None,
        };
        let [forward, reverse] = both(1.0).map(|at| at.gradients(&pair).loss);
        assert!((forward - 2f64.ln()).abs() < 1e-6, "{forward}");
        assert!((reverse - (20.0 - 2f64.ln())).abs() < 1e-5, "{reverse}");
    }
}
