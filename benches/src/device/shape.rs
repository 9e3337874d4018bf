//! A model and how much it is given to do.

use pycno_model::{AttentionSpec, Checkpoint, FfnSpec, LayerSpec, ModelSpec, RopeSpec};
use pycno_units::Flops;

use super::Work;
use crate::peer::{
    flops::{self, Span},
    prepare::{STUDENT_DRAW, TEACHER_DRAW, random, small_spec},
    work::{Product, STUDENT},
};

/// A model and how much it is given to do.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Name in the table.
    pub name: &'static str,
    /// The student; its teacher has the same shape.
    pub model: ModelSpec,
    /// Sequences per forward pass and per training step.
    pub batch: usize,
    /// Tokens predicted per sequence.
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
        let attention = AttentionSpec::plain(4, 2, 8, RopeSpec::plain(1e4));
        let layer = LayerSpec::pre_norm(attention, FfnSpec::swiglu(48));
        let model = ModelSpec { vocab: 64, d_model: 32, layers: vec![layer; 2], ..small_spec() };
        Self { name: "llama-tiny", model, batch: 2, seq: 16, prompt: 4, square: 32 }
    }

    /// Random weights of student and teacher, the same for every device.
    pub(super) fn checkpoints(&self) -> [Checkpoint; 2] {
        [STUDENT_DRAW, TEACHER_DRAW].map(|draw| random(&self.model, draw))
    }

    /// Sequences of `seq + 1` tokens: what a model reads, and the last target.
    pub(super) fn sequences(&self) -> Vec<Vec<u32>> {
        let vocab = self.model.vocab;
        let id = |i: usize, j: usize| u32::try_from((i * 31 + j * j + 7 * j) % vocab).unwrap_or(0);
        (0..self.batch).map(|i| (0..=self.seq).map(|j| id(i, j)).collect()).collect()
    }

    /// Tokens per repetition: made by decoding, none in a product, read by all others.
    pub const fn tokens(&self, work: Work) -> usize {
        match work {
            Work::Product => 0,
            Work::Decode => self.prompt,
            Work::Forward
            | Work::LogLikelihood
            | Work::TrainStep
            | Work::DistillStep
            | Work::Statistics => self.batch * self.seq,
        }
    }

    /// Floating-point operations per repetition, of matrix products alone.
    pub fn flops(&self, work: Work) -> Flops {
        let (n, whole) = (self.square, Span::whole(self.batch, self.seq));
        let model = &self.model;
        match work {
            Work::Product => flops::products(Product { m: n, k: n, n, count: 1 }),
            Work::Forward | Work::Statistics => flops::forward(model, Span { logits: 0, ..whole }),
            Work::LogLikelihood => flops::forward(model, whole),
            Work::TrainStep => flops::train(model, whole),
            Work::DistillStep => {
                Flops(flops::train(model, whole).0 + flops::forward(model, whole).0)
            }
            Work::Decode => flops::decode(model, self.prompt, self.prompt),
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
        let whole = shape.flops(Work::LogLikelihood).0;
        assert!(near(Work::Product, 2.0 * 32f64.powi(3)));
        assert!(near(Work::TrainStep, 3.0 * whole));
        assert!(near(Work::DistillStep, 4.0 * whole));
        // Two sequences of 16 tokens, each with 64 logits from 32 features.
        assert!(near(Work::Forward, whole - 2.0 * (2.0 * 16.0 * 64.0 * 32.0)));
        assert!(near(Work::Statistics, shape.flops(Work::Forward).0));
        assert_eq!(shape.tokens(Work::Forward), 32);
        assert_eq!(shape.tokens(Work::Decode), 4);
    }

    #[test]
    fn student_and_teacher_are_models_of_one_shape() {
        let [student, teacher] = Shape::tiny().checkpoints();
        student.check().unwrap();
        teacher.check().unwrap();
        assert_eq!(student.spec, teacher.spec);
        assert_ne!(student.tensors, teacher.tensors);
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
