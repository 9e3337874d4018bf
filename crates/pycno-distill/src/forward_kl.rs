//! Forward Kullback-Leibler divergence from teacher to student (Hinton et al. 2015,
//! [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), section 2).

use pycno_kernels::head::{CHUNK_ROWS, HeadLoss, HeadPair, forward_kl_head};

use crate::Temperature;

/// `T^2 * KL(p || q)` with `p = softmax(teacher / T)`, `q = softmax(student / T)`.
///
/// The factor `T^2` keeps the gradient's scale independent of the temperature. The sum runs over the
/// whole vocabulary, the mean over tokens; every token counts the same.
///
/// DIFFERENCE: no cross-entropy term is mixed in; the paper adds one with a small weight.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use pycno_distill::ForwardKl;
/// use pycno_kernels::head::HeadPair;
///
/// let device = Device::flex();
/// // One token, two words: teacher says 3/4 and 1/4, student 1/2 and 1/2.
/// let pair = HeadPair {
///     student_hidden: Tensor::ones([1, 1], &device),
///     student_head: Tensor::zeros([1, 2], &device),
///     teacher_hidden: Tensor::ones([1, 1], &device),
///     teacher_head: Tensor::from_data([[3f32.ln(), 0.0]], &device),
/// };
/// let found = ForwardKl::default().gradients(&pair);
/// let expect = 0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln();
/// assert!((found.loss - expect).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardKl {
    /// Softens both distributions.
    pub temperature: Temperature,
    /// Rows of logits alive at a time, for each model.
    pub chunk_rows: usize,
}

impl Default for ForwardKl {
    fn default() -> Self {
        Self { temperature: Temperature::default(), chunk_rows: CHUNK_ROWS }
    }
}

impl ForwardKl {
    /// The divergence at the given temperature.
    #[must_use]
    pub fn at(temperature: Temperature) -> Self {
        Self { temperature, ..Self::default() }
    }

    /// Computes the loss and its gradients by the student's hidden states and head.
    ///
    /// # Panics
    ///
    /// As [`forward_kl_head`]: if rows or vocabularies differ.
    pub fn gradients(&self, pair: &HeadPair) -> HeadLoss {
        forward_kl_head(pair, self.temperature.into(), self.chunk_rows)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;

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
            student_head: random([4, 30]),
            teacher_hidden: random([9, 5]),
            teacher_head: random([5, 30]),
        }
    }

    fn norm(x: Tensor<2>) -> f32 {
        x.square().sum().sqrt().into_scalar()
    }

    #[test]
    fn gradients_keep_their_scale_at_high_temperatures() {
        // Large T: the gradient by the logits tends to (student - teacher) / vocab, whatever T.
        let at = |t: f64| {
            let loss = ForwardKl::at(Temperature::new(t).unwrap()).gradients(&pair(0.5));
            norm(loss.grad_hidden)
        };
        let (warm, hot) = (at(50.0), at(400.0));
        assert!((warm / hot - 1.0).abs() < 0.02, "{warm} {hot}");
    }

    #[test]
    fn chunks_do_not_matter() {
        let whole = ForwardKl::default().gradients(&pair(1.0));
        let parts = ForwardKl { chunk_rows: 2, ..ForwardKl::default() }.gradients(&pair(1.0));
        // Matrix products of other shapes may round f32 logits otherwise.
        assert!((whole.loss - parts.loss).abs() < 1e-6);
        assert!(norm(whole.grad_head - parts.grad_head) < 1e-6);
    }
}
