//! The quickstart through the binary, shortened: it needs nothing from outside, and ten kills change no
//! byte.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::shell::{record, succeeded};

/// The shipped study, written out by the binary itself.
fn written_out(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("study.toml");
    succeeded(&pycno(folder).args(["cp", "quickstart"]).arg(&path).output().unwrap());
    path
}

/// No variable is set but the user's folder.
fn pycno(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pycno"));
    command.env_clear().env("HOME", folder.path()).stdin(Stdio::null());
    command
}

/// A few steps of training, a few items per task.
fn short(folder: &TempDir, study: &Path, run: &Path) -> Command {
    let mut command = pycno(folder);
    command.arg("run").arg(study).arg("--run").arg(run);
    for set in ["data.calibration.source=lab:train/40K", "data.train.source=lab:train/40K"] {
        command.args(["--set", set]);
    }
    command.args(["--set", "eval.limit=24", "--set", "ruler.draws=100"]);
    for student in [1, 2, 4, 5, 6] {
        command.args(["--set", &format!("student.{student}.recover.tokens=10K")]);
    }
    command
}

#[test]
fn the_binary_alone_runs_it_and_ten_kills_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let study = written_out(&folder);
    let (killed, whole) = (folder.path().join("killed"), folder.path().join("whole"));
    for wait in [60, 200, 300, 400, 500, 600, 700, 800, 900, 1000] {
        let mut child = short(&folder, &study, &killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
    }
    succeeded(&short(&folder, &study, &killed).output().unwrap());
    let summary = succeeded(&short(&folder, &study, &whole).output().unwrap());
    for model in ["teacher", "depth-distilled", "width-text", "native"] {
        assert!(summary.contains(model), "{summary}");
    }
    assert!(whole.join("report.html").exists());
    assert_eq!(record(&killed), record(&whole));
}

#[test]
fn a_native_model_has_the_shape_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let study = written_out(&folder);
    let plan = pycno(&folder).arg("plan").arg(&study).output().unwrap();
    let plan = succeeded(&plan);
    let row = |name: &str| plan.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("native").contains("from scratch, in the shape of depth"), "{plan}");
    let sizes = |name: &str| {
        row(name).split_whitespace().rev().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(sizes("native"), sizes("depth-text"), "{plan}");
}

#[test]
fn what_travels_in_the_binary_is_listed_and_written_out() {
    let folder = tempfile::tempdir().unwrap();
    let list = succeeded(&pycno(&folder).arg("ls").output().unwrap());
    for name in ["quickstart", "lab-ladder", "lab:teacher", "pythia", "lab_facts", "lab:facts"] {
        assert!(list.contains(name), "{list}");
    }
    let teacher = folder.path().join("teacher");
    let copy = || pycno(&folder).args(["cp", "lab:teacher"]).arg(&teacher).output().unwrap();
    succeeded(&copy());
    assert!(teacher.join("model.safetensors").exists() && teacher.join("tokenizer.json").exists());
    let again = copy();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    let unknown = pycno(&folder).args(["cp", "lab:student", "x"]).output().unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("pycno ls"));
}
