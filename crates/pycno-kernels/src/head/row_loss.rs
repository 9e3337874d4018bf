//! What a loss on next-token distributions is: a function of one row of the student's logits and of what the
//! teacher says about that row.

use burn::tensor::{Int, Tensor, TensorData};

use crate::host::narrow;

/// A form in which the teacher's view of a row arrives.
pub trait TeacherRow {
    /// One row, on the host.
    type Row<'a>: Copy + Send;
    /// A chunk of rows, as a tensor.
    type Chunk: Clone;
}

/// All logits of the teacher: `[vocab]` for a row, `[rows, vocab]` for a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Logits {}

impl TeacherRow for Logits {
    type Row<'a> = &'a [f32];
    type Chunk = Tensor<2>;
}

/// The id of the token that comes next in the text: one for a row, `[rows, 1]` for a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Target {}

impl TeacherRow for Target {
    type Row<'a> = usize;
    type Chunk = Tensor<2, Int>;
}

/// A loss of one position, with its gradient by the student's logits.
///
/// Written twice: [`Self::row`] for the host, whose callers compile it for the vector unit at hand and run rows
/// in parallel, and [`Self::chunk`] in Burn's operations for other devices, which is its oracle in the tests.
/// Both give the gradient of the loss they return. What `row` calls must be `#[inline(always)]`, and so must
/// `row` itself.
///
/// The type parameter is the form of the teacher's rows. A divergence has an implementation for each form it is
/// defined on, so that a loss and a teacher that do not fit do not compile.
pub trait RowLoss<T: TeacherRow>: Sync {
    /// Computes the loss in nats, and turns the logits `student` (`[vocab]`) into `scale` times its gradient.
    ///
    /// In place, since a chunk of logits is the largest buffer of a training step. A sum of losses gives each
    /// but the last a copy of the row, and adds: [`super::Mixture`].
    fn row(&self, student: &mut [f32], teacher: T::Row<'_>, scale: f64) -> f64;

    /// Computes the losses of some rows, and by the logits `student` (`[rows, vocab]`) the gradients of each times its
    /// own scale.
    fn chunk(&self, student: Tensor<2>, teacher: T::Chunk, scales: &[f64]) -> ChunkLoss;
}

/// Losses of some rows in Burn's operations.
#[derive(Clone, Debug)]
pub struct ChunkLoss {
    /// Nats, `[rows, 1]`.
    pub losses: Tensor<2>,
    /// By the student's logits, `[rows, vocab]`, each row times its scale.
    pub gradient: Tensor<2>,
}

/// `factor` times the scales of some rows, a column that the rows of `like` are multiplied by.
pub(super) fn column(scales: &[f64], factor: f64, like: &Tensor<2>) -> Tensor<2> {
    let values: Vec<f32> = scales.iter().map(|scale| narrow(factor * scale)).collect();
    Tensor::from_data(TensorData::new(values, [scales.len(), 1]), &like.device())
}
