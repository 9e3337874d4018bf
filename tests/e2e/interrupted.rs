//! `kill -9` at any moment, then the same command: the same bytes.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use pycno_tests::world::{STUDY, World};

use crate::shell::{record, run_study, start_study, succeeded};

/// A study long enough to be killed in the middle of its stages.
fn slow_study() -> String {
    STUDY.replace("tokens = 2048", "tokens = 32768").replace("limit = 20", "limit = 24")
}

/// Whether a work folder of a stage of this kind holds what a resumed run can use.
fn under_way(run: &Path, kind: &str, file: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(run.join("store/work")) else { return false };
    entries.flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with(kind) && holds(&entry.path(), file)
    })
}

fn holds(folder: &Path, file: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        entry.file_name().to_string_lossy().contains(file) || holds(&entry.path(), file)
    })
}

/// Kills the run as soon as the stage has left `file` in its work folder.
#[track_caller]
fn killed_during(kind: &str, file: &str) {
    let world = World::new();
    let study = world.study(&slow_study());
    let (killed, whole) = (world.path().join("killed"), world.path().join("whole"));
    let mut child = start_study(&world, &study, &killed);
    let deadline = Instant::now() + Duration::from_mins(4);
    while !under_way(&killed, kind, file) {
        assert!(Instant::now() < deadline, "no stage {kind} left {file}");
        assert!(child.try_wait().unwrap().is_none(), "the run ended before {kind} was seen");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("record.json").exists());
    succeeded(&run_study(&world, &study, &killed));
    succeeded(&run_study(&world, &study, &whole));
    assert_eq!(record(&killed), record(&whole));
}

#[test]
fn a_run_killed_during_recovery_ends_the_same() {
    killed_during("recover", "state");
}

#[test]
fn a_run_killed_during_evaluation_ends_the_same() {
    killed_during("eval", "journal");
}

#[test]
fn a_run_killed_at_arbitrary_moments_ends_the_same() {
    let world = World::new();
    let study = world.study(STUDY);
    let (killed, whole) = (world.path().join("killed"), world.path().join("whole"));
    for wait in [30, 80, 160, 300, 500] {
        let mut child = start_study(&world, &study, &killed);
        sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
    }
    succeeded(&run_study(&world, &study, &killed));
    succeeded(&run_study(&world, &study, &whole));
    assert_eq!(record(&killed), record(&whole));
}

#[test]
fn a_second_process_on_one_run_is_turned_away() {
    let world = World::new();
    let study = world.study(&slow_study());
    let run = world.path().join("run");
    let mut child = start_study(&world, &study, &run);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !run.join("lock").exists() && Instant::now() < deadline {
        sleep(Duration::from_millis(2));
    }
    let second = run_study(&world, &study, &run);
    child.kill().unwrap();
    child.wait().unwrap();
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(message.contains("another process is writing"), "{message}");
}
