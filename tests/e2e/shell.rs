//! The binary, as a user starts it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use pycno_tests::world::World;

/// The binary with the world's data folder and cache.
pub(crate) fn pycno(world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pycno"));
    command
        .env("PYCNO_DATA", world.data())
        .env("XDG_CACHE_HOME", world.path().join("cache"))
        .current_dir(world.path())
        .stdin(Stdio::null());
    command
}

pub(crate) fn run_study(world: &World, study: &Path, run: &Path) -> Output {
    pycno(world).arg("run").arg(study).arg("--run").arg(run).output().unwrap()
}

pub(crate) fn start_study(world: &World, study: &Path, run: &Path) -> Child {
    let mut command = pycno(world);
    command.arg("run").arg(study).arg("--run").arg(run);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The record's bytes.
pub(crate) fn record(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("record.json")).unwrap()
}

/// A stage's folder, where the run's link leads.
pub(crate) fn stage(run: &Path, label: &str) -> PathBuf {
    run.join("stages").join(label).canonicalize().unwrap()
}

/// Puts a student and our logits where `.ci/run` loads them in stock transformers.
pub(crate) fn leave_for_transformers(name: &str, model: &Path) {
    let student = pycno_model::hf::read(model).unwrap();
    assert!(student.files.contains_key("tokenizer.json"));
    let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join("students").join(name);
    let _ = std::fs::remove_dir_all(&left);
    std::fs::create_dir_all(&left).unwrap();
    pycno_model::hf::write(&student, &left.join("model"), pycno_model::hf::SaveDtype::F32).unwrap();
    pycno_tests::logits::export(&left.join("model"), &left.join("logits.safetensors"));
}
