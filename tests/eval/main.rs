//! Parity of the evaluator with an independent computation in torch (see golden/eval).

use std::{collections::BTreeMap, path::Path};

use burn::tensor::Device;
use pycno_data::Tokenizer;
use pycno_eval::{EvalOptions, Metric, Selection, TaskItems, TaskOutcome, evaluate, items, task};
use pycno_model::Decoder;
use pycno_tests::data_dir_for;
use pycno_units::Seed;
use serde::Deserialize;

/// Relative; f32 in both, sums in another order.
const TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct Golden {
    tasks: BTreeMap<String, Vec<GoldenItem>>,
}

#[derive(Deserialize)]
struct GoldenItem {
    lls: Vec<f64>,
    gold_tokens: usize,
    acc: Option<bool>,
    acc_norm: Option<bool>,
    bits_per_byte: Option<f64>,
}

/// The first `n` items, or windows, of a task.
#[expect(clippy::unwrap_used, reason = "a task that cannot be read fails the test")]
fn first(data: &Path, name: &str, n: usize) -> TaskItems {
    let selection = Selection { limit: None, seed: Seed(0) };
    let mut items = items::load(&task::builtin(name).unwrap(), Some(data), selection).unwrap();
    items.items.truncate(n);
    items.window_limit = Some(n);
    items
}

#[expect(clippy::unwrap_used, reason = "a model that cannot be scored fails the test")]
fn outcomes(data: &Path, tasks: &[TaskItems], token_budget: usize) -> Vec<TaskOutcome> {
    let checkpoint = pycno_model::hf::read(&data.join("models/stories260K")).unwrap();
    let tokenizer = Tokenizer::from_files(&checkpoint.files).unwrap();
    let decoder = Decoder::new(&checkpoint, &Device::flex()).unwrap();
    let options = EvalOptions { token_budget, ..EvalOptions::default() };
    evaluate(&decoder, &tokenizer, tasks, &options, &mut |_| {}).unwrap()
}

fn close(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * theirs.abs()
}

#[track_caller]
#[expect(clippy::unwrap_used, reason = "a fixture without the metric fails the test")]
fn check(outcome: &TaskOutcome, golden: &[GoldenItem]) {
    let task = &outcome.task;
    assert_eq!(outcome.items.len(), golden.len(), "{task}");
    for (ours, theirs) in outcome.items.iter().zip(golden) {
        let place = format!("{task} item {}", ours.id);
        assert_eq!(ours.lls.len(), theirs.lls.len(), "{place}");
        for (our_ll, their_ll) in ours.lls.iter().zip(&theirs.lls) {
            assert!(close(*our_ll, *their_ll), "{place}: {our_ll} against {their_ll}");
        }
        assert_eq!(ours.gold_tokens, theirs.gold_tokens, "{place}");
        let expect = match outcome.metric {
            Metric::AccNorm => theirs.acc_norm.map(f64::from),
            Metric::BitsPerByte => theirs.bits_per_byte,
            _ => theirs.acc.map(f64::from),
        };
        assert!(close(ours.score, expect.unwrap()), "{place}: {} against {expect:?}", ours.score);
    }
}

#[test]
fn likelihoods_and_accuracies_are_those_of_torch() {
    let Some(data) = data_dir_for("likelihoods_and_accuracies_are_those_of_torch") else { return };
    let text = include_str!("../golden/eval/stories260K.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let items = |(name, golden): (&String, &Vec<GoldenItem>)| first(&data, name, golden.len());
    let tasks: Vec<TaskItems> = golden.tasks.iter().map(items).collect();
    for (outcome, golden) in outcomes(&data, &tasks, 4096).iter().zip(golden.tasks.values()) {
        check(outcome, golden);
        // The harness reports acc_norm beside acc; ours is in `also`, in percent.
        let right = golden.iter().filter(|item| item.acc_norm == Some(true)).count();
        let theirs = 100.0 * right as f64 / golden.len() as f64;
        if let Some(ours) = outcome.also.get("acc_norm") {
            assert!(close(*ours, theirs), "{}: acc_norm {ours} against {theirs}", outcome.task);
        }
    }
}

#[test]
fn the_token_budget_moves_no_likelihood_of_a_real_model() {
    let Some(data) = data_dir_for("the_token_budget_moves_no_likelihood_of_a_real_model") else {
        return;
    };
    let tasks = [first(&data, "copa", 10), first(&data, "arc_challenge", 10)];
    let lls = |budget| -> Vec<f64> {
        let outcomes = outcomes(&data, &tasks, budget);
        outcomes.iter().flat_map(|o| &o.items).flat_map(|item| item.lls.clone()).collect()
    };
    let (alone, together) = (lls(1), lls(8192));
    assert_eq!(alone.len(), 60);
    for (a, b) in alone.iter().zip(&together) {
        // Relative, for sums of up to a hundred tokens in f32.
        assert!((a - b).abs() < 1e-5 * a.abs(), "{a} alone, {b} together");
    }
}

#[test]
fn every_task_file_matches_its_data() {
    let Some(data) = data_dir_for("every_task_file_matches_its_data") else { return };
    let selection = Selection { limit: Some(134), seed: Seed(1) };
    let counts: Vec<(&str, usize, usize)> = task::builtin_names()
        .into_iter()
        .filter(|name| task::builtin(name).unwrap().lab_file().is_none())
        .map(|name| {
            let items = items::load(&task::builtin(name).unwrap(), Some(&data), selection).unwrap();
            (name, items.items.len(), items.n_available)
        })
        .collect();
    let expect = [
        ("arc_challenge", 134, 1172),
        ("arc_easy", 134, 2376),
        ("blimp", 134, 67000),
        ("copa", 100, 100),
        ("lambada_openai", 134, 5153),
        ("piqa", 134, 1838),
        ("wikitext2_test", 1, 1),
    ];
    assert_eq!(counts, expect);
}

#[test]
fn a_limited_blimp_has_two_pairs_of_each_paradigm() {
    let Some(data) = data_dir_for("a_limited_blimp_has_two_pairs_of_each_paradigm") else { return };
    let selection = Selection { limit: Some(134), seed: Seed(1) };
    let blimp = items::load(&task::builtin("blimp").unwrap(), Some(&data), selection).unwrap();
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for item in blimp.items {
        *counts.entry(item.stratum).or_default() += 1;
    }
    assert_eq!(counts.len(), 67);
    assert!(counts.values().all(|count| *count == 2));
}
