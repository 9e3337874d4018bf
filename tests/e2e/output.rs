//! What the outside world does to output: closed pipes, a full disk, names that are no text; and types of weights.

use std::{
    fs::{self, File},
    path::Path,
    process::{Output, Stdio},
};

use pycno_model::hf::{self, SaveDtype};
use pycno_tests::world::World;

use crate::shell::{pycno, succeeded};

const SHOWN: [&[&str]; 5] = [
    &["ls"],
    &["methods"],
    &["ruler", "show", "densing-2025"],
    &["density", "--ruler", "densing-2025", "--params", "1B", "--scores", "mmlu=60", "--json"],
    &["--help"],
];

/// Prunes the teacher to two layers, by a text in the data folder.
fn prune_layers(world: &World, [teacher, data, out]: [&Path; 3]) -> Output {
    let mut prune = pycno(world);
    prune.args(["prune", "--set", "criterion=block-influence", "--set", "structure=layers"]);
    prune.args(["--set", "keep=2", "--sequences", "2", "--length", "16", "--calibration"]);
    prune.arg(data.join("corpora/calibration.txt")).arg("--teacher").arg(teacher);
    prune.arg("--out").arg(out).output().unwrap()
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    for arguments in SHOWN {
        let mut command = pycno(&world);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_output_is_an_error() {
    let world = World::new();
    for arguments in SHOWN {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = pycno(&world).args(arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn names_of_folders_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;

    let world = World::new();
    let folder = world.path().join(std::ffi::OsStr::from_bytes(b"na\xefve"));
    fs::create_dir(&folder).unwrap();
    fs::rename(world.teacher(), folder.join("teacher")).unwrap();
    fs::rename(world.data(), folder.join("data")).unwrap();
    let [teacher, data, student] = ["teacher", "data", "student"].map(|name| folder.join(name));
    succeeded(&prune_layers(&world, [&teacher, &data, &student]));
    let mut eval = pycno(&world);
    eval.args(["eval", "--tasks", "arc_easy", "--limit", "4", "--data"]).arg(data);
    eval.arg("--model").arg(student).arg("--out").arg(folder.join("scores"));
    succeeded(&eval.output().unwrap());
    assert!(folder.join("scores/outcomes.json").exists());
}

#[test]
fn a_student_keeps_the_type_of_its_teachers_weights() {
    let world = World::new();
    let teacher = world.path().join("half");
    hf::write(&hf::read(&world.teacher()).unwrap(), &teacher, SaveDtype::Bf16).unwrap();
    let prune = |out: &str, more: &[&str]| {
        let mut prune = pycno(&world);
        prune.args(["prune", "--set", "criterion=magnitude", "--set", "structure=2:4"]);
        prune.args(more).arg("--teacher").arg(&teacher).arg("--out").arg(world.path().join(out));
        succeeded(&prune.output().unwrap());
        hf::read(&world.path().join(out)).unwrap()
    };
    let (kept, wide) = (prune("kept", &[]), prune("wide", &["--dtype", "f32"]));
    assert_eq!((SaveDtype::of(&kept), SaveDtype::of(&wide)), (SaveDtype::Bf16, SaveDtype::F32));
    assert!(kept.tensors == wide.tensors, "bit for bit what is kept");
}

#[test]
fn sequences_longer_than_the_model_reads_are_refused() {
    let world = World::new();
    let mut prune = pycno(&world);
    prune.args(["prune", "--set", "criterion=minitron", "--set", "structure=ffn"]);
    prune.args(["--set", "keep=24", "--length", "4096", "--out", "out", "--calibration"]);
    prune.arg(world.data().join("corpora/calibration.txt")).arg("--teacher").arg(world.teacher());
    let output = prune.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("--length") && said.contains("4096"), "{said}");
    for key in ["data.calibration.length=4096", "data.train.length=4096"] {
        let study = world.study(pycno_tests::world::STUDY);
        for verb in ["plan", "run"] {
            let output = pycno(&world).arg(verb).arg(&study).args(["--set", key]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("positions"), "{verb}: {said}");
        }
    }
}

#[test]
fn damaged_files_end_in_a_value_or_an_error_and_leave_nothing_half_written() {
    let world = World::new();
    let (teacher, out) = (world.teacher(), world.path().join("out"));
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
        let whole = fs::read(teacher.join(name)).unwrap();
        for input in 0..17 {
            let damaged = pycno_tests::damage::damaged(&whole, pycno_units::Seed(input));
            fs::write(teacher.join(name), damaged).unwrap();
            let output = prune_layers(&world, [&teacher, &world.data(), &out]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{name} {input}: {said}");
            assert_eq!(out.exists(), output.status.success(), "{name} {input}: {said}");
            let _ = fs::remove_dir_all(&out);
        }
        fs::write(teacher.join(name), whole).unwrap();
    }
}
