//! The head's losses on host memory: one buffer of logits for all chunks, gradients added up in place.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::Tensor,
};
use rayon::prelude::*;

use super::{
    CrossEntropy, Head, HeadLoss, HeadPair,
    row_loss::{Logits, RowLoss, Target, TeacherRow},
    rows,
    softcap::Softcap,
    weights::RowWeights,
};
use crate::{
    host::{dense, flex, primitive},
    matmul::{Output, View, multiply, product},
    simd::vectorized,
    tile::TileMut,
};

/// Hidden states `[rows, d_model]` and the head that turns them into logits, its weight `[d_model, vocab]`.
struct Projection {
    hidden: FlexTensor,
    weight: FlexTensor,
    softcap: Option<Softcap>,
}

/// Rows of one chunk.
#[derive(Clone, Copy)]
struct Chunk {
    start: usize,
    rows: usize,
}

/// See [`super::distill_head`].
pub(super) fn distill<L: RowLoss<Logits>>(
    pair: &HeadPair,
    loss: &L,
    (weights, chunk_rows): (RowWeights<'_>, usize),
) -> HeadLoss {
    let student = Projection::new((&pair.student_hidden, &pair.student_head));
    let teacher = Projection::new((&pair.teacher_hidden, &pair.teacher_head));
    let [rows, vocab] = student.dims();
    let mean = Mean { weights, softcap: student.softcap };
    let mut buffer = vec![0.0; chunk_rows.min(rows) * vocab];
    student.chunked((weights, chunk_rows), |chunk, logits| {
        let teacher_logits = &mut buffer[..chunk.rows * vocab];
        teacher.logits(chunk, teacher_logits);
        let rows = (chunk.start, teacher_logits.par_chunks(vocab));
        backward::<Logits, L>(loss, logits, rows, mean)
    })
}

/// See [`super::cross_entropy_head`].
pub(super) fn cross_entropy(
    head: (&Tensor<2>, &Head),
    targets: &[u32],
    (weights, chunk_rows): (RowWeights<'_>, usize),
) -> HeadLoss {
    let head = Projection::new(head);
    debug_assert_eq!(head.dims()[0], targets.len());
    let mean = Mean { weights, softcap: head.softcap };
    head.chunked((weights, chunk_rows), |Chunk { start, rows }, logits| {
        let own = targets[start..start + rows].par_iter().map(|target| *target as usize);
        backward::<Target, _>(&CrossEntropy, logits, (start, own), mean)
    })
}

/// What the logits of a chunk came through, and what all rows count in the mean.
#[derive(Clone, Copy)]
struct Mean<'a> {
    weights: RowWeights<'a>,
    softcap: Option<Softcap>,
}

/// Turns the logits of a chunk into the gradients by what they were before their softcap, row by row; gives the losses
/// times their weights. The teacher's rows begin at one of all.
///
/// Compiled anew for every loss: behind a pointer a loss would be compiled for the baseline's vectors alone.
fn backward<'a, T: TeacherRow, L: RowLoss<T>>(
    loss: &L,
    logits: &mut [f32],
    (start, teacher): (usize, impl IndexedParallelIterator<Item = T::Row<'a>>),
    Mean { weights, softcap }: Mean<'_>,
) -> Vec<f64> {
    let vocab = logits.len() / teacher.len();
    let pairs = logits.par_chunks_mut(vocab).zip(teacher).enumerate();
    let losses = pairs.map(|(i, (student, teacher))| {
        let weight = weights.of(start + i);
        if weight <= 0.0 {
            student.fill(0.0);
            return 0.0;
        }
        let scale = weight / weights.sum;
        vectorized(
            #[inline(always)]
            || {
                // The loss overwrites the row, and the slope of the softcap is read off it.
                let capped = softcap.map(|softcap| (softcap, student.to_vec()));
                let found = loss.row(student, teacher, scale);
                if let Some((softcap, capped)) = capped {
                    softcap.chain(student, &capped);
                }
                weight * found
            },
        )
    });
    losses.collect()
}

/// See [`super::token_losses`].
pub(super) fn token_losses(
    head: (&Tensor<2>, &Head),
    targets: &[u32],
    chunk_rows: usize,
) -> Vec<(f64, bool)> {
    let head = Projection::new(head);
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

impl Projection {
    fn new((hidden, head): (&Tensor<2>, &Head)) -> Self {
        let Head { weight, softcap } = head;
        Self { hidden: dense(primitive(hidden)), weight: primitive(weight), softcap: *softcap }
    }

    /// Rows and vocabulary.
    fn dims(&self) -> [usize; 2] {
        [View::of(&self.hidden).dims()[0], View::of(&self.weight).dims()[1]]
    }

    /// Writes the logits of a chunk, capped.
    fn logits(&self, chunk: Chunk, out: &mut [f32]) {
        let vocab = self.dims()[1];
        let tile = TileMut::dense(out, [chunk.rows, vocab]);
        let hidden = View::of(&self.hidden).rows(chunk.start, chunk.rows);
        multiply(tile, [hidden, View::of(&self.weight)], Output::Overwrite);
        let Some(softcap) = self.softcap else { return };
        out.par_chunks_mut(vocab).for_each(|row| {
            vectorized(
                #[inline(always)]
                || softcap.apply(row),
            );
        });
    }

    /// Goes through the rows in chunks; `backward` turns a chunk's logits into the gradient by what they
    /// were before the softcap, times each row's share in the mean, and gives the rows' losses times their weights.
    fn chunked(
        &self,
        (weights, chunk_rows): (RowWeights<'_>, usize),
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
            loss: loss / weights.sum,
            grad_hidden: matrix(grad_hidden, [rows, d_model]),
            grad_head: matrix(grad_head.unwrap_or_default(), [vocab, d_model]).transpose(),
        }
    }
}

fn matrix(values: Vec<f32>, dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_primitive::<Flex>(flex(values, dims))
}
