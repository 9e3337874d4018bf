//! Verbs that need no model: density, ruler, trend, cost.

use std::{fs, path::PathBuf};

use pycno_tests::world::World;
use serde_json::Value;

use crate::shell::{pycno, succeeded};

const RULER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/rulers/pythia.toml");
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/ruler-specs/pythia.toml");

/// A folder with files, and the binary started in it.
pub(crate) struct Desk {
    world: World,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { world: World::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn shown(&self, line: &str) -> String {
        succeeded(&pycno(&self.world).args(line.split_whitespace()).output().unwrap())
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.shown(&format!("{line} --json"))).unwrap()
    }

    /// A failure by the input, with these words in its message.
    #[track_caller]
    pub(crate) fn refused(&self, line: &str, words: &[&str]) {
        let output = pycno(&self.world).args(line.split_whitespace()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(output.stdout.is_empty());
        for word in words {
            assert!(message.contains(word), "expected {word:?} in: {message}");
        }
    }
}

/// Four runs of five sizes on one task.
fn runs(scores: [f64; 5]) -> String {
    let sizes = ["18915328", "85056000", "302311424", "805736448", "1208602624"];
    let line =
        |(i, (size, score)): (usize, (&str, f64))| format!("pythia-v1,run{i},{size},{score}\n");
    let lines: String = sizes.into_iter().zip(scores).enumerate().map(line).collect();
    format!("suite,run,params,score:lambada_openai\n{lines}")
}

fn spec(desk: &Desk) {
    let text = fs::read_to_string(SPEC).unwrap();
    let tasks: Vec<&str> = text.split("[[task]]").collect();
    desk.put("spec.toml", &format!("{}[[task]]{}", tasks[0], tasks[1]));
}

#[test]
fn scores_with_items_get_an_interval() {
    let desk = Desk::new();
    let line = "density --ruler pythia --params 302.3M --draws 200 \
                --scores lambada_openai=50%,piqa=66 --items lambada_openai=5153,piqa=1838";
    let found = desk.json(line);
    let overall = &found["model"]["overall"];
    assert_eq!(overall["of"], "mean");
    assert!((overall["score_percent"].as_f64().unwrap() - 58.0).abs() < 1e-9, "{found}");
    let (low, density, high) =
        (&overall["interval"]["low"], &overall["density"], &overall["interval"]["high"]);
    let [low, density, high] = [low, density, high].map(|x| x.as_f64().unwrap());
    assert!(low < density && density < high, "{found}");
    assert!(overall["bca_interval"]["low"].is_number(), "{found}");
    let shown = desk.shown(line);
    assert!(shown.contains("200 draws") && !shown.contains("No interval"), "{shown}");
}

#[test]
fn scores_without_items_say_why_there_is_no_interval() {
    let desk = Desk::new();
    let shown = desk.shown("density --ruler pythia --params 302.3M --scores piqa=66,blimp=20");
    assert!(shown.contains("give --items or --stderr"), "{shown}");
    assert!(shown.contains("no size: at or below the floor 50.00"), "{shown}");
}

#[test]
fn scores_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    let with = |scores: &str| format!("density --ruler pythia --params 1B --scores {scores}");
    desk.refused(&with("piqa=0.66"), &["--scores looks like shares; scores are percent"]);
    desk.refused(&with("piqa=166"), &["--scores piqa=166", "[0, 100] percent"]);
    desk.refused(&with("mmlu=60"), &["mmlu", "lambada_openai"]);
    let other = "density --ruler pythia --params 1B --scores piqa=60";
    desk.refused(&format!("{other} --basin other"), &["--basin other", "another basin"]);
    desk.refused(&format!("{other} --tokens 1T"), &["--tokens", "alone"]);
    desk.refused(&format!("{other} --items piqa=10 --draws 9"), &["at least 80 draws, got 9"]);
    desk.refused("density --ruler pythai --params 1B --scores piqa=60", &["pythai", "pythia"]);
}

#[test]
fn a_ruler_with_a_changed_constant_is_refused() {
    let desk = Desk::new();
    let text = fs::read_to_string(RULER).unwrap();
    let law = text.find("steepness = ").unwrap();
    desk.put("bent.toml", &format!("{}steepness = 1{}", &text[..law], &text[law + 12..]));
    desk.refused("ruler show bent.toml", &["bent.toml", "hash mismatch"]);
    desk.put("same.toml", &text);
    let stated = text.split("hash = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let shown = desk.shown("ruler show same.toml --task piqa");
    assert!(shown.contains(&format!("hash     {stated}")), "{shown}");
}

const MODELS: &str = "\
model,params,total,active,bits,parent,date,piqa,items:piqa
large,805.7M,1B,1B,16,,2023-02-13,72.0,1838
small,302.3M,,,,large,2023-06-01,70.0,1838
tiny,18.9M,,,,large,2023-07-01,52.0,
";

#[test]
fn a_table_of_models_becomes_ratios_and_a_census() {
    let desk = Desk::new();
    desk.put("models.csv", MODELS);
    let line = "density --ruler pythia --models models.csv --draws 200";
    let found = desk.json(line);
    let small = &found["models"][1]["against_parent"];
    assert_eq!(small["parent"], "large");
    let ratio = &small["ratios"][0];
    assert!(ratio["density_ratio"].as_f64().unwrap() > 1.0, "{small}");
    assert!(ratio["holm_p"].is_number() && ratio["verdict"].is_string(), "{small}");
    assert!(found["models"][2]["against_parent"]["ratios"][0]["interval"].is_null(), "{found}");
    assert_eq!(found["models"][0]["sizes"][1]["rule"], "total");

    let shown = desk.shown(&format!("{line} --csv census.csv"));
    assert!(shown.contains("census.csv: 3 models"), "{shown}");
    assert!(desk.shown("trend census.csv --series all").contains("3 points (all models)"));
    desk.refused(&format!("{line} --csv census.csv"), &["--csv census.csv is there already"]);
}

/// Two tasks without a law of their mean in that basin: tasks are drawn one by one.
const PAIR: &str = "\
model,params,parent,mmlu,bbh,items:mmlu,items:bbh
large,6.98B,,66.7,63.4,14042,6511
small,3.72B,large,60.5,40.0,14042,6511
other,3.72B,large,60.5,,14042,
";

#[test]
fn models_are_compared_task_by_task_where_the_mean_has_no_law() {
    let desk = Desk::new();
    desk.put("models.csv", PAIR);
    let line = "density --ruler densing-2025 --models models.csv --basin other --draws 200";
    let found = desk.json(line);
    assert!(found["models"][0]["overall"].is_null(), "{found}");
    let ratios = found["models"][1]["against_parent"]["ratios"].as_array().unwrap();
    let of: Vec<_> = ratios.iter().map(|ratio| ratio["of"].as_str().unwrap()).collect();
    assert_eq!(of, ["mmlu", "bbh"]);
    // Far below its parent on bbh: two draws' worth of p at least, doubled by Holm over two tasks.
    let p = ratios[1]["holm_p"].as_f64().unwrap();
    assert!((p - 2.0 * 2.0 / 201.0).abs() < 1e-9, "{found}");
    let shown = desk.shown(line);
    assert!(shown.contains("No overall row"), "{shown}");
    assert!(shown.contains("other: scored on mmlu, but its parent large on mmlu, bbh"), "{shown}");
}

#[test]
fn a_wrong_cell_of_a_table_is_named_with_its_place() {
    let desk = Desk::new();
    let check = |from: &str, to: &str, words: &[&str]| {
        desk.put("models.csv", &MODELS.replace(from, to));
        desk.refused("density --ruler pythia --models models.csv", words);
    };
    check(
        "302.3M",
        "-1",
        &["models.csv, line 3, column \"params\"", "a whole number of parameters", "\"-1\""],
    );
    check("302.3M", "nan", &["line 3, column \"params\""]);
    check("302.3M", "0", &["line 3, column \"params\""]);
    check("70.0", "170", &["line 3, column \"piqa\"", "[0, 100] percent"]);
    check("2023-06-01", "June", &["line 3, column \"date\"", "2024-02-01", "\"June\""]);
    check("large,2023-06-01", "huge,2023-06-01", &["line 3, column \"parent\"", "\"huge\""]);
    check("small,", "large,", &["line 3, column \"model\"", "again"]);
    check("items:piqa", "items:pica", &["line 1, column \"items:pica\"", "lambada_openai"]);
    let shares = MODELS.replace("72.0", "0.72").replace("70.0", "0.70").replace("52.0", "0.52");
    desk.put("models.csv", &shares);
    desk.refused("density --ruler pythia --models models.csv", &["\"piqa\" looks like shares"]);
}

#[test]
fn a_ruler_is_listed_shown_and_made() {
    let desk = Desk::new();
    let listed = desk.shown("ruler list");
    assert!(listed.contains("densing-2025") && listed.contains("CC BY 4.0"), "{listed}");
    spec(&desk);
    desk.put("runs.csv", &runs([24.0, 38.0, 50.0, 57.0, 60.0]));
    let made = desk.shown("ruler fit runs.csv --spec spec.toml --out ruler.toml");
    assert!(made.contains("5 points") && made.contains("chosen"), "{made}");
    let head = "# Made by pycno ruler fit from spec.toml, which says what is in it and how.\n";
    assert!(fs::read_to_string(desk.path("ruler.toml")).unwrap().starts_with(head));
    let again = desk.json("ruler fit ruler.toml");
    assert_eq!(again["ruler"]["hash"], again["refit_hash"]);
    assert_eq!(again["tasks"][0]["same_minima"], true);
    let taken = "ruler fit runs.csv --spec spec.toml --out ruler.toml";
    desk.refused(taken, &["--out ruler.toml is there already"]);
    let weigh = "density --ruler ruler.toml --params 302.3M --scores lambada_openai=50";
    assert!(desk.shown(weigh).contains("lambada_openai"));
}

#[test]
fn runs_that_carry_no_law_make_no_ruler() {
    let desk = Desk::new();
    spec(&desk);
    let fit = "ruler fit runs.csv --spec spec.toml --out ruler.toml";
    let level = runs([50.0; 5]);
    desk.put("runs.csv", &level);
    desk.refused(fit, &["runs.csv", "reference scores must differ"]);
    let one = level.lines().take(2).collect::<Vec<_>>().join("\n");
    desk.put("runs.csv", &one);
    desk.refused(fit, &["at least", "at least 4 points, got 1"]);
    desk.put("runs.csv", "run,params\na,-5\n");
    desk.refused(fit, &["runs.csv", "line 2, column \"params\""]);
    desk.refused("ruler fit runs.csv", &["--spec"]);
    desk.put("spec.toml", "[family]\nname = \"x\"\ncolor = \"red\"\n");
    desk.refused(fit, &["spec.toml", "unknown field `color`"]);
    assert!(!desk.path("ruler.toml").exists());
}

const TWO_STEP: &str = r#"
[family]
name = "two-step"
convention = "non-embedding"
tokens = "300B"
source = "made up"
license = "CC0"
[[task]]
name = "x"
metric = "acc"
[task.recipe]
kind = "two-step"
form = "densing"
objective = "squares"
loss_suite = "reference"
score_suite = "reference"
"#;

#[test]
fn equal_losses_make_no_ruler() {
    let desk = Desk::new();
    desk.put("spec.toml", TWO_STEP);
    let line = |i: u32| format!("run{i},{}M,{}B,0.5,{}\n", 10 << i, 1 << (i % 4), 30 + 5 * i);
    let lines: String = (0..8).map(line).collect();
    desk.put("runs.csv", &format!("run,params,tokens,loss:x,score:x\n{lines}"));
    desk.refused(
        "ruler fit runs.csv --spec spec.toml",
        &["reference losses must differ, all are 0.5"],
    );
}

pub(crate) const CENSUS: &str = "\
model,date,density
a,2023-02-24,0.04
b,2023-09-10,0.5
c,2023-09-20,0.1
d,2024-06-27,2.1
e,2025-01-23,4.8
";

#[test]
fn a_census_becomes_a_trend_and_forecasts() {
    let desk = Desk::new();
    desk.put("census.csv", CENSUS);
    let found = desk.json("trend census.csv --effective 70B --at 2026-01-01 --size 4B");
    assert_eq!(found["points"].as_array().unwrap().len(), 4, "the densest of their day");
    assert_eq!(found["pace"], "doubling");
    assert!(found["size_needed"]["params"].as_f64().unwrap() < 70e9, "{found}");
    assert_eq!(found["size_needed"]["reach"], "after");
    assert!(found["date_when"]["date"].is_string(), "{found}");
    let split = "trend census.csv --split 2024-01-01";
    desk.refused(split, &["census.csv", "needs at least 3 points"]);
    desk.refused("trend census.csv --effective 70B", &["--at DATE", "--size COUNT"]);
    desk.put("census.csv", &CENSUS.replace("0.5", "-0.5"));
    desk.refused("trend census.csv", &["census.csv, line 3, column \"density\"", "\"-0.5\""]);
    desk.put("census.csv", "model,density\na,1\n");
    desk.refused("trend census.csv", &["expected the columns model, date, density"]);
    desk.refused("trend nothing.csv", &["cannot read nothing.csv"]);
}

const PRICES: &str = "\
date,name,usd_per_million_tokens
2022-11-30,a,20
2023-07-11,b,8
2024-05-13,c,0.25
2024-08-12,d,0.075
";

#[test]
fn money_follows_from_prices_and_doubling_times() {
    let desk = Desk::new();
    desk.put("prices.csv", PRICES);
    desk.put("census.csv", CENSUS);
    let venture = "--training-usd 5e6 --profit-usd-per-month 2e6";
    let found = desk.json(&format!("cost --prices prices.csv --doubling-days 106 {venture}"));
    let halving = found["prices"]["halving_days"]["value"].as_f64().unwrap();
    assert!((70.0..80.0).contains(&halving), "{found}");
    let combined = found["devices"]["combined_doubling_days"]["value"].as_f64().unwrap();
    assert!((combined - 93.13).abs() < 0.01, "{found}");
    assert_eq!(found["break_even"]["verdict"], "in-time");
    let loss = "cost --trend census.csv --training-usd 5e6 --profit-usd-per-month -1";
    assert!(desk.shown(loss).contains("The cost never comes back"));
    desk.put("prices.csv", &PRICES.replace("0.25", "free"));
    let words = ["prices.csv, line 4, column \"usd_per_million_tokens\"", "\"free\""];
    desk.refused("cost --prices prices.csv", &words);
}
