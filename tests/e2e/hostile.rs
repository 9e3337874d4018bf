//! Bad input: a clear error, exit code 1, nothing half-written.

use std::{fs, path::Path};

use pycno_tests::world::{STUDY, World};

use crate::shell::{pycno, run_study};

/// Runs a study on a spoiled world and looks for the words in its error.
#[track_caller]
fn check(spoil: impl FnOnce(&World), text: &str, words: &[&str]) {
    let world = World::new();
    spoil(&world);
    let (study, run) = (world.study(text), world.path().join("run"));
    let output = run_study(&world, &study, &run);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.lines().any(|line| line.starts_with("error: ")), "{message}");
    for word in words {
        assert!(message.contains(word), "expected {word:?} in: {message}");
    }
    assert!(!run.join("record.json").exists());
    for folder in ["stages", "store/stages"] {
        assert_eq!(entries(&run.join(folder)), 0, "nothing half-written");
    }
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

fn weights(world: &World) -> std::path::PathBuf {
    world.teacher().join("model.safetensors")
}

#[test]
fn truncated_safetensors() {
    let spoil = |world: &World| {
        let bytes = fs::read(weights(world)).unwrap();
        fs::write(weights(world), &bytes[..bytes.len() / 2]).unwrap();
    };
    check(spoil, STUDY, &["model.safetensors"]);
}

#[test]
fn a_header_that_lies() {
    let spoil = |world: &World| {
        let mut bytes = fs::read(weights(world)).unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        fs::write(weights(world), bytes).unwrap();
    };
    check(spoil, STUDY, &["model.safetensors"]);
}

#[test]
fn wrong_shapes() {
    let spoil = |world: &World| {
        let path = world.teacher().join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"intermediate_size\": 40", "\"intermediate_size\": 44"))
            .unwrap();
    };
    check(spoil, STUDY, &["mlp.up_proj.weight", "[44, 32]", "[40, 32]"]);
}

#[test]
fn a_missing_tokenizer() {
    let spoil = |world: &World| fs::remove_file(world.teacher().join("tokenizer.json")).unwrap();
    check(spoil, STUDY, &["tokenizer.json"]);
}

#[test]
fn a_key_no_study_has() {
    let text = STUDY.replace("seed = 3", "seed = 3\nsede = 4");
    check(|_| {}, &text, &["study.toml", "unknown field `sede`", "line 5"]);
}

#[test]
fn a_key_no_training_has() {
    let text = STUDY.replace("batch = 4, micro_batch = 2", "batch = 4, micro_batches = 2");
    check(|_| {}, &text, &["study.toml", "unknown field `micro_batches`"]);
}

#[test]
fn a_sparsity_out_of_range() {
    let text = STUDY.replace("keep = 24", "sparsity = 1.5");
    check(|_| {}, &text, &["sparsity must lie in [0, 1), got 1.5"]);
}

#[test]
fn a_method_nobody_wrote() {
    let text = STUDY.replace("block-influence", "block-influenza");
    check(|_| {}, &text, &["block-influenza", "block-influence", "minitron"]);
}

#[test]
fn a_criterion_that_does_not_rate_the_structure() {
    let text = STUDY.replace("structure = \"layers\"", "structure = \"ffn\"");
    check(
        |_| {},
        &text,
        &["structure of criterion block-influence must be one of layers, got ffn"],
    );
}

#[test]
fn settings_of_a_pruning_that_make_none() {
    let world = World::new();
    // 2: no arguments that make a pruning; 1: none for this model.
    let refused = |code: i32, settings: &[&str], message: &str| {
        let mut prune = pycno(&world);
        prune.arg("prune").args(settings.iter().flat_map(|set| ["--set", set]));
        prune.arg("--teacher").arg(world.teacher()).arg("--out").arg(world.path().join("new"));
        let output = prune.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(message), "{said}");
        assert!(!world.path().join("new").exists());
    };
    refused(2, &["criterion"], "expected KEY=VALUE");
    refused(2, &["criterion=magnitude"], "missing field `structure`");
    refused(2, &["criterion=magnitude", "structure=layers"], "exactly one of keep and sparsity");
    refused(1, &["criterion=magnitude", "structure=3:5"], "groups of 5 must divide the inputs");
    let measured = ["criterion=minitron", "structure=ffn", "keep=24"];
    refused(1, &measured, "criterion minitron measures activations; name a text");
}

#[test]
fn an_objective_nobody_wrote() {
    let text = STUDY.replace("forward-kl", "backward-kl");
    check(|_| {}, &text, &["backward-kl", "forward-kl"]);
}

#[test]
fn calibration_on_a_copy_of_the_training_text() {
    let text = STUDY.replace("corpora/calibration.txt", "corpora/copy.txt");
    let spoil = |world: &World| {
        let corpora = world.data().join("corpora");
        fs::copy(corpora.join("train.txt"), corpora.join("copy.txt")).unwrap();
    };
    check(spoil, &text, &["calibration", "train", "train.txt"]);
}

#[test]
fn calibration_on_a_test_file() {
    let text = STUDY.replace("data:corpora/calibration.txt", "data:corpora/copy.txt").replace(
        "tasks = [\"lambada_openai\", \"arc_easy\", \"piqa\"]\nlimit",
        "tasks = [\"lambada_openai\", \"arc_easy\", \"piqa\", \"wikitext2_test\"]\nlimit",
    );
    let spoil = |world: &World| {
        let folder = world.data().join("corpora/wikitext-2-raw");
        fs::create_dir_all(&folder).unwrap();
        let text = fs::read(world.data().join("corpora/calibration.txt")).unwrap();
        fs::write(folder.join("wikitext-2-raw.test.txt"), &text).unwrap();
        fs::write(world.data().join("corpora/copy.txt"), &text).unwrap();
    };
    check(spoil, &text, &["calibration", "test"]);
}

#[test]
fn more_layers_than_there_are() {
    let text = STUDY.replace("keep = 2 }", "keep = 9 }");
    check(|_| {}, &text, &["9", "4"]);
}

#[test]
fn a_student_of_a_student_that_is_not_there() {
    let text = STUDY.replace("from = \"depth-2\"", "from = \"depth-3\"");
    check(|_| {}, &text, &["depth-3"]);
}

#[test]
fn an_answer_longer_than_the_model_can_read() {
    let spoil = |world: &World| {
        let words = "cat ".repeat(200);
        let line = format!(
            "{{\"query\": \"Question : x\", \"choices\": [\"a\", \"{words}\"], \"gold\": 0}}"
        );
        fs::write(world.data().join("benchmarks/piqa.jsonl"), line).unwrap();
    };
    check(spoil, STUDY, &["piqa", "128 tokens"]);
}

#[test]
fn a_task_without_its_file() {
    let spoil = |world: &World| {
        fs::remove_file(world.data().join("benchmarks/piqa.jsonl")).unwrap();
    };
    check(spoil, STUDY, &["piqa", "piqa.jsonl"]);
}

#[test]
fn a_student_never_replaces_what_is_there() {
    let world = World::new();
    let mut prune = pycno(&world);
    prune.args([
        "prune",
        "--set",
        "criterion=minitron",
        "--set",
        "structure={ ffn = 24 }",
        "--teacher",
    ]);
    prune.arg(world.teacher()).arg("--calibration");
    prune.arg(world.data().join("corpora/calibration.txt")).arg("--out").arg(world.teacher());
    let output = prune.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("is there already"), "{message}");
}
