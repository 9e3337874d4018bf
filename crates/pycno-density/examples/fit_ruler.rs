//! Makes the `pythia` ruler file from the public evaluations, given the path of their CSV table.
//!
//! `cargo run -p pycno-density --example fit_ruler -- pythia_opt_bloom_final_wide.csv`
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example; the ruler file is its output")]

use std::{collections::BTreeMap, error::Error};

use pycno_density::{Convention, Family, ReferenceModel, Ruler, RulerSpec, TaskSpec};
use pycno_units::{ParamCount, Score, TokenCount};

/// Size name, layers, width. Pythia: parallel blocks, feed-forward 4 wide, biases everywhere.
const SHAPES: [(&str, u32, u32); 8] = [
    ("70m", 6, 512),
    ("160m", 12, 768),
    ("410m", 24, 1024),
    ("1b", 16, 2048),
    ("1.4b", 24, 2048),
    ("2.8b", 32, 2560),
    ("6.9b", 32, 4096),
    ("12b", 36, 5120),
];

/// Task, chance level in percent, suite that its law is fitted on.
const TASKS: [(&str, f64, &str); 4] = [
    ("lambada_openai", 0.0, "pythia-v1"),
    ("arc_easy", 25.0, "pythia-v1"),
    ("piqa", 50.0, "pythia-v1"),
    ("blimp", 50.0, "pythia-v0"),
];

const PARADIGMS: usize = 67;

const HEADER: &str = "\
# Ruler `pythia`: score against size of the Pythia family at 300e9 tokens, 0-shot, final checkpoints.
# Made by one command, from `pythia_opt_bloom_final_wide.csv` (the public evaluations in the
# repository EleutherAI/pythia, one row a model and shot count):
#
#   cargo run -p pycno-density --example fit_ruler -- <that file> > configs/rulers/pythia.toml
#
# Sizes leave out embedding and head: L (12 d^2 + 13 d) + 2 d. BLiMP is the mean over its 67
# paradigms and public for pythia-v0 only: five sizes, none between 70m and 1b. The scores of
# pythia-v0 on the other tasks serve the law of a mean that takes in BLiMP, nothing else.
#
# Left out: arc_challenge. Up to 410m its acc and acc_norm lie below chance (25), and 1b is at
# chance; so it has no size to give to a model of 135M parameters. Also left out for models this
# small: winogrande, logiqa, wsc (at chance), and mmlu.

";

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("expected the path of the CSV table, got nothing")?;
    let table = std::fs::read_to_string(path)?;
    let ruler =
        Ruler::fit(RulerSpec { family: family(), tasks: tasks()?, models: models(&table)? })?;
    print!("{HEADER}{}", ruler.to_toml()?);
    Ok(())
}

fn family() -> Family {
    Family {
        name: "pythia".to_owned(),
        convention: Convention::NonEmbedding,
        tokens: TokenCount(300_000_000_000),
        source: "EleutherAI/pythia, evals/pythia-v0 and evals/pythia-v1 (lm-evaluation-harness), \
                 0-shot; Biderman et al. 2023, arXiv:2304.01373"
            .to_owned(),
        license: "Apache-2.0".to_owned(),
    }
}

fn tasks() -> Result<Vec<TaskSpec>, Box<dyn Error>> {
    let task = |(name, floor, suite): (&str, f64, &str)| {
        Ok(TaskSpec {
            name: name.to_owned(),
            metric: "acc".to_owned(),
            floor: Score::from_percent(floor)?,
            suite: suite.to_owned(),
            fixed_ceiling: None,
        })
    };
    TASKS.into_iter().map(task).collect()
}

/// The 0-shot rows of the two Pythia suites.
fn models(table: &str) -> Result<Vec<ReferenceModel>, Box<dyn Error>> {
    let mut lines = table.lines();
    let header: Vec<&str> =
        lines.next().ok_or("expected a header line, got nothing")?.split(',').collect();
    let mut models = Vec::new();
    for line in lines {
        let row: BTreeMap<&str, &str> = header.iter().copied().zip(line.split(',')).collect();
        let is = |column: &str, value: &str| row.get(column) == Some(&value);
        let known = is("suite", "pythia-v0") || is("suite", "pythia-v1");
        if known && is("num_fewshot", "0") {
            models.push(model(&row)?);
        }
    }
    models.sort_by(|a, b| {
        a.suite.cmp(&b.suite).then(a.params.0.total_cmp(&b.params.0)).then(a.name.cmp(&b.name))
    });
    Ok(models)
}

fn model(row: &BTreeMap<&str, &str>) -> Result<ReferenceModel, Box<dyn Error>> {
    let (name, suite) = (row["model"], row["suite"]);
    let size = name.split('-').nth(1).unwrap_or_default();
    let shape = SHAPES.iter().find(|(known, ..)| *known == size);
    let &(_, layers, width) = shape.ok_or_else(|| format!("unknown size in {name:?}"))?;
    let (layers, width) = (f64::from(layers), f64::from(width));
    let params = layers * (12.0 * width * width + 13.0 * width) + 2.0 * width;
    let mut scores = BTreeMap::new();
    for (task, ..) in TASKS {
        if let Some(share) = share(row, task)? {
            // Six decimals of a percent: far below the error of any benchmark.
            let percent = (share * 1e8).round() / 1e6;
            scores.insert(task.to_owned(), Score::from_percent(percent)?);
        }
    }
    let (name, suite) = (name.to_owned(), suite.to_owned());
    Ok(ReferenceModel { name, suite, params: ParamCount(params), scores })
}

/// Accuracy of a task; for BLiMP the mean over its paradigms, where all are there.
fn share(row: &BTreeMap<&str, &str>, task: &str) -> Result<Option<f64>, Box<dyn Error>> {
    let wanted = |column: &str| match task {
        "blimp" => column.starts_with("blimp_") && column.ends_with(":acc"),
        _ => column == format!("{task}:acc"),
    };
    let cells = row.iter().filter(|(column, cell)| wanted(column) && !cell.is_empty());
    let shares = cells.map(|(_, cell)| cell.parse()).collect::<Result<Vec<f64>, _>>()?;
    let needed = if task == "blimp" { PARADIGMS } else { 1 };
    Ok((shares.len() == needed).then(|| shares.iter().sum::<f64>() / shares.len() as f64))
}
