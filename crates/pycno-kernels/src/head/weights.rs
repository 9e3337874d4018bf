//! What the rows of a loss count in its mean.

use std::ops::Range;

/// Weights of some rows, with their sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowWeights<'a> {
    weights: Option<&'a [f32]>,
    pub(super) sum: f64,
}

impl<'a> RowWeights<'a> {
    /// The weights of `rows` rows, 1 each where none are given.
    ///
    /// # Panics
    ///
    /// If there is not one for each row, one is negative or not finite, or they add up to 0.
    pub(super) fn new(rows: usize, weights: Option<&'a [f32]>) -> Self {
        let given = weights.unwrap_or_default();
        assert!(weights.is_none() || given.len() == rows, "a weight for every row");
        assert!(given.iter().all(|w| w.is_finite() && *w >= 0.0), "weights count up from 0");
        let sum = weights.map_or(rows as f64, |given| given.iter().map(|w| f64::from(*w)).sum());
        assert!(sum > 0.0, "a mean over no rows");
        Self { weights, sum }
    }

    /// What a row counts.
    #[inline(always)]
    pub(super) fn of(self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row]))
    }

    /// Shares of some rows in the mean.
    pub(super) fn shares(self, rows: Range<usize>) -> Vec<f64> {
        rows.map(|row| self.of(row) / self.sum).collect()
    }

    /// Which of some rows count nothing; `None` if none is without weight.
    pub(super) fn without(self, rows: Range<usize>) -> Option<Vec<bool>> {
        let without: Vec<bool> = rows.map(|row| self.of(row) <= 0.0).collect();
        without.contains(&true).then_some(without)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor, TensorData};

    use super::super::{
        CHUNK_ROWS, ForwardKl, HeadLoss, HeadPair, Logits, ReverseKl, RowLoss, Targets,
        check::{TOLERANCE, near},
        composed, cross_entropy_head, distill_head,
        tests::{host, pair},
    };

    const WEIGHTS: [f32; 7] = [1.0, 0.0, 2.0, 0.5, 0.0, 0.0, 3.0];
    const COUNTED: [usize; 4] = [0, 2, 3, 6];
    const TARGETS: [u32; 7] = [3, 0, 9, 9, 1, 10, 4];

    fn rows(x: &Tensor<2>, rows: &[usize]) -> Tensor<2> {
        let places: Vec<i64> = rows.iter().map(|row| i64::try_from(*row).unwrap()).collect();
        let places = TensorData::new(places, [rows.len()]);
        x.clone().select(0, Tensor::<1, Int>::from_data(places, &Device::flex()))
    }

    /// The pair's rows at some places, without their weights.
    fn at(pair: &HeadPair, places: &[usize]) -> HeadPair {
        HeadPair {
            student_hidden: rows(&pair.student_hidden, places),
            teacher_hidden: rows(&pair.teacher_hidden, places),
            weights: None,
            ..pair.clone()
        }
    }

    /// Asserts that a weighted loss is the weighted mean of what each of the rows has alone.
    #[track_caller]
    fn check(found: &HeadLoss, alone: impl Fn(usize) -> HeadLoss) {
        let sum: f64 = WEIGHTS.iter().map(|w| f64::from(*w)).sum();
        let (mut loss, mut grad_head) = (0.0, vec![0.0; host(&found.grad_head).len()]);
        for row in COUNTED {
            let (alone, share) = (alone(row), f64::from(WEIGHTS[row]) / sum);
            loss += share * alone.loss;
            let expect: Vec<f64> = host(&alone.grad_hidden).iter().map(|x| share * x).collect();
            near(&host(&rows(&found.grad_hidden, &[row])), &expect, TOLERANCE);
            grad_head.iter_mut().zip(host(&alone.grad_head)).for_each(|(a, b)| *a += share * b);
        }
        near(&[found.loss], &[loss], TOLERANCE);
        near(&host(&found.grad_head), &grad_head, TOLERANCE);
        assert!(host(&rows(&found.grad_hidden, &[1, 4, 5])).iter().all(|x| *x == 0.0));
    }

    /// A pair whose teacher says no numbers where a row has no weight.
    fn weighted() -> HeadPair {
        let pair = pair([7, 4, 5, 11]);
        let teacher_hidden = pair.teacher_hidden.slice_fill([4..6, 0..5], f32::NAN);
        HeadPair { teacher_hidden, weights: Some(WEIGHTS.to_vec()), ..pair }
    }

    #[track_caller]
    fn check_divergence<L: RowLoss<Logits>>(loss: &L) {
        let pair = weighted();
        let alone = |row| distill_head(&at(&pair, &[row]), loss, CHUNK_ROWS);
        for chunk_rows in [1, 2, 7] {
            check(&distill_head(&pair, loss, chunk_rows), alone);
            check(&composed::distill(&pair, loss, chunk_rows), alone);
        }
    }

    #[test]
    fn a_loss_is_the_weighted_mean_over_the_rows_that_count() {
        check_divergence(&ForwardKl::at(2.0));
        check_divergence(&ReverseKl::at(1.0));
        let pair = pair([7, 4, 5, 11]);
        let alone = |row: usize| {
            let hidden = rows(&pair.student_hidden, &[row]);
            let target = Targets::plain(&TARGETS[row..=row]);
            cross_entropy_head(&hidden, &pair.student_head, target, CHUNK_ROWS)
        };
        let targets = Targets { ids: &TARGETS, weights: Some(&WEIGHTS) };
        let head = (&pair.student_hidden, &pair.student_head);
        check(&cross_entropy_head(head.0, head.1, targets, 3), alone);
        check(&composed::cross_entropy(head, targets, 3), alone);
    }

    #[test]
    fn weights_of_one_change_no_bit() {
        let plain = pair([7, 4, 5, 11]);
        let ones = HeadPair { weights: Some(vec![1.0; 7]), ..plain.clone() };
        let bits = |pair: &HeadPair| {
            let found = distill_head(pair, &ForwardKl::at(1.0), 3);
            let gradients = [host(&found.grad_hidden), host(&found.grad_head)].concat();
            (found.loss.to_bits(), gradients.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        assert_eq!(bits(&ones), bits(&plain));
    }
}
