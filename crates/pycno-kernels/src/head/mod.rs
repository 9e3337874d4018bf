//! The head with its loss, without ever building all logits: rows are taken in chunks, and a chunk's
//! logits turn into their own gradient in place.
//!
//! All tensors are plain (no autodiff): the caller continues into the body with
//! `(hidden * grad_hidden).sum().backward()`. On the CPU the softmax runs on host slices, rows in
//! parallel; the result does not depend on the number of threads. Elsewhere the same formulas are
//! composed of Burn's operations.
//!
//! Which loss it is, a [`RowLoss`] says: one file each with its formula, source and gradient, of which
//! [`ReverseKl`] is the one to copy.

#[cfg(test)]
mod check;
pub(crate) mod composed;
mod cross_entropy;
mod forward_kl;
mod host;
mod mixture;
mod reverse_kl;
mod row_loss;
mod rows;
mod softcap;
mod weights;

use burn::tensor::{Device, Tensor};

pub use self::{
    cross_entropy::CrossEntropy,
    forward_kl::ForwardKl,
    mixture::Mixture,
    reverse_kl::ReverseKl,
    row_loss::{ChunkLoss, Logits, RowLoss, Target, TeacherRow},
};
use self::{softcap::Softcap, weights::RowWeights};
use crate::{host::fusable, linear::linear};

/// Rows handled at once unless the caller knows better: 256 rows of 49,152 logits are 48 MiB.
///
/// Every chunk makes one `[vocab, d_model]` product for the head's gradient, a cost that more rows share,
/// while more logits at once miss the cache. Forward KL of 1,024 rows, `d_model` 576, on two AVX2 cores
/// under load, by rows per chunk: 17.9 s (64), 14.6 s (128), 13.1 s (256), 13.3 s (512), 14.0 s (1,024).
pub const CHUNK_ROWS: usize = 256;

/// What turns final hidden states into logits: `x weight`, then the softcap if there is one.
#[derive(Clone, Debug)]
pub struct Head {
    /// `[d_model, vocab]`
    weight: Tensor<2>,
    softcap: Option<Softcap>,
}

/// Final hidden states and heads of both models, for the same tokens.
#[derive(Clone, Debug)]
pub struct HeadPair {
    /// `[rows, d_student]`
    pub student_hidden: Tensor<2>,
    /// `d_student` to `vocab`
    pub student_head: Head,
    /// `[rows, d_teacher]`
    pub teacher_hidden: Tensor<2>,
    /// `d_teacher` to `vocab`
    pub teacher_head: Head,
    /// What each row counts in the mean, `[rows]`; `None`: all the same.
    pub weights: Option<Vec<f32>>,
}

/// The tokens that some rows should predict.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// A token for each row.
    pub ids: &'a [u32],
    /// What each row counts in the mean; `None`: all the same.
    pub weights: Option<&'a [f32]>,
}

/// A loss and its gradients.
#[derive(Clone, Debug)]
pub struct HeadLoss {
    /// Mean over rows by their weights, nats.
    pub loss: f64,
    /// `[rows, d_model]`
    pub grad_hidden: Tensor<2>,
    /// By the head's weight, `[d_model, vocab]`; a transposed view, since a tied head wants `[vocab, d_model]`.
    pub grad_head: Tensor<2>,
}

/// How a model rates one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLoss {
    /// `-ln p(token)`
    pub nats: f64,
    /// Whether greedy decoding picks this token; of equal logits it picks the first.
    pub greedy: bool,
}

impl<'a> Targets<'a> {
    /// Targets that all count the same.
    pub const fn plain(ids: &'a [u32]) -> Self {
        Self { ids, weights: None }
    }
}

impl Head {
    /// A head whose logits are `x weight`.
    ///
    /// # Shapes
    ///
    /// - `weight`: `[d_model, vocab]`
    pub const fn plain(weight: Tensor<2>) -> Self {
        Self { weight, softcap: None }
    }

    /// The head with logits `c tanh(logits / c)` (Gemma 2), or as they are for `None`.
    ///
    /// # Panics
    ///
    /// Unless the cap is positive.
    #[must_use]
    pub fn capped(self, softcap: Option<f64>) -> Self {
        Self { softcap: softcap.map(Softcap::at), ..self }
    }

    /// `[d_model, vocab]`
    pub const fn weight(&self) -> &Tensor<2> {
        &self.weight
    }

    /// Tokens that it has a logit for.
    pub fn vocab(&self) -> usize {
        self.weight.dims()[1]
    }

    /// Where its weight is.
    pub fn device(&self) -> Device {
        self.weight.device()
    }

    /// Logits of a few rows, all at once; a loss of many goes through [`cross_entropy_head`] or [`distill_head`].
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, d_model]`
    /// - output: `[rows, vocab]`
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.clone().transpose();
        let logits = linear(hidden.unsqueeze_dim(0), weight).squeeze_dim(0);
        match self.softcap {
            Some(softcap) => softcap.apply_composed(logits),
            None => logits,
        }
    }
}

/// Computes the mean over rows of a divergence between the student's and the teacher's logits, and its
/// gradients by the student's hidden states and head.
///
/// With weights `w` the mean is `sum w loss / sum w`; a row of weight 0 is as if it were not there, whatever is in it.
///
/// # Panics
///
/// If rows or vocabularies differ, no row counts, a weight is negative or not finite, or `chunk_rows` is 0.
pub fn distill_head<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, chunk_rows: usize) -> HeadLoss {
    let rows = pair.student_hidden.dims()[0];
    assert_eq!(rows, pair.teacher_hidden.dims()[0], "rows of student and teacher");
    let vocab = [&pair.student_head, &pair.teacher_head].map(Head::vocab);
    assert_eq!(vocab[0], vocab[1], "vocabulary of student and teacher");
    let weights = RowWeights::new(rows, pair.weights.as_deref());
    assert!(chunk_rows > 0, "a chunk has rows");
    // A teacher may compute in half precision.
    if fusable(&pair.student_hidden) && fusable(&pair.teacher_hidden) {
        host::distill(pair, loss, (weights, chunk_rows))
    } else {
        composed::distill(pair, loss, chunk_rows)
    }
}

/// Computes the mean over rows of [`CrossEntropy`], `-ln softmax(logits)[target]`, and its gradients; weights as in
/// [`distill_head`].
///
/// # Panics
///
/// If there are not as many targets as rows, no row counts, a weight is negative or not finite, `chunk_rows` is 0 or a
/// target lies outside the vocabulary.
pub fn cross_entropy_head(
    hidden: &Tensor<2>,
    head: &Head,
    targets: Targets<'_>,
    chunk_rows: usize,
) -> HeadLoss {
    check_targets(hidden, head, targets.ids);
    let weights = RowWeights::new(targets.ids.len(), targets.weights);
    assert!(chunk_rows > 0, "a chunk has rows");
    if fusable(hidden) {
        host::cross_entropy((hidden, head), targets.ids, (weights, chunk_rows))
    } else {
        composed::cross_entropy((hidden, head), targets, chunk_rows)
    }
}

/// Computes `-ln softmax(logits)[target]` of every row, for evaluation: no gradients.
///
/// # Panics
///
/// If there are not as many targets as rows, or a target lies outside the vocabulary; no rows give no losses.
pub fn token_losses(
    hidden: &Tensor<2>,
    head: &Head,
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<TokenLoss> {
    if targets.is_empty() {
        return Vec::new();
    }
    check_targets(hidden, head, targets);
    let losses = if fusable(hidden) {
        host::token_losses((hidden, head), targets, chunk_rows)
    } else {
        composed::token_losses((hidden, head), targets, chunk_rows)
    };
    losses.into_iter().map(|(nats, greedy)| TokenLoss { nats, greedy }).collect()
}

fn check_targets(hidden: &Tensor<2>, head: &Head, targets: &[u32]) {
    assert_eq!(hidden.dims()[0], targets.len(), "rows and targets");
    let vocab = head.vocab();
    let outside = targets.iter().find(|target| **target as usize >= vocab);
    assert!(outside.is_none(), "target {outside:?} outside the vocabulary of {vocab}");
}

#[cfg(test)]
mod tests;
