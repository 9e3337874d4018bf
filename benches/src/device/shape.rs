//! A model and how much it is given to do.

use pycno_model::{Checkpoint, LayerSpec, ModelSpec};
use pycno_units::Flops;

use super::Work;
use crate::peer::{
    flops::{self, Span},
    prepare::{STUDENT_DRAW, random, small_spec},
    work::{Product, STUDENT},
};

/// A model and how much it is given to do.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name in the table.
    pub name: &'static str,
    /// The model.
    pub model: ModelSpec,
    /// Sequences a forward pass and a training step.
    pub batch: usize,
    /// Tokens predicted a sequence.
    pub seq: usize,
    /// Tokens of the prompt; as many again are decoded.
    pub prompt: usize,
    /// Side of the square matrices whose product is the ceiling.
    pub square: usize,
}

impl Shape {
    /// The small model of `benches/peers/`, for GPUs and processors.
    pub fn llama_7m() -> Self {
        Self { name: STUDENT, model: small_spec(), batch: 8, seq: 256, prompt: 64, square: 1024 }
    }

    /// For software GPUs, which take minutes to tune their kernels to large shapes.
    pub fn tiny() -> Self {
        let layer = LayerSpec { n_heads: 4, n_kv_heads: 2, d_hidden: 48 };
        let model =
            ModelSpec { vocab: 64, d_model: 32, d_head: 8, layers: vec![layer; 2], ..small_spec() };
        Self { name: "llama-tiny", model, batch: 2, seq: 16, prompt: 4, square: 32 }
    }

    /// Random weights, the same for every device.
    pub(super) fn checkpoint(&self) -> Checkpoint {
        random(&self.model, STUDENT_DRAW)
    }

    /// Sequences of `seq + 1` tokens: what a model reads, and the last target.
    pub(super) fn sequences(&self) -> Vec<Vec<u32>> {
        let vocab = self.model.vocab;
        let id = |i: usize, j: usize| u32::try_from((i * 31 + j * j + 7 * j) % vocab).unwrap_or(0);
        (0..self.batch).map(|i| (0..=self.seq).map(|j| id(i, j)).collect()).collect()
    }

    /// Tokens of a run: read by a forward pass or a step, made by decoding, none of a product.
    pub(super) const fn tokens(&self, work: Work) -> usize {
        match work {
            Work::Product => 0,
            Work::Forward | Work::TrainStep => self.batch * self.seq,
            Work::Decode => self.prompt,
        }
    }

    /// Floating-point operations of a run.
    pub(super) fn flops(&self, work: Work) -> Flops {
        let (n, whole) = (self.square, Span::whole(self.batch, self.seq));
        match work {
            Work::Product => flops::products(Product { m: n, k: n, n, count: 1 }),
            Work::Forward => flops::forward(&self.model, whole),
            Work::TrainStep => flops::train(&self.model, whole),
            Work::Decode => flops::decode(&self.model, self.prompt, self.prompt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_counts_what_its_works_do() {
        let shape = Shape::tiny();
        let near = |work, expect: f64| (shape.flops(work).0 / expect - 1.0).abs() < 1e-12;
        assert!(near(Work::Product, 2.0 * 32f64.powi(3)));
        assert!(near(Work::TrainStep, 3.0 * shape.flops(Work::Forward).0));
        assert_eq!(shape.tokens(Work::Forward), 32);
        assert_eq!(shape.tokens(Work::Decode), 4);
        shape.checkpoint().check().unwrap();
    }

    #[test]
    fn every_sequence_has_a_target_for_every_token_and_known_ids() {
        let shape = Shape::tiny();
        let sequences = shape.sequences();
        assert_eq!(sequences.len(), shape.batch);
        for sequence in sequences {
            assert_eq!(sequence.len(), shape.seq + 1);
            assert!(sequence.iter().all(|id| (*id as usize) < shape.model.vocab));
        }
    }
}
