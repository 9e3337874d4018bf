//! The same losses in Burn's own operations: for devices whose memory the host cannot reach, for half
//! precision, and the oracle of the host's version.

use std::ops::Range;

use burn::tensor::{Bool, DType, Int, Tensor, TensorData, activation::log_softmax};

use super::{
    CrossEntropy, Head, HeadLoss, HeadPair, Targets,
    row_loss::{ChunkLoss, Logits, RowLoss},
    weights::RowWeights,
};

/// [`super::distill_head`] in Burn's operations, for checked arguments.
pub fn distill<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, chunk_rows: usize) -> HeadLoss {
    let weights = RowWeights::new(pair.student_hidden.dims()[0], pair.weights.as_deref());
    let student = Projection { hidden: &pair.student_hidden, head: &pair.student_head };
    let teacher = Projection { hidden: &pair.teacher_hidden, head: &pair.teacher_head };
    student.chunked((weights, chunk_rows), |rows, logits| {
        let teacher = teacher.logits(rows.start, rows.len());
        loss.chunk(logits, teacher, &weights.shares(rows))
    })
}

/// [`super::cross_entropy_head`] in Burn's operations, for checked arguments.
pub fn cross_entropy(
    (hidden, head): (&Tensor<2>, &Head),
    targets: Targets<'_>,
    chunk_rows: usize,
) -> HeadLoss {
    let weights = RowWeights::new(targets.ids.len(), targets.weights);
    Projection { hidden, head }.chunked((weights, chunk_rows), |rows, logits| {
        let targets = column(&targets.ids[rows.clone()], &logits);
        CrossEntropy.chunk(logits, targets, &weights.shares(rows))
    })
}

/// See [`super::token_losses`].
pub(super) fn token_losses(
    (hidden, head): (&Tensor<2>, &Head),
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<(f64, bool)> {
    let projection = Projection { hidden, head };
    let losses = targets.chunks(chunk_rows).enumerate().flat_map(|(chunk, targets)| {
        token_losses_chunk(projection.logits(chunk * chunk_rows, targets.len()), targets)
    });
    losses.collect()
}

/// Hidden states and the head that turns them into logits.
#[derive(Clone, Copy)]
struct Projection<'a> {
    hidden: &'a Tensor<2>,
    head: &'a Head,
}

impl Projection<'_> {
    /// Capped.
    fn logits(self, start: usize, n: usize) -> Tensor<2> {
        let logits = self.hidden.clone().narrow(0, start, n).matmul(self.head.weight.clone());
        // A model may compute in half precision; its losses are formed in full.
        let logits = if logits.dtype() == DType::F32 { logits } else { logits.cast(DType::F32) };
        match self.head.softcap {
            Some(softcap) => softcap.apply_composed(logits),
            None => logits,
        }
    }

    /// Goes through the rows in chunks; `backward` turns a chunk's logits into the rows' losses and the gradient by
    /// the logits, times each row's share in the mean.
    fn chunked(
        self,
        (weights, chunk_rows): (RowWeights<'_>, usize),
        backward: impl Fn(Range<usize>, Tensor<2>) -> ChunkLoss,
    ) -> HeadLoss {
        let ([rows, _], weight) = (self.hidden.dims(), &self.head.weight);
        let (mut sum, mut grad_hidden, mut grad_head) = (0.0, Vec::new(), None::<Tensor<2>>);
        for start in (0..rows).step_by(chunk_rows) {
            let n = chunk_rows.min(rows - start);
            let logits = self.logits(start, n);
            let found = backward(start..start + n, logits.clone());
            sum += weighted_sum(found.losses, start, weights);
            let grad_logits = self.chained(found.gradient, logits);
            let grad_logits = without_rows(grad_logits, weights.without(start..start + n));
            grad_hidden.push(grad_logits.clone().matmul(weight.clone().transpose()));
            let hidden = self.hidden.clone().narrow(0, start, n);
            let product = grad_logits.transpose().matmul(hidden);
            grad_head = Some(match grad_head.take() {
                Some(so_far) => so_far + product,
                None => product,
            });
        }
        let grad_head = grad_head.map_or_else(|| weight.zeros_like(), Tensor::transpose);
        HeadLoss { loss: sum / weights.sum, grad_hidden: Tensor::cat(grad_hidden, 0), grad_head }
    }

    /// The gradient by what the logits were before their softcap.
    fn chained(self, gradient: Tensor<2>, capped: Tensor<2>) -> Tensor<2> {
        match self.head.softcap {
            Some(softcap) => softcap.chain_composed(gradient, capped),
            None => gradient,
        }
    }
}

/// Adds up the losses `[rows, 1]` of rows that count, times their weights.
fn weighted_sum(losses: Tensor<2>, start: usize, weights: RowWeights<'_>) -> f64 {
    let losses: Vec<f64> = losses.into_data().iter::<f64>().collect();
    let weighted = losses.iter().enumerate().map(|(i, loss)| (weights.of(start + i), loss));
    weighted.filter(|(weight, _)| *weight > 0.0).map(|(weight, loss)| weight * loss).sum()
}

/// Zeroes the gradients of rows that count nothing: what is in them may be no number.
fn without_rows(gradient: Tensor<2>, without: Option<Vec<bool>>) -> Tensor<2> {
    let Some(without) = without else { return gradient };
    let mask = TensorData::new(without, [gradient.dims()[0], 1]);
    let mask = Tensor::<2, Bool>::from_data(mask, &gradient.device());
    let mask = mask.expand(gradient.dims());
    gradient.mask_fill(mask, 0.0)
}

/// `-ln softmax(logits)[target]` and `argmax == target` of every row.
fn token_losses_chunk(logits: Tensor<2>, targets: &[u32]) -> Vec<(f64, bool)> {
    let best: Vec<i64> = logits.clone().argmax(1).into_data().convert::<i64>().iter().collect();
    let gold = softmax_log_at(logits, targets);
    let greedy = best.iter().zip(targets).map(|(best, target)| *best == i64::from(*target));
    gold.into_iter().map(|x| -f64::from(x)).zip(greedy).collect()
}

fn softmax_log_at(logits: Tensor<2>, targets: &[u32]) -> Vec<f32> {
    let targets = column(targets, &logits);
    log_softmax(logits, 1).gather(1, targets).into_data().convert::<f32>().iter().collect()
}

fn column(targets: &[u32], like: &Tensor<2>) -> Tensor<2, Int> {
    let values: Vec<i64> = targets.iter().map(|x| i64::from(*x)).collect();
    Tensor::from_data(TensorData::new(values, [targets.len(), 1]), &like.device())
}
