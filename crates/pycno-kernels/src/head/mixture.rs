//! A weighted sum of two losses on the same teacher.

use burn::tensor::Tensor;

use super::row_loss::{ChunkLoss, RowLoss, TeacherRow};

/// `first_weight * first + second_weight * second`; weights are taken as they are, and need not sum to 1.
///
/// Three losses are a mixture with a mixture in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture<A, B> {
    /// One loss, with its weight.
    pub first: (f64, A),
    /// The other, with its own.
    pub second: (f64, B),
}

impl<T: TeacherRow, A: RowLoss<T>, B: RowLoss<T>> RowLoss<T> for Mixture<A, B> {
    #[inline(always)]
    fn row(&self, student: &mut [f32], teacher: T::Row<'_>, scale: f64) -> f64 {
        let ((a, first), (b, second)) = (&self.first, &self.second);
        let mut copy = student.to_vec();
        let loss_of_first = first.row(&mut copy, teacher, a * scale);
        let loss_of_second = second.row(student, teacher, b * scale);
        for (sum, gradient) in student.iter_mut().zip(&copy) {
            *sum += gradient;
        }
        a * loss_of_first + b * loss_of_second
    }

    fn chunk(&self, student: Tensor<2>, teacher: T::Chunk, scales: &[f64]) -> ChunkLoss {
        let ((a, first), (b, second)) = (&self.first, &self.second);
        let times = |factor: f64| scales.iter().map(|scale| factor * scale).collect::<Vec<_>>();
        let of_first = first.chunk(student.clone(), teacher.clone(), &times(*a));
        let of_second = second.chunk(student, teacher, &times(*b));
        ChunkLoss {
            losses: of_first.losses * *a + of_second.losses * *b,
            gradient: of_first.gradient + of_second.gradient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ForwardKl, ReverseKl,
            check::{TOLERANCE, near, versions},
        },
        *,
    };
    use crate::noise::Noise;

    #[test]
    fn losses_and_gradients_are_the_weighted_sums() {
        let rows = [Noise::new(1).values(37), Noise::new(2).values(37)];
        let rows = [&rows[0][..], &rows[1]];
        let (first, second) = (ForwardKl::at(2.0), ReverseKl::at(1.0));
        let mixture = Mixture { first: (0.9, first), second: (0.3, second) };
        let parts = [versions(&first, rows), versions(&second, rows)];
        for (i, found) in versions(&mixture, rows).into_iter().enumerate() {
            let [a, b] = [&parts[0][i], &parts[1][i]];
            near(&[found.loss], &[0.9 * a.loss + 0.3 * b.loss], 1e-6);
            let sum = a.gradient.iter().zip(&b.gradient).map(|(a, b)| 0.9 * a + 0.3 * b);
            near(&found.gradient, &sum.collect::<Vec<_>>(), 1e-6);
        }
        let [host, composed] = versions(&mixture, rows);
        near(&host.gradient, &composed.gradient, TOLERANCE);
    }

    #[test]
    fn three_losses_are_a_mixture_in_a_mixture() {
        let rows = [Noise::new(3).values(10), Noise::new(4).values(10)];
        let rows = [&rows[0][..], &rows[1]];
        let (forward, reverse) = (ForwardKl::at(1.0), ReverseKl::at(3.0));
        let two = Mixture { first: (1.0, forward), second: (1.0, reverse) };
        let nested = Mixture {
            first: (0.5, two),
            second: (0.5, Mixture { first: (0.5, two), second: (0.5, two) }),
        };
        let [expect, found] = [versions(&two, rows), versions(&nested, rows)];
        for (found, expect) in found.iter().zip(&expect) {
            near(&[found.loss], &[expect.loss], 1e-6);
            near(&found.gradient, &expect.gradient, 1e-6);
        }
    }
}
