//! A plan made once and followed again, by a study, by the command line, and on a model it was not made for.

use std::path::Path;

use pycno_model::hf;
use pycno_tests::world::{STUDY, World};

use crate::shell::{pycno, run_study, stage, succeeded};

/// A study of one student, with that table after `prune =`.
fn study(prune: &str) -> String {
    let head = &STUDY[..STUDY.find("[[student]]").unwrap()];
    format!("{head}[[student]]\nname = \"narrow\"\nprune = {prune}\n")
}

/// Prunes the teacher by a plan; the text of what went wrong, if something did.
fn prune_by(world: &World, plan: &Path, out: &Path) -> Result<String, String> {
    let mut prune = pycno(world);
    prune.arg("prune").arg("--set").arg(format!("plan={}", plan.display()));
    prune.arg("--teacher").arg(world.teacher()).arg("--out").arg(out);
    let output = prune.output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_plan_gives_the_same_student_in_a_study_and_alone() {
    let world = World::new();
    let run = world.path().join("decided");
    let file = world
        .study(&study(r#"{ criterion = "minitron", structure = { ffn = 24, kv_groups = 1 } }"#));
    succeeded(&run_study(&world, &file, &run));
    let decided = stage(&run, "narrow-prune");
    std::fs::copy(decided.join("plan.json"), world.path().join("plan.json")).unwrap();

    let again = world.path().join("replayed");
    let file = world.study(&study(r#"{ plan = "plan.json" }"#));
    succeeded(&run_study(&world, &file, &again));
    let replayed = stage(&again, "narrow-prune");
    for name in ["plan.json", "model/model.safetensors", "model/config.json"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert_eq!(bytes(&decided), bytes(&replayed), "{name}");
    }
    let record = pycno_record::read(&again.join("record.json")).unwrap();
    let told = record.models[1].steps[1].to_string();
    assert!(told.starts_with("pruned: as plan ") && told.contains("minitron (kv-groups"), "{told}");

    let shown = succeeded(&pycno(&world).arg("plan").arg(&file).output().unwrap());
    assert!(shown.contains("as plan"), "{shown}");
    let out = world.path().join("alone");
    prune_by(&world, &world.path().join("plan.json"), &out).unwrap();
    let student = hf::read(&out).unwrap();
    assert_eq!(student.tensors, hf::read(&replayed.join("model")).unwrap().tensors);
}

#[test]
fn what_is_no_plan_or_of_no_such_model_is_refused() {
    let world = World::new();
    let (plan, out) = (world.path().join("plan.json"), world.path().join("out"));
    let refused = |text: &str| {
        std::fs::write(&plan, text).unwrap();
        let error = prune_by(&world, &plan, &out).unwrap_err();
        assert!(!out.exists(), "{error}");
        error
    };
    let layers = |listed: &str| {
        format!(r#"{{"format":3,"source":"elsewhere","steps":[],"layers":[{listed}]}}"#)
    };
    for (text, rule) in [
        ("not a plan".to_owned(), "cannot prune by the plan"),
        (r#"{"format":2}"#.to_owned(), "plan must have format 3, got 2"),
        (layers(r#"{"layer_idx":4}"#), "indices of the layers must lie below 4, got 4"),
        (
            layers(r#"{"layer_idx":0,"ffn":[40]}"#),
            "FFN channels of layer 0 must lie below 40, got 40",
        ),
        (layers(""), "must keep at least one of the layers"),
        (layers(r#"{"layer_idx":0,"ffn":[1],"ffn":[2]}"#), "ffn stands twice"),
    ] {
        let error = refused(&text);
        assert!(error.contains(rule), "{error}");
    }
    let error = prune_by(&world, &world.path().join("none.json"), &out).unwrap_err();
    assert!(error.contains("cannot read") && error.contains("none.json"), "{error}");

    // By hand, and with what belongs to a criterion beside it.
    std::fs::write(&plan, layers(r#"{"layer_idx":1,"ffn":[0,39]}"#)).unwrap();
    let mut both = pycno(&world);
    both.args(["prune", "--set", "plan=plan.json", "--set", "keep=3", "--out", "out", "--teacher"]);
    let output = both.arg(world.teacher()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("keep"), "{error}");
    prune_by(&world, &plan, &out).unwrap();
    assert_eq!(hf::read(&out).unwrap().spec.layers.len(), 1);
}

#[test]
fn a_plan_of_a_model_with_other_parts_is_refused_where_its_indices_would_fit() {
    let world = World::new();
    let first = world.path().join("first");
    let mut prune = pycno(&world);
    prune.args(["prune", "--set", "criterion=random", "--set", "structure=layers"]);
    prune.args(["--set", "keep=2", "--teacher"]).arg(world.teacher()).arg("--out").arg(&first);
    succeeded(&prune.output().unwrap());
    let path = first.join("plan.json");
    let mut plan: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    plan["steps"][0]["importance"]["layers"][0].as_array_mut().unwrap().push(0.5.into());
    // With a byte order mark, as some editors leave it.
    std::fs::write(&path, format!("\u{feff}{plan}")).unwrap();
    let error = prune_by(&world, &path, &world.path().join("out")).unwrap_err();
    assert!(error.contains("plan.json") && error.contains("importances of the layers"), "{error}");
}

#[test]
fn single_weights_that_left_cannot_be_replayed() {
    let world = World::new();
    let sparse = world.path().join("sparse");
    let mut prune = pycno(&world);
    prune.args(["prune", "--set", "criterion=magnitude", "--set", "structure=2:4", "--teacher"]);
    succeeded(&prune.arg(world.teacher()).arg("--out").arg(&sparse).output().unwrap());
    let out = world.path().join("again");
    let error = prune_by(&world, &sparse.join("plan.json"), &out).unwrap_err();
    assert!(error.contains("their masks are in the student's folder"), "{error}");
}

#[test]
fn a_plan_of_a_shape_that_no_config_can_express_is_refused_before_anything_runs() {
    let world = World::new();
    let uneven = r#"{"format":3,"source":"elsewhere","steps":[],"layers":[{"layer_idx":0,"ffn":[0,1]},{"layer_idx":1}]}"#;
    std::fs::write(world.path().join("plan.json"), uneven).unwrap();
    let file = world.study(&study(r#"{ plan = "plan.json" }"#));
    for verb in ["plan", "run"] {
        let output = pycno(&world).arg(verb).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert!(said.contains("student narrow cannot be saved"), "{said}");
        assert!(said.contains("layers differ in d_ffn"), "{said}");
    }
}
