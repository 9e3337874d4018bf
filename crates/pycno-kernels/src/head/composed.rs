//! The same losses in Burn's own operations: for devices whose memory the host cannot reach, for half
//! precision, and the oracle of the host's version.

use burn::tensor::{DType, Int, Tensor, TensorData, activation::log_softmax};

use super::{
    CrossEntropy, HeadLoss, HeadPair,
    row_loss::{Logits, RowLoss},
};

/// [`super::distill_head`] in Burn's operations, for checked arguments.
pub fn distill<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, chunk_rows: usize) -> HeadLoss {
    let scale = 1.0 / pair.student_hidden.dims()[0] as f64;
    let student = Head { hidden: &pair.student_hidden, weight: &pair.student_head };
    let teacher = Head { hidden: &pair.teacher_hidden, weight: &pair.teacher_head };
    student.chunked(chunk_rows, |start, logits| {
        let teacher = teacher.logits(start, logits.dims()[0]);
        loss.chunk(logits, teacher, scale)
    })
}

/// [`super::cross_entropy_head`] in Burn's operations, for checked arguments.
pub fn cross_entropy(
    [hidden, weight]: [&Tensor<2>; 2],
    targets: &[u32],
    chunk_rows: usize,
) -> HeadLoss {
    let scale = 1.0 / targets.len() as f64;
    Head { hidden, weight }.chunked(chunk_rows, |start, logits| {
        let targets = column(&targets[start..start + logits.dims()[0]], &logits);
        CrossEntropy.chunk(logits, targets, scale)
    })
}

/// See [`super::token_losses`].
pub(super) fn token_losses(
    [hidden, weight]: [&Tensor<2>; 2],
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<(f64, bool)> {
    let head = Head { hidden, weight };
    let losses = targets.chunks(chunk_rows).enumerate().flat_map(|(chunk, targets)| {
        token_losses_chunk(head.logits(chunk * chunk_rows, targets.len()), targets)
    });
    losses.collect()
}

/// Hidden states and the matrix that turns them into logits.
#[derive(Clone, Copy)]
struct Head<'a> {
    hidden: &'a Tensor<2>,
    weight: &'a Tensor<2>,
}

impl Head<'_> {
    fn logits(self, start: usize, n: usize) -> Tensor<2> {
        let logits = self.hidden.clone().narrow(0, start, n).matmul(self.weight.clone());
        // A model may compute in half precision; its losses are formed in full.
        if logits.dtype() == DType::F32 { logits } else { logits.cast(DType::F32) }
    }

    /// Goes through the rows in chunks; `backward` turns a chunk's start and logits into the sum of
    /// its losses and the gradient by its logits, already divided by the number of all rows.
    fn chunked(
        self,
        chunk_rows: usize,
        backward: impl Fn(usize, Tensor<2>) -> (f64, Tensor<2>),
    ) -> HeadLoss {
        let [rows, _] = self.hidden.dims();
        let (mut sum, mut grad_hidden, mut grad_head) = (0.0, Vec::new(), None::<Tensor<2>>);
        for start in (0..rows).step_by(chunk_rows) {
            let n = chunk_rows.min(rows - start);
            let (loss, grad_logits) = backward(start, self.logits(start, n));
            sum += loss;
            grad_hidden.push(grad_logits.clone().matmul(self.weight.clone().transpose()));
            let hidden = self.hidden.clone().narrow(0, start, n);
            let product = grad_logits.transpose().matmul(hidden);
            grad_head = Some(match grad_head.take() {
                Some(so_far) => so_far + product,
                None => product,
            });
        }
        let grad_head = grad_head.map_or_else(|| self.weight.zeros_like(), Tensor::transpose);
        HeadLoss { loss: sum / rows as f64, grad_hidden: Tensor::cat(grad_hidden, 0), grad_head }
    }
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
