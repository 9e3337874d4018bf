//! One store for several studies: what one has computed, another finds.

use std::{collections::BTreeMap, path::Path, process::Output};

use pycno_tests::world::{STUDY, World};

use crate::shell::{pycno, record, start_study, succeeded};

fn run_in(world: &World, study: &Path, run: &Path, store: &Path) -> Output {
    let mut command = pycno(world);
    command.arg("run").arg(study).arg("--run").arg(run).arg("--store").arg(store);
    command.output().unwrap()
}

/// What happened to each stage, by label: `reused`, or `end` where it was computed.
fn fates(run: &Path) -> BTreeMap<String, String> {
    let events = pycno_record::read_events(&run.join("events.jsonl")).unwrap();
    let stages = events.into_iter().filter(|event| event.step == 0);
    stages.map(|event| (event.stage, event.name)).collect()
}

/// Another study on the same teacher: other names, other ratios, one student as before.
fn second_study() -> String {
    STUDY
        .replace("name = \"tiny\"", "name = \"second\"")
        .replace("name = \"depth-2\"", "name = \"shallow\"")
        .replace("from = \"depth-2\"", "from = \"shallow\"")
        .replace("name = \"width-24\"", "name = \"width-20\"")
        .replace("from = \"width-24\"", "from = \"width-20\"")
        .replace("keep = 24", "keep = 20")
        .replace(
            "tasks = [\"lambada_openai\", \"arc_easy\", \"piqa\"]",
            "tasks = [\"piqa\", \"arc_easy\"]",
        )
}

#[test]
fn a_second_study_on_a_teacher_measures_and_scores_it_never_again() {
    let world = World::new();
    let store = world.path().join("store");
    let (first, second) = (world.path().join("first"), world.path().join("second"));
    succeeded(&run_in(&world, &world.study(STUDY), &first, &store));
    let made = fates(&first);
    assert_eq!(made["depth-2-statistics"], "end");
    assert_eq!(made["width-24-statistics"], "reused", "one measurement serves every student");

    succeeded(&run_in(&world, &world.study(&second_study()), &second, &store));
    let fates = fates(&second);
    let of = |label: &str| fates[label].as_str();
    for label in [
        "teacher-eval-piqa",
        "teacher-eval-arc_easy",
        "width-20-statistics",
        "shallow-prune",
        "shallow-eval-piqa",
        "shallow-eval-arc_easy",
    ] {
        assert_eq!(of(label), "reused", "{label}");
    }
    for label in ["width-20-prune", "width-20-eval-piqa"] {
        assert_eq!(of(label), "end", "{label}");
    }
    let model = second.join("stages/shallow-prune/model");
    assert_eq!(pycno_model::hf::read(&model).unwrap().spec.layers.len(), 2);
}

#[test]
fn a_record_says_the_same_whether_a_stage_was_found_or_made() {
    let world = World::new();
    let (study, store) = (world.study(STUDY), world.path().join("store"));
    let (first, second) = (world.path().join("first"), world.path().join("second"));
    succeeded(&run_in(&world, &study, &first, &store));
    succeeded(&run_in(&world, &study, &second, &store));
    assert!(fates(&second).values().all(|fate| fate == "reused"));
    assert_eq!(record(&first), record(&second));
}

#[test]
fn two_runs_at_once_share_their_work_and_agree() {
    let world = World::new();
    let (study, store) = (world.study(STUDY), world.path().join("store"));
    let runs = ["a", "b"].map(|name| world.path().join(name));
    let mut children = Vec::new();
    for run in &runs {
        let mut command = pycno(&world);
        command.arg("run").arg(&study).arg("--run").arg(run).arg("--store").arg(&store);
        children.push(command.spawn().unwrap());
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(record(&runs[0]), record(&runs[1]));
    let computed = |run: &Path| fates(run).values().filter(|fate| *fate == "end").count();
    let stages = std::fs::read_dir(store.join("stages")).unwrap().count();
    assert_eq!(computed(&runs[0]) + computed(&runs[1]), stages, "each was computed once");
}

#[test]
fn a_run_that_waits_for_a_killed_one_does_its_work() {
    let world = World::new();
    let (study, run) = (world.study(STUDY), world.path().join("killed"));
    let mut child = start_study(&world, &study, &run);
    std::thread::sleep(std::time::Duration::from_millis(150));
    let other = world.path().join("other");
    let mut command = pycno(&world);
    command.arg("run").arg(&study).arg("--run").arg(&other).arg("--store").arg(run.join("store"));
    let waiting = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    succeeded(&waiting.wait_with_output().unwrap());
    assert!(other.join("record.json").exists());
}

#[test]
fn a_run_cannot_be_its_own_store() {
    let world = World::new();
    let folder = world.path().join("both");
    let output = run_in(&world, &world.study(STUDY), &folder, &folder);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("is the store"), "{message}");
    assert!(!folder.exists());
}

#[test]
fn a_finished_stage_that_was_altered_is_not_taken_for_a_result() {
    let world = World::new();
    let (study, store) = (world.study(STUDY), world.path().join("store"));
    let run = world.path().join("run");
    succeeded(&run_in(&world, &study, &run, &store));
    let (before, stage) = (record(&run), crate::shell::stage(&run, "depth-2-prune"));
    let weights = stage.join("model/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();

    let output = run_in(&world, &study, &run, &store);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("model.safetensors") && said.contains("delete"), "{said}");
    std::fs::remove_dir_all(&stage).unwrap();
    succeeded(&run_in(&world, &study, &run, &store));
    assert_eq!(record(&run), before);
}
