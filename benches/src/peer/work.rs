//! What every side does, as data: `works.json` in the folder of inputs, which all workers read.

use std::{fs, path::Path};

use anyhow::Context;
use pycno_model::ModelSpec;
use pycno_units::{Bytes, Flops, Seed, TokenCount};
use serde::{Deserialize, Serialize};

use crate::peer::flops::{self, Span};

/// The file that lists the works.
pub const WORKS: &str = "works.json";
/// Folder of the small student.
pub const STUDENT: &str = "llama-7m";
/// Folder of its teacher: the same shape from another seed.
pub const TEACHER: &str = "llama-7m-teacher";
/// Folder of the real model.
pub const SMOLLM2: &str = "smollm2-135m";
/// Repetitions before the first one timed: caches fill, allocators settle.
const WARM_UP: u32 = 2;

/// One row of the table: a work and what it costs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Name, as the command line of every worker spells it.
    pub name: String,
    /// What is done.
    pub what: What,
    /// Untimed repetitions before a worker is ready.
    pub warm_up: u32,
    /// Tokens predicted a repetition; 0 for a bare product.
    pub tokens: TokenCount,
    /// Floating-point operations per repetition, by [`flops`].
    pub flops: Flops,
    /// Weights in `f32`, all models together.
    pub weights: Bytes,
    /// Of these, the weights that are trained.
    pub trained: Bytes,
}

/// The kinds of work. Ids lie in `<name>.ids.json`, one row per sequence; each row has one token more than
/// `seq`, since every position predicts the next.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// Bare products of matrices.
    Matmul(Product),
    /// Forward, backward, clip, AdamW on cross-entropy.
    TrainStep {
        /// Folder of the model.
        model: String,
        /// Sequences a step.
        batch: usize,
        /// Tokens predicted a sequence.
        seq: usize,
    },
    /// The same on forward KL from a teacher, temperature 1.
    KdStep {
        /// Folder of the student.
        model: String,
        /// Folder of the teacher.
        teacher: String,
        /// Sequences a step.
        batch: usize,
        /// Tokens predicted a sequence.
        seq: usize,
    },
    /// Log-likelihood of every next token, and whether it was the likeliest.
    Loglik {
        /// Folder of the model.
        model: String,
        /// Sequences.
        batch: usize,
        /// Tokens predicted a sequence.
        seq: usize,
    },
    /// Greedy decoding with a cache, one sequence; the ids are the prompt alone.
    Decode {
        /// Folder of the model.
        model: String,
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens made.
        new: usize,
    },
}

/// `count` products of `[m, k]` and `[k, n]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Rows.
    pub m: usize,
    /// Inner extent.
    pub k: usize,
    /// Columns.
    pub n: usize,
    /// Products a repetition.
    pub count: usize,
}

/// The shapes of both models.
#[derive(Clone, Copy, Debug)]
pub struct Specs<'a> {
    /// Of [`STUDENT`] and [`TEACHER`].
    pub small: &'a ModelSpec,
    /// Of [`SMOLLM2`].
    pub smollm2: &'a ModelSpec,
}

impl Work {
    /// Finds a work in a prepared folder.
    ///
    /// # Errors
    ///
    /// If the folder has no list of works, or the list not this one.
    pub fn read(name: &str, folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(WORKS);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let works: Vec<Self> = serde_json::from_slice(&text).context(WORKS)?;
        let known = works.iter().map(|work| work.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = works.into_iter().find(|work| work.name == name);
        found.with_context(|| format!("the work must be one of {known}, got {name}"))
    }

    /// Reads the token ids of the work, a row per sequence.
    ///
    /// # Errors
    ///
    /// If the file is missing or holds something else.
    pub fn ids(&self, folder: &Path) -> anyhow::Result<Vec<Vec<u32>>> {
        let name = format!("{}.ids.json", self.name);
        let text = fs::read(folder.join(&name)).with_context(|| format!("cannot read {name}"))?;
        serde_json::from_slice(&text).context(name)
    }

    /// Makes the token ids of the work: uniform below `vocab`, seeded by the work's name.
    pub fn random_ids(&self, vocab: usize) -> Vec<Vec<u32>> {
        let (rows, len) = match self.what {
            What::Matmul(_) => (0, 0),
            What::TrainStep { batch, seq, .. }
            | What::KdStep { batch, seq, .. }
            | What::Loglik { batch, seq, .. } => (batch, seq + 1),
            What::Decode { prompt, .. } => (1, prompt),
        };
        let seed = Seed(4).split(&self.name);
        #[expect(clippy::cast_possible_truncation, reason = "below a vocabulary")]
        let id =
            |i: usize| (Seed(seed.0.wrapping_add(i as u64)).split("id").0 % vocab as u64) as u32;
        (0..rows).map(|row| (0..len).map(|i| id(row * len + i)).collect()).collect()
    }

    /// The folder of the (student) model; none for bare products.
    pub fn model(&self) -> Option<&str> {
        match &self.what {
            What::Matmul(_) => None,
            What::TrainStep { model, .. }
            | What::KdStep { model, .. }
            | What::Loglik { model, .. }
            | What::Decode { model, .. } => Some(model),
        }
    }
}

/// All works: two bare products, two training steps, two evaluations, one decoding.
pub fn works(specs: Specs<'_>) -> Vec<Work> {
    vec![
        products("matmul-square", Product { m: 1024, k: 1024, n: 1024, count: 8 }),
        products("matmul-ffn", Product { m: 2048, k: 256, n: 688, count: 24 }),
        steps("train-step", specs.small, [8, 256], false),
        steps("kd-step", specs.small, [8, 256], true),
        loglik("loglik", specs.smollm2, [4, 256], WARM_UP),
        decode("decode", specs.smollm2, [32, 64]),
        // Its first repetition is what an evaluation's peak is made of.
        loglik("eval-memory", specs.smollm2, [8, 512], 0),
    ]
}

fn products(name: &str, shape: Product) -> Work {
    Work {
        name: name.to_owned(),
        what: What::Matmul(shape),
        warm_up: WARM_UP,
        tokens: TokenCount(0),
        flops: flops::products(shape),
        weights: Bytes(0),
        trained: Bytes(0),
    }
}

fn steps(name: &str, spec: &ModelSpec, [batch, seq]: [usize; 2], guided: bool) -> Work {
    let span = Span::whole(batch, seq);
    let (weights, model) = (bytes(spec), STUDENT.to_owned());
    let (what, teacher, flops) = if guided {
        let teacher = TEACHER.to_owned();
        let flops = flops::train(spec, span).0 + flops::forward(spec, span).0;
        (What::KdStep { model, teacher, batch, seq }, weights.0, Flops(flops))
    } else {
        (What::TrainStep { model, batch, seq }, 0, flops::train(spec, span))
    };
    Work {
        name: name.to_owned(),
        what,
        warm_up: WARM_UP,
        tokens: tokens(batch * seq),
        flops,
        weights: Bytes(weights.0 + teacher),
        trained: weights,
    }
}

fn loglik(name: &str, spec: &ModelSpec, [batch, seq]: [usize; 2], warm_up: u32) -> Work {
    Work {
        name: name.to_owned(),
        what: What::Loglik { model: SMOLLM2.to_owned(), batch, seq },
        warm_up,
        tokens: tokens(batch * seq),
        flops: flops::forward(spec, Span::whole(batch, seq)),
        weights: bytes(spec),
        trained: Bytes(0),
    }
}

fn decode(name: &str, spec: &ModelSpec, [prompt, new]: [usize; 2]) -> Work {
    Work {
        name: name.to_owned(),
        what: What::Decode { model: SMOLLM2.to_owned(), prompt, new },
        warm_up: WARM_UP,
        tokens: tokens(new),
        flops: flops::decode(spec, prompt, new),
        weights: bytes(spec),
        trained: Bytes(0),
    }
}

fn tokens(n: usize) -> TokenCount {
    TokenCount(n as u64)
}

/// `f32` has 4 bytes.
fn bytes(spec: &ModelSpec) -> Bytes {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let params = spec.param_counts().total.0 as u64;
    Bytes(4 * params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::prepare;

    fn listed() -> Vec<Work> {
        let small = prepare::small_spec();
        works(Specs { small: &small, smollm2: &small })
    }

    #[test]
    fn works_are_written_and_read_back() {
        let text = serde_json::to_string(&listed()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Work>>(&text).unwrap(), listed());
        assert!(text.contains(r#""what":{"kind":"matmul","m":1024,"k":1024,"n":1024,"count":8}"#));
    }

    #[test]
    fn ids_are_one_longer_than_what_is_predicted_and_repeat_themselves() {
        for work in listed() {
            let ids = work.random_ids(4096);
            let predicted = ids.iter().map(|row| row.len() - 1).sum::<usize>() as u64;
            match work.what {
                What::Matmul(_) => assert!(ids.is_empty()),
                What::Decode { prompt, .. } => assert_eq!(ids[0].len(), prompt),
                _ => assert_eq!(predicted, work.tokens.0),
            }
            assert!(ids.iter().flatten().all(|id| *id < 4096));
            assert_eq!(ids, work.random_ids(4096));
        }
    }

    #[test]
    fn works_have_ids_of_their_own() {
        let ids: Vec<_> = listed().iter().map(|work| work.random_ids(4096)).collect();
        assert_ne!(ids[2], ids[3]);
    }

    #[test]
    fn a_guided_step_holds_two_models_and_trains_one() {
        let listed = listed();
        assert_eq!(listed[2].weights, listed[2].trained);
        assert_eq!(listed[3].weights.0, 2 * listed[3].trained.0);
        assert!((listed[3].flops.0 / listed[2].flops.0 - 4.0 / 3.0).abs() < 1e-12);
    }
}
