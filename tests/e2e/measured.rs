//! Statistics that one pruning measured serve the next, of the same model alone; and what a failed pruning leaves.

use std::{fs, path::Path, process::Output};

use pycno_model::{Part, TensorId, hf};
use pycno_tests::world::World;

use crate::shell::{pycno, succeeded};

/// Prunes to so many FFN channels, with these flags more.
fn prune(world: &World, keep: &str, more: &[&Path], out: &Path) -> Output {
    let mut prune = pycno(world);
    prune.args(["prune", "--set", "criterion=minitron", "--set", "structure=ffn", "--set", keep]);
    prune.args(["--sequences", "4", "--length", "32", "--teacher"]).arg(world.teacher());
    prune.args(more).arg("--out").arg(out).output().unwrap()
}

#[test]
fn a_second_ratio_measures_nothing_and_gives_the_same_student() {
    let world = World::new();
    let [first, again, measured] =
        ["first", "again", "measured"].map(|name| world.path().join(name));
    let text = world.data().join("corpora/calibration.txt");
    succeeded(&prune(&world, "keep=24", &[Path::new("--calibration"), &text], &first));
    let statistics = first.join("statistics.json");
    let stored = [Path::new("--statistics"), &statistics];
    succeeded(&prune(&world, "keep=16", &stored, &again));
    succeeded(&prune(&world, "keep=16", &[Path::new("--calibration"), &text], &measured));
    for name in ["model.safetensors", "plan.json"] {
        let bytes = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert_eq!(bytes(&again), bytes(&measured), "{name}");
    }
    assert!(!again.join("statistics.json").exists(), "nothing was measured");

    // Of another model, of the same shape.
    let mut checkpoint = hf::read(&world.teacher()).unwrap();
    let id = TensorId::weight(0, Part::Q);
    let matrix = &checkpoint.tensors[&id];
    let turned = matrix.with_rows((0..matrix.shape()[0]).rev().collect());
    checkpoint.tensors.insert(id, turned);
    fs::rename(world.teacher(), world.path().join("before")).unwrap();
    hf::write(&checkpoint, &world.teacher(), hf::SaveDtype::F32).unwrap();
    let output = prune(&world, "keep=16", &stored, &world.path().join("other"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("statistics.json") && error.contains("checkpoint"), "{error}");
    assert!(!world.path().join("other").exists());
}

#[cfg(unix)]
#[test]
fn a_pruning_that_cannot_be_saved_leaves_nothing_beside_its_place() {
    let world = World::new();
    let out = world.path().join("student");
    std::os::unix::fs::symlink("nowhere", &out).unwrap();
    let output = prune(&world, "keep=24", &[], &out);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("is there already"), "{error}");
    fs::remove_file(&out).unwrap();
    // A plan's layers differ, which no config can say.
    let plan = world.path().join("plan.json");
    let layers = r#"[{"layer_idx":0,"ffn":[1]},{"layer_idx":1}]"#;
    fs::write(&plan, format!(r#"{{"format":3,"source":"x","steps":[],"layers":{layers}}}"#))
        .unwrap();
    let before = fs::read_dir(world.path()).unwrap().count();
    let mut prune = pycno(&world);
    prune.arg("prune").arg("--set").arg(format!("plan={}", plan.display()));
    prune.arg("--teacher").arg(world.teacher()).arg("--out").arg(&out);
    assert!(!prune.output().unwrap().status.success());
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), before);
}
