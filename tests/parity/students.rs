//! Students of every family: cut, written, read back, and left where `.ci/run` loads them in stock `transformers`.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor};
use pycno_model::{
    Checkpoint, Decoder,
    hf::{self, SaveDtype},
};
use pycno_prune::{LayerPlan, PrunePlan, mask, slice};
use pycno_tests::logits;

use crate::fixture::{checkpoint, difference, logits as logits_of};

/// One model of each family.
const FAMILIES: [&str; 6] = ["biases", "mistral_window", "qwen2", "qwen3", "gemma2", "gemma3"];
/// Sums over fewer channels, in another order; logits up to 10.
const TOLERANCE: f32 = 1e-4;

type Cut = fn(&mut Vec<LayerPlan>);

/// What can be cut, and a cut that leaves layers alike, as a config wants them.
const CUTS: [(&str, Cut); 3] = [
    ("layers", |layers| _ = layers.remove(0)),
    ("ffn", |layers| layers.iter_mut().for_each(|layer| layer.ffn.retain(|i| i % 3 != 1))),
    ("kv-groups", |layers| layers.iter_mut().for_each(|layer| _ = layer.kv_groups.remove(0))),
];

fn ids() -> Tensor<2, Int> {
    Tensor::from_data([[3, 17, 99, 4, 4, 126, 0, 51, 8]], &Device::flex())
}

fn found(checkpoint: &Checkpoint) -> Vec<f32> {
    let decoder = Decoder::new(checkpoint, &Device::flex()).unwrap();
    logits_of(&decoder, decoder.hidden(ids()))
}

/// Where students wait for `transformers`.
fn left(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("students").join(name)
}

#[test]
fn a_student_of_any_family_is_its_masked_teacher_and_comes_back_from_its_folder() {
    for family in FAMILIES {
        let teacher = checkpoint(family);
        for (structure, cut) in CUTS {
            let mut plan = PrunePlan::keep_all(&teacher.spec, String::new());
            cut(&mut plan.layers);
            let student = slice(&teacher, &plan).unwrap();
            let (sliced, masked) = (found(&student), found(&mask(&teacher, &plan).unwrap()));
            let worst = difference(&sliced, &masked);
            assert!(worst <= TOLERANCE, "{family}, {structure}: {worst}");
            assert!(difference(&sliced, &found(&teacher)) > 1e-2, "{family}, {structure}");

            let folder = left(&format!("{family}-{structure}"));
            let _ = std::fs::remove_dir_all(&folder);
            hf::write(&student, &folder.join("model"), SaveDtype::F32).unwrap();
            let again = hf::read(&folder.join("model")).unwrap();
            assert!(again.spec == student.spec && again.tensors == student.tensors, "{family}");
            logits::export(&folder.join("model"), &folder.join("logits.safetensors"));
        }
    }
}
