//! The same losses of a chunk of logits in Burn's own operations: for devices whose memory the host
//! cannot reach, and the oracle of the host's version.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData, activation::log_softmax};

/// Sum over rows of `KL(p || q)`, and `scale * (q - p)`; see [`super::forward_kl_head`].
pub(super) fn forward_kl(
    student: Tensor<2>,
    teacher: Tensor<2>,
    inverse_temperature: f64,
    scale: f64,
) -> (f64, Tensor<2>) {
    let q_log = log_softmax(student * inverse_temperature, 1);
    let p_log = log_softmax(teacher * inverse_temperature, 1);
    let (q, p) = (q_log.clone().exp(), p_log.clone().exp());
    let loss = (p.clone() * (p_log - q_log)).sum();
    (f64::from(loss.into_scalar::<f32>()), (q - p) * scale)
}

/// Sum over rows of `-ln softmax(logits)[target]`, and `scale * (softmax(logits) - onehot)`.
pub(super) fn cross_entropy(logits: Tensor<2>, targets: &[u32], scale: f64) -> (f64, Tensor<2>) {
    let targets = column(targets, &logits);
    let q_log = log_softmax(logits, 1);
    let loss = -q_log.clone().gather(1, targets.clone()).sum();
    let minus_one = Tensor::<2>::ones(targets.dims(), &q_log.device()).neg();
    let gradient = q_log.exp().scatter(1, targets, minus_one, IndexingUpdateOp::Add);
    (f64::from(loss.into_scalar::<f32>()), gradient * scale)
}

/// `-ln softmax(logits)[target]` and `argmax == target` of every row.
pub(super) fn token_losses(logits: Tensor<2>, targets: &[u32]) -> Vec<(f64, bool)> {
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
