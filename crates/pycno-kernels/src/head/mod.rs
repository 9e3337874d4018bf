//! The head with its loss, without ever building all logits: rows are taken in chunks, and a chunk's
//! logits turn into their own gradient in place.
//!
//! All tensors are plain (no autodiff): the caller continues into the body with
//! `(hidden * d_hidden).sum().backward()`. On the CPU the softmax runs on host slices, rows in
//! parallel; the result does not depend on the number of threads. Elsewhere the same formulas are
//! composed of Burn's operations.

mod composed;
mod exp;
mod rows;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use crate::host::{narrow, on_host, values};
use rows::Softening;

/// Rows handled at once unless the caller knows better: 256 rows of 49,152 logits are 48 MiB.
///
/// Every chunk makes one `[vocab, d_model]` product for the head's gradient, a cost that more rows share,
/// while more logits at once miss the cache. Forward KL of 1,024 rows, `d_model` 576, on two AVX2 cores
/// under load, by rows a chunk: 17.9 s (64), 14.6 s (128), 13.1 s (256), 13.3 s (512), 14.0 s (1,024).
pub const CHUNK_ROWS: usize = 256;

/// Final hidden states and heads of both models, for the same tokens.
#[derive(Clone, Debug)]
pub struct HeadPair {
    /// `[rows, d_student]`
    pub student_hidden: Tensor<2>,
    /// `[d_student, vocab]`
    pub student_head: Tensor<2>,
    /// `[rows, d_teacher]`
    pub teacher_hidden: Tensor<2>,
    /// `[d_teacher, vocab]`
    pub teacher_head: Tensor<2>,
}

/// A loss and its gradients.
#[derive(Clone, Debug)]
pub struct HeadLoss {
    /// Mean over rows, nats.
    pub loss: f64,
    /// `[rows, d_model]`
    pub d_hidden: Tensor<2>,
    /// `[d_model, vocab]`; a transposed view, since a tied head wants `[vocab, d_model]`.
    pub d_head: Tensor<2>,
}

/// How a model rates one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLoss {
    /// `-ln p(token)`
    pub nats: f64,
    /// Whether greedy decoding picks this token; of equal logits it picks the first.
    pub greedy: bool,
}

/// Computes `T^2 * mean over rows of KL(p || q)` with `p = softmax(teacher logits / T)` and
/// `q = softmax(student logits / T)`, and its gradients (Hinton et al. 2015,
/// [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), eq. 2). The gradient by the student's logits
/// is `T (q - p) / rows`.
///
/// # Panics
///
/// If rows or vocabularies differ, there are no rows, `chunk_rows` is 0 or `temperature` is not positive.
pub fn forward_kl_head(pair: &HeadPair, temperature: f64, chunk_rows: usize) -> HeadLoss {
    let ([rows, _], [_, vocab]) = (pair.student_hidden.dims(), pair.student_head.dims());
    assert_eq!(rows, pair.teacher_hidden.dims()[0], "rows of student and teacher");
    assert_eq!(vocab, pair.teacher_head.dims()[1], "vocabulary of student and teacher");
    assert!(temperature > 0.0, "temperature {temperature}");
    let scale = temperature / rows as f64;
    let student = Head { hidden: &pair.student_hidden, weight: &pair.student_head };
    let teacher = Head { hidden: &pair.teacher_hidden, weight: &pair.teacher_head };
    let mut loss = student.chunked(chunk_rows, |start, logits| {
        let teacher = teacher.logits(start, logits.dims()[0]);
        forward_kl_chunk(logits, teacher, temperature, scale)
    });
    loss.loss *= temperature * temperature;
    loss
}

/// Computes the mean over rows of `-ln softmax(logits)[target]`, and its gradients.
///
/// # Panics
///
/// If there are not as many targets as rows, no rows, `chunk_rows` is 0 or a target lies outside the
/// vocabulary.
pub fn cross_entropy_head(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    chunk_rows: usize,
) -> HeadLoss {
    check_targets(hidden, head, targets);
    let scale = 1.0 / targets.len() as f64;
    let head = Head { hidden, weight: head };
    head.chunked(chunk_rows, |start, logits| {
        let n = logits.dims()[0];
        cross_entropy_chunk(logits, &targets[start..start + n], scale)
    })
}

/// Computes `-ln softmax(logits)[target]` of every row, for evaluation: no gradients.
///
/// # Panics
///
/// As [`cross_entropy_head`], but no rows give no losses.
pub fn token_losses(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<TokenLoss> {
    if targets.is_empty() {
        return Vec::new();
    }
    check_targets(hidden, head, targets);
    let head = Head { hidden, weight: head };
    let losses = targets.chunks(chunk_rows).enumerate().flat_map(|(chunk, targets)| {
        token_losses_chunk(head.logits(chunk * chunk_rows, targets.len()), targets)
    });
    losses.map(|(nats, greedy)| TokenLoss { nats, greedy }).collect()
}

fn check_targets(hidden: &Tensor<2>, head: &Tensor<2>, targets: &[u32]) {
    assert_eq!(hidden.dims()[0], targets.len(), "rows and targets");
    let vocab = head.dims()[1];
    let outside = targets.iter().find(|target| **target as usize >= vocab);
    assert!(outside.is_none(), "target {outside:?} outside the vocabulary of {vocab}");
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
        assert!(rows > 0, "a mean over no rows");
        let (mut sum, mut d_hidden, mut d_head) = (0.0, Vec::new(), None::<Tensor<2>>);
        for start in (0..rows).step_by(chunk_rows) {
            let n = chunk_rows.min(rows - start);
            let (loss, d_logits) = backward(start, self.logits(start, n));
            sum += loss;
            d_hidden.push(d_logits.clone().matmul(self.weight.clone().transpose()));
            let hidden = self.hidden.clone().narrow(0, start, n);
            let product = d_logits.transpose().matmul(hidden);
            d_head = Some(match d_head.take() {
                Some(so_far) => so_far + product,
                None => product,
            });
        }
        let d_head = d_head.map_or_else(|| self.weight.zeros_like(), Tensor::transpose);
        HeadLoss { loss: sum / rows as f64, d_hidden: Tensor::cat(d_hidden, 0), d_head }
    }
}

fn forward_kl_chunk(
    student: Tensor<2>,
    teacher: Tensor<2>,
    temperature: f64,
    scale: f64,
) -> (f64, Tensor<2>) {
    if !on_host(&student.device()) {
        return composed::forward_kl(student, teacher, 1.0 / temperature, scale);
    }
    let how =
        Softening { inverse_temperature: narrow(1.0 / temperature), gradient_scale: narrow(scale) };
    let mut teacher = teacher.into_data();
    in_place(student, |student, vocab| {
        let rows = student.par_chunks_mut(vocab).zip(values(&mut teacher).par_chunks_mut(vocab));
        rows.map(|(student, teacher)| rows::forward_kl(student, teacher, how)).collect()
    })
}

fn cross_entropy_chunk(logits: Tensor<2>, targets: &[u32], scale: f64) -> (f64, Tensor<2>) {
    if !on_host(&logits.device()) {
        return composed::cross_entropy(logits, targets, scale);
    }
    let scale = narrow(scale);
    in_place(logits, |logits, vocab| {
        let rows = logits.par_chunks_mut(vocab).zip(targets);
        rows.map(|(row, target)| rows::cross_entropy(row, *target as usize, scale)).collect()
    })
}

fn token_losses_chunk(logits: Tensor<2>, targets: &[u32]) -> Vec<(f64, bool)> {
    if !on_host(&logits.device()) {
        return composed::token_losses(logits, targets);
    }
    let vocab = logits.dims()[1];
    let mut logits = logits.into_data();
    let rows = values(&mut logits).par_chunks_mut(vocab).zip(targets);
    rows.map(|(row, target)| rows::token_loss(row, *target as usize)).collect()
}

/// Lets `losses` overwrite the logits with their gradient; sums what it returns, row by row in order.
fn in_place(
    logits: Tensor<2>,
    losses: impl FnOnce(&mut [f32], usize) -> Vec<f64>,
) -> (f64, Tensor<2>) {
    let (device, [_, vocab]) = (logits.device(), logits.dims());
    let mut logits = logits.into_data();
    let losses = losses(values(&mut logits), vocab);
    (losses.iter().sum(), Tensor::from_data(logits, &device))
}

#[cfg(test)]
mod tests;
