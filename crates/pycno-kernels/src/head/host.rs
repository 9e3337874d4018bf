//! The head's losses on host memory: one buffer of logits for all chunks, gradients added up in place.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::Tensor,
};
use rayon::prelude::*;

use super::{
    HeadLoss, HeadPair,
    rows::{self, Softening},
};
use crate::{
    host::{dense, flex, narrow, primitive},
    matmul::{Output, View, multiply, product},
    simd::vectorized,
    tile::TileMut,
};

/// Hidden states `[rows, d_model]` and the matrix `[d_model, vocab]` that turns them into logits.
struct Head {
    hidden: FlexTensor,
    weight: FlexTensor,
}

/// Rows of one chunk.
#[derive(Clone, Copy)]
struct Chunk {
    start: usize,
    rows: usize,
}

/// See [`super::forward_kl_head`].
pub(super) fn forward_kl(pair: &HeadPair, temperature: f64, chunk_rows: usize) -> HeadLoss {
    let student = Head::new([&pair.student_hidden, &pair.student_head]);
    let teacher = Head::new([&pair.teacher_hidden, &pair.teacher_head]);
    let [rows, vocab] = student.dims();
    let how = Softening {
        inverse_temperature: narrow(1.0 / temperature),
        gradient_scale: narrow(temperature / rows as f64),
    };
    let mut softened = vec![0.0; chunk_rows.min(rows) * vocab];
    let mut found = student.chunked(chunk_rows, |chunk, logits| {
        let teacher_logits = &mut softened[..chunk.rows * vocab];
        teacher.logits(chunk, teacher_logits);
        let pairs = logits.par_chunks_mut(vocab).zip(teacher_logits.par_chunks_mut(vocab));
        let losses = pairs.map(|(student, teacher)| {
            vectorized(
                #[inline(always)]
                || rows::forward_kl(student, teacher, how),
            )
        });
        losses.collect()
    });
    found.loss *= temperature * temperature;
    found
}

/// See [`super::cross_entropy_head`].
pub(super) fn cross_entropy(head: [&Tensor<2>; 2], targets: &[u32], chunk_rows: usize) -> HeadLoss {
    let head = Head::new(head);
    let ([rows, vocab], scale) = (head.dims(), narrow(1.0 / targets.len() as f64));
    debug_assert_eq!(rows, targets.len());
    head.chunked(chunk_rows, |Chunk { start, rows }, logits| {
        let pairs = logits.par_chunks_mut(vocab).zip(&targets[start..start + rows]);
        let losses = pairs.map(|(row, target)| {
            vectorized(
                #[inline(always)]
                || rows::cross_entropy(row, *target as usize, scale),
            )
        });
        losses.collect()
    })
}

/// See [`super::token_losses`].
pub(super) fn token_losses(
    head: [&Tensor<2>; 2],
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<(f64, bool)> {
    let head = Head::new(head);
    let [rows, vocab] = head.dims();
    let mut buffer = vec![0.0; chunk_rows.min(rows) * vocab];
    let mut losses = Vec::with_capacity(rows);
    for chunk in chunks(rows, chunk_rows) {
        let logits = &mut buffer[..chunk.rows * vocab];
        head.logits(chunk, logits);
        let pairs = logits.par_chunks(vocab).zip(&targets[chunk.start..chunk.start + chunk.rows]);
        let found = pairs.map(|(row, target)| {
            vectorized(
                #[inline(always)]
                || rows::token_loss(row, *target as usize),
            )
        });
        losses.par_extend(found);
    }
    losses
}

fn chunks(rows: usize, chunk_rows: usize) -> impl Iterator<Item = Chunk> {
    let chunk = move |start| Chunk { start, rows: chunk_rows.min(rows - start) };
    (0..rows).step_by(chunk_rows).map(chunk)
}

impl Head {
    fn new([hidden, weight]: [&Tensor<2>; 2]) -> Self {
        Self { hidden: dense(primitive(hidden)), weight: primitive(weight) }
    }

    /// Rows and vocabulary.
    fn dims(&self) -> [usize; 2] {
        [View::of(&self.hidden).dims()[0], View::of(&self.weight).dims()[1]]
    }

    fn logits(&self, chunk: Chunk, out: &mut [f32]) {
        let out = TileMut::dense(out, [chunk.rows, self.dims()[1]]);
        let hidden = View::of(&self.hidden).rows(chunk.start, chunk.rows);
        multiply(out, [hidden, View::of(&self.weight)], Output::Overwrite);
    }

    /// Goes through the rows in chunks; `backward` turns a chunk's logits into the gradient by them, already
    /// divided by the number of all rows, and gives the rows' losses.
    fn chunked(
        &self,
        chunk_rows: usize,
        mut backward: impl FnMut(Chunk, &mut [f32]) -> Vec<f64>,
    ) -> HeadLoss {
        let ([rows, vocab], weight) = (self.dims(), View::of(&self.weight));
        let d_model = weight.dims()[0];
        let mut buffer = vec![0.0; chunk_rows.min(rows) * vocab];
        let mut grad_hidden = vec![0.0; rows * d_model];
        let (mut loss, mut grad_head) = (0.0, None::<Vec<f32>>);
        for chunk in chunks(rows, chunk_rows) {
            let logits = &mut buffer[..chunk.rows * vocab];
            self.logits(chunk, logits);
            loss += backward(chunk, logits).iter().sum::<f64>();
            let by_logits = View::dense(logits, [chunk.rows, vocab]);
            let mut grad_hidden = TileMut::dense(&mut grad_hidden, [rows, d_model]);
            let own = grad_hidden.rows(chunk.start, chunk.rows);
            multiply(own, [by_logits, weight.t()], Output::Overwrite);
            let factors = [by_logits.t(), View::of(&self.hidden).rows(chunk.start, chunk.rows)];
            match &mut grad_head {
                Some(sum) => {
                    multiply(TileMut::dense(sum, [vocab, d_model]), factors, Output::Accumulate);
                }
                None => grad_head = Some(product(factors[0], factors[1])),
            }
        }
        HeadLoss {
            loss: loss / rows as f64,
            grad_hidden: matrix(grad_hidden, [rows, d_model]),
            grad_head: matrix(grad_head.unwrap_or_default(), [vocab, d_model]).transpose(),
        }
    }
}

fn matrix(values: Vec<f32>, dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_primitive::<Flex>(flex(values, dims))
}
