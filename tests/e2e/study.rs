//! The main job, once through.

use std::path::Path;

use pycno_record::{ModelRecord, ModelRole};
use pycno_tests::world::{STUDY, World};

use crate::shell::{leave_for_transformers, pycno, record, run_study, stage, succeeded};

#[test]
fn a_study_leaves_a_record_a_report_and_students_that_load() {
    let world = World::new();
    let (study, run) = (world.study(STUDY), world.path().join("run"));
    let shown = succeeded(&run_study(&world, &study, &run));
    assert!(shown.contains("depth-2-distilled"), "{shown}");

    let found = pycno_record::read(&run.join("record.json")).unwrap();
    let names: Vec<&str> = found.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(
        names,
        ["teacher", "depth-2", "depth-2-distilled", "width-24", "width-24-distilled"]
    );
    assert_eq!(found.models[0].role, ModelRole::Teacher);
    assert!(found.models[0].weighing.against_teacher.is_none());
    for student in &found.models[1..] {
        assert!(student.sizes.non_embedding < found.models[0].sizes.non_embedding);
        assert!(student.weighing.against_teacher.is_some());
        assert_eq!(student.tasks[0].prompts_hash, found.models[0].tasks[0].prompts_hash);
    }
    check_trained(&found.models[2], "forward-kl (temperature 1)");
    check_trained(&found.models[4], "reverse-kl (temperature 2)");
    let report = std::fs::read_to_string(run.join("report.md")).unwrap();
    assert!(report.contains("reverse-kl (temperature 2)"), "{report}");

    for file in ["report.html", "report.md", "report.csv", "events.jsonl"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    for student in ["depth-2-distilled-recover", "width-24-distilled-recover"] {
        leave_for_transformers(student, &stage(&run, student).join("model"));
    }
}

/// Checks that a student was trained by an objective and got better at it.
#[track_caller]
fn check_trained(student: &ModelRecord, objective: &str) {
    let training = student.training.as_ref().unwrap();
    assert_eq!((training.tokens.0, training.objective.as_str()), (2048, objective));
    let losses: Vec<f64> = training.steps.iter().map(|step| step.loss).collect();
    assert!(losses.last() < losses.first(), "{losses:?}");
}

/// What happened to stages, in order: `begin`, `end`, `reused`.
fn stage_events(run: &Path) -> Vec<String> {
    let events = pycno_record::read_events(&run.join("events.jsonl")).unwrap();
    events.into_iter().filter(|event| event.step == 0).map(|event| event.name).collect()
}

#[test]
fn the_same_study_gives_the_same_bytes_and_a_finished_one_computes_nothing() {
    let world = World::new();
    let study = world.study(STUDY);
    let (first, second) = (world.path().join("first"), world.path().join("second"));
    succeeded(&run_study(&world, &study, &first));
    succeeded(&run_study(&world, &study, &second));
    assert_eq!(record(&first), record(&second));

    let before = record(&first);
    let seen = stage_events(&first).len();
    let again = run_study(&world, &study, &first);
    succeeded(&again);
    assert!(again.stderr.is_empty(), "silent without a terminal");
    let events = stage_events(&first).split_off(seen);
    assert!(events.iter().all(|name| name == "reused") && events.len() == 4 + 5 * 3, "{events:?}");
    assert_eq!(before, record(&first));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let world = World::new();
    let study = world.study(STUDY);
    let records = ["1", "3"].map(|threads| {
        let run = world.path().join(threads);
        let mut command = pycno(&world);
        command.arg("run").arg(&study).arg("--run").arg(&run).args(["--threads", threads]);
        succeeded(&command.output().unwrap());
        record(&run)
    });
    assert_eq!(records[0], records[1]);

    let none = pycno(&world).arg("run").arg(&study).args(["--threads", "0"]).output().unwrap();
    assert!(!none.status.success());
}

#[test]
fn a_study_may_compute_in_half_precision() {
    let world = World::new();
    let half = STUDY.replace("[eval]", "[compute]\ndtype = \"bf16\"\n\n[eval]");
    let (study, run) = (world.study(&half), world.path().join("half"));
    succeeded(&run_study(&world, &study, &run));
    let (study, full) = (world.study(STUDY), world.path().join("full"));
    succeeded(&run_study(&world, &study, &full));
    let loss = |run: &Path| {
        pycno_record::read(&run.join("record.json")).unwrap().models[0].tasks[0].gold_loss.0
    };
    let difference = (loss(&run) - loss(&full)).abs();
    assert!(difference > 0.0 && difference < 0.1, "{difference}");
}

#[test]
fn the_report_is_a_function_of_the_record() {
    let world = World::new();
    let (study, run) = (world.study(STUDY), world.path().join("run"));
    succeeded(&run_study(&world, &study, &run));
    let out = world.path().join("again");
    succeeded(&pycno(&world).arg("report").arg(&run).arg("--out").arg(&out).output().unwrap());
    for file in ["report.html", "report.md", "report.csv"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert_eq!(read(&run), read(&out), "{file}");
    }
}

#[test]
fn a_plan_shows_sizes_and_leaves_nothing_behind() {
    let world = World::new();
    let study = world.study(STUDY);
    let shown = succeeded(&pycno(&world).arg("plan").arg(&study).output().unwrap());
    assert!(shown.contains("width-24-distilled"), "{shown}");
    assert!(shown.contains("forward-kl (temperature 1)"), "{shown}");
    assert!(shown.contains("reverse-kl (temperature 2)"), "{shown}");
    assert!(shown.contains("memory") && shown.contains("MiB"), "{shown}");
    assert!(!world.path().join("runs").exists());
}

#[test]
fn prune_and_eval_work_alone() {
    let world = World::new();
    let out = world.path().join("student");
    let mut prune = pycno(&world);
    prune.args(["prune", "--set", "criterion=minitron", "--set", "structure=ffn"]);
    prune.args(["--set", "keep=24", "--sequences", "4"]);
    prune.args(["--length", "32", "--teacher"]).arg(world.teacher());
    prune.arg("--calibration").arg(world.data().join("corpora/calibration.txt"));
    succeeded(&prune.arg("--out").arg(&out).output().unwrap());
    assert_eq!(pycno_model::hf::read(&out).unwrap().spec.layers[0].d_ffn(), 24);

    let mut eval = pycno(&world);
    eval.args(["eval", "--tasks", "arc_easy,lambada_openai", "--limit", "5", "--model"]).arg(&out);
    let shown = succeeded(&eval.output().unwrap());
    assert!(shown.contains("arc_easy") && shown.contains("lambada_openai"), "{shown}");
}

#[test]
fn a_sparse_student_needs_no_text_and_says_what_is_zero() {
    let world = World::new();
    let out = world.path().join("student");
    let mut prune = pycno(&world);
    prune.args(["prune", "--set", "criterion=magnitude", "--set", "structure=2:4"]);
    prune.arg("--teacher").arg(world.teacher()).arg("--out").arg(&out);
    let shown = succeeded(&prune.output().unwrap());
    let student = pycno_model::hf::read(&out).unwrap();
    let removed = student.removed_weights();
    assert!(removed > 0 && shown.contains(&format!("{removed} of them are zero")), "{shown}");
    assert!(out.join("plan.json").exists());
    let folder = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name());
    let files = folder.filter(|name| name.to_string_lossy().ends_with(".safetensors")).count();
    assert_eq!(files, 1, "loaders that take every such file find the weights alone");
}

#[test]
fn methods_are_listed_from_the_code() {
    let world = World::new();
    let shown = succeeded(&pycno(&world).arg("methods").output().unwrap());
    for criterion in pycno_prune::Criterion::ALL {
        let method = criterion.method();
        assert!(shown.contains(method.name) && shown.contains(method.paper), "{shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn density_needs_no_model() {
    let world = World::new();
    let scores = "lambada_openai=50.0,arc_easy=52.0,piqa=66.0";
    let mut density = pycno(&world);
    density.args(["density", "--ruler", "pythia", "--params", "302.3M", "--scores", scores]);
    let shown = succeeded(&density.output().unwrap());
    assert!(shown.contains("mean") && shown.contains("arc_easy"), "{shown}");
}

#[test]
fn doctor_names_every_backend() {
    let world = World::new();
    let shown = succeeded(&pycno(&world).arg("doctor").output().unwrap());
    assert!(shown.contains("largest model to train on text"), "{shown}");
    for backend in ["flex", "ndarray", "wgpu", "vulkan", "metal", "cuda"] {
        assert!(shown.contains(backend), "{shown}");
    }
}
