//! Students of every family: cut, written, read back, and left where `.ci/run` loads them in stock `transformers`.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor};
use pycno_model::{
    Checkpoint, Decoder,
    hf::{self, SaveDtype},
};
use pycno_prune::{PruneConfig, Pruned, Uncalibrated, mask, prune};
use pycno_tests::logits;

use crate::fixture::{checkpoint, difference, logits as logits_of};

/// One model of each family.
const FAMILIES: [&str; 6] = ["biases", "mistral_window", "qwen2", "qwen3", "gemma2", "gemma3"];
/// Sums over fewer channels, in another order; logits up to 10.
const TOLERANCE: f32 = 1e-4;

/// Prunings that leave layers alike, as a config wants them.
const PRUNINGS: [(&str, &str); 5] = [
    ("layers", r#""structure": "layers", "sparsity": 0.5"#),
    ("ffn", r#""structure": "ffn", "sparsity": 0.34"#),
    ("kv-groups", r#""structure": "kv-groups", "sparsity": 0.5"#),
    ("weights", r#""structure": "weights", "sparsity": 0.5, "allocation": "global""#),
    ("2-of-4", r#""structure": "2:4""#),
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
        for (structure, words) in PRUNINGS {
            let config = format!("{{ \"criterion\": \"random\", {words} }}");
            let config: PruneConfig = serde_json::from_str(&config).unwrap();
            let Pruned { student, plan } = prune(&teacher, &config, &mut Uncalibrated).unwrap();
            let sliced = found(&student);
            if student.masks.is_empty() {
                let worst = difference(&sliced, &found(&mask(&teacher, &plan).unwrap()));
                assert!(worst <= TOLERANCE, "{family}, {structure}: {worst}");
            }
            assert!(difference(&sliced, &found(&teacher)) > 1e-2, "{family}, {structure}");

            let again = saved(&student, SaveDtype::F32, &format!("{family}-{structure}"));
            assert!(again.spec == student.spec && again.tensors == student.tensors, "{family}");
            assert!(again.masks == student.masks, "{family}, {structure}");
        }
    }
}

/// Leaves a student for `transformers` with our logits of it as it was written; gives it as read back.
fn saved(student: &Checkpoint, dtype: SaveDtype, name: &str) -> Checkpoint {
    let folder = left(name);
    let _ = std::fs::remove_dir_all(&folder);
    hf::write(student, &folder.join("model"), dtype).unwrap();
    logits::export(&folder.join("model"), &folder.join("logits.safetensors"));
    hf::read(&folder.join("model")).unwrap()
}

#[test]
fn a_teacher_in_bf16_has_students_in_bf16_whose_scores_are_those_of_the_rounded_weights() {
    for family in FAMILIES {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("teacher");
        hf::write(&checkpoint(family), &folder, SaveDtype::Bf16).unwrap();
        let teacher = hf::read(&folder).unwrap();
        let config = r#"{ "criterion": "random", "structure": { "ffn": 20, "kv_groups": 1 } }"#;
        let config: PruneConfig = serde_json::from_str(config).unwrap();
        let student = prune(&teacher, &config, &mut Uncalibrated).unwrap().student;
        let dtype = SaveDtype::of(&student);
        assert_eq!(dtype, SaveDtype::Bf16);
        let again = saved(&student, dtype, &format!("{family}-bf16"));
        assert_eq!(SaveDtype::of(&again), dtype);
        assert!(again.tensors == student.tensors, "{family}: what left bf16 comes back as it was");
    }
}
