//! Plans read off rulers: for a score, a student, a device.

use serde_json::Value;

use crate::weigh::{CENSUS, Desk};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn near(found: &Value, expect: f64) {
    assert!((number(found) / expect - 1.0).abs() < 1e-3, "{found}, expected {expect}");
}

#[test]
fn a_score_takes_sizes_tokens_and_compute() {
    let desk = Desk::new();
    let line = "advise score --ruler densing-2025 --score 60 --tokens 2T --params 30B --draws 200";
    let found = desk.json(line);
    assert_eq!((&found["of"], &found["score_percent"]), (&"avg4".into(), &60.0.into()));
    near(&found["smallest_size_at_d0"]["params"], 24.0137e9);
    assert_eq!(found["smallest_size_at_d0"]["is_wide"], true);
    assert!(number(&found["smallest_size_at_d0"]["extrapolation_factor"]) > 20.0, "{found}");
    let [size, tokens, flops] = ["size", "tokens", "flops"].map(|part| {
        let (key, unit) = (format!("cheapest_run_{part}"), part.replace("size", "params"));
        number(&found[&key][&unit])
    });
    assert!((6.0 * size * tokens / flops - 1.0).abs() < 1e-6, "{found}");
    let (own, fewer) = (&found["smallest_size_at_d0"], &found["smallest_size_at_tokens"]);
    assert!(number(&own["params"]) < number(&fewer["params"]), "{found}");
    assert_eq!(found["assumptions"].as_array().unwrap().len(), 4);
    let shown = desk.shown(line);
    assert!(shown.contains("fewest tokens at size 30.00B") && shown.contains("stands alone"));
    assert!(shown.contains("the mean of mmlu, bbh, math, humaneval + mbpp"), "{shown}");
    assert!(shown.contains("--basin other") && shown.contains("takes for granted"), "{shown}");
    let other = desk.json(&format!("{line} --basin other"));
    assert!(number(&other["smallest_size_at_d0"]["params"]) < 1e9, "{other}");
}

#[test]
fn a_law_of_one_step_names_what_it_does_not_tell() {
    let desk = Desk::new();
    let line = "advise score --ruler pythia --task piqa --score 70 --tokens 1T --draws 200";
    let found = desk.json(line);
    assert_eq!(found["smallest_size_at_d0"]["answer"], "reached");
    for key in ["loss", "smallest_size_at_tokens", "cheapest_run_flops"] {
        assert_eq!(found[key]["answer"], "one-step-law", "{key}");
    }
    let shown = desk.shown(line);
    assert!(shown.contains("does not tell:\n  loss, nats per token\n  smallest size at 1.000T"));
    let two = "advise score --ruler pythia --task piqa,lambada_openai --score 60 --draws 200";
    assert!(desk.shown(two).contains("mean, the mean of lambada_openai, piqa"));
    let low = desk.json("advise score --ruler pythia --task piqa --score 30 --draws 200");
    assert_eq!(low["smallest_size_at_d0"]["answer"], "below-floor");
    assert_eq!(low["smallest_size_at_d0"]["bound_percent"], 50.0);
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    let score = |rest: &str| format!("advise score --ruler {rest}");
    desk.refused(&score("pythia --score 60"), &["--task is needed", "lambada_openai", "piqa"]);
    desk.refused(&score("pythia --score 60 --task mmlu"), &["--task mmlu", "piqa"]);
    desk.refused(&score("densing-2025 --score 0.6"), &["--score 0.6 looks like shares"]);
    desk.refused(&score("densing-2025 --score 160"), &["--score 160", "[0, 100] percent"]);
    desk.refused(&score("densing-2025 --score 60 --draws 9"), &["at least 80 draws, got 9"]);
    desk.refused(&score("openlm --score 60 --basin other"), &["--basin other"]);
    let pair = "densing-2025 --score 60 --task mmlu,bbh --basin other";
    desk.refused(&score(pair), &["--task mmlu,bbh", "a mean needs tasks fitted by one recipe"]);
    let device = "advise device --ruler pythia --task piqa --score 68 --fits 1B --at 2025-01-01";
    desk.refused(&format!("{device} --trend no.csv"), &["cannot read no.csv"]);
    desk.put("one.csv", "model,date,density\na,2023-02-24,1\n");
    desk.refused(&format!("{device} --trend one.csv"), &["--trend one.csv", "points, got 1"]);
}

#[test]
fn a_student_must_beat_its_teacher_and_a_model_from_scratch() {
    let desk = Desk::new();
    desk.put("census.csv", CENSUS);
    let line = "advise student --ruler densing-2025 --draws 200 --teacher-params 10B \
                --teacher-score 60 --student-params 5B";
    let worth = &desk.json(line)["worth"];
    near(&worth["denser_than_teacher"]["density"]["density"], 2.40137);
    near(&worth["denser_than_teacher"]["least_score"]["score_percent"], 54.2154);
    near(&worth["better_than_from_scratch"]["least_score"]["score_percent"], 46.3978);
    assert_eq!((&worth["binding"], &worth["is_certain"]), (&"teacher".into(), &false.into()));
    let shown = desk.shown(&format!("{line} --trend census.csv --at 2025-06-01"));
    assert!(shown.contains("a model from scratch of 2025-06-01"), "{shown}");
    assert!(shown.contains("129 days after the last point"), "{shown}");
    assert!(
        shown.contains("at the low end") && shown.contains("from-scratch model's density is the")
    );
    let low = "advise student --ruler pythia --task piqa --draws 200 --teacher-params 1B \
               --teacher-score 45 --student-params 500M";
    assert!(desk.shown(low).contains("no density to exceed: at or below the floor 50.00"));
    assert_eq!(desk.json(low)["worth"]["answer"], "below-floor");
}

#[test]
fn a_device_is_enough_at_a_date() {
    let desk = Desk::new();
    desk.put("census.csv", CENSUS);
    let ask = |rest: &str| {
        format!("advise device --draws 200 --fits 100M --at 2025-01-01 --trend census.csv {rest}")
    };
    let line = ask("--ruler pythia --task piqa --score 68 --chip-doubling-days 767");
    let found = desk.json(&line);
    let forecasts = found["forecasts"].as_array().unwrap();
    let of: Vec<_> = forecasts.iter().map(|forecast| forecast["of"].as_str().unwrap()).collect();
    assert_eq!(of, ["estimate", "low", "high"]);
    let date = |i: usize| forecasts[i]["same_device"]["date"].as_str().unwrap();
    assert!(date(1) < date(0) && date(0) < date(2), "{found}");
    let low = number(&found["effective_size"]["interval"]["low"]);
    near(&forecasts[1]["effective_params"], low);
    assert!(forecasts[0]["same_price"]["date"].is_string(), "{found}");
    assert_eq!(found["assumptions"].as_array().unwrap().len(), 8);
    // A size that stands without its estimate leaves the estimate's date out as well.
    let wide = desk.shown(&ask("--ruler densing-2025 --score 60"));
    assert!(wide.contains("(low end)") && wide.contains("(high end)"), "{wide}");
    assert!(!wide.contains("effective size 24."), "{wide}");
    let none = desk.json(&ask("--ruler pythia --task piqa --score 95"));
    assert_eq!(none["effective_size"]["answer"], "above-ceiling");
    assert_eq!(none["forecasts"], Value::Array(Vec::new()));
}
