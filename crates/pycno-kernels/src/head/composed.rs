//! The same losses in Burn's own operations: for devices whose memory the host cannot reach, for half
//! precision, and the oracle of the host's version.

use burn::tensor::{DType, Int, Tensor, TensorData, activation::log_softmax};

use super::{
    CrossEntropy, Head, HeadLoss, HeadPair,
    row_loss::{Logits, RowLoss},
};

/// [`super::distill_head`] in Burn's operations, for checked arguments.
pub fn distill<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, chunk_rows: usize) -> HeadLoss {
    let scale = 1.0 / pair.student_hidden.dims()[0] as f64;
    let student = Projection { hidden: &pair.student_hidden, head: &pair.student_head };
    let teacher = Projection { hidden: &pair.teacher_hidden, head: &pair.teacher_head };
    student.chunked(chunk_rows, |start, logits| {
        let teacher = teacher.logits(start, logits.dims()[0]);
        loss.chunk(logits, teacher, scale)
    })
}

/// [`super::cross_entropy_head`] in Burn's operations, for checked arguments.
pub fn cross_entropy(
    (hidden, head): (&Tensor<2>, &Head),
    targets: &[u32],
    chunk_rows: usize,
) -> HeadLoss {
    let scale = 1.0 / targets.len() as f64;
    Projection { hidden, head }.chunked(chunk_rows, |start, logits| {
        let targets = column(&targets[start..start + logits.dims()[0]], &logits);
        CrossEntropy.chunk(logits, targets, scale)
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

    /// The loss of a chunk, and its gradient by the logits before their softcap.
    fn by_logits(
        self,
        capped: Tensor<2>,
        backward: impl FnOnce(Tensor<2>) -> (f64, Tensor<2>),
    ) -> (f64, Tensor<2>) {
        let Some(softcap) = self.head.softcap else { return backward(capped) };
        let (loss, gradient) = backward(capped.clone());
        (loss, softcap.chain_composed(gradient, capped))
    }

    /// Goes through the rows in chunks; `backward` turns a chunk's start and logits into the sum of
    /// its losses and the gradient by its logits, already divided by the number of all rows.
    fn chunked(
        self,
        chunk_rows: usize,
        backward: impl Fn(usize, Tensor<2>) -> (f64, Tensor<2>),
    ) -> HeadLoss {
        let ([rows, _], weight) = (self.hidden.dims(), &self.head.weight);
        let (mut sum, mut grad_hidden, mut grad_head) = (0.0, Vec::new(), None::<Tensor<2>>);
        for start in (0..rows).step_by(chunk_rows) {
            let n = chunk_rows.min(rows - start);
            let (loss, grad_logits) =
                self.by_logits(self.logits(start, n), |logits| backward(start, logits));
            sum += loss;
            grad_hidden.push(grad_logits.clone().matmul(weight.clone().transpose()));
            let hidden = self.hidden.clone().narrow(0, start, n);
            let product = grad_logits.transpose().matmul(hidden);
            grad_head = Some(match grad_head.take() {
                Some(so_far) => so_far + product,
                None => product,
            });
        }
        let grad_head = grad_head.map_or_else(|| weight.zeros_like(), Tensor::transpose);
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
