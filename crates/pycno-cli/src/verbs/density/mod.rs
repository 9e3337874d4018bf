//! `pycno density`: scores in, sizes out; no model needed.

pub(crate) mod balance;
pub(crate) mod document;
pub(crate) mod evidence;
mod model;
mod models;
mod parent;
mod sizes;

use anyhow::Context as _;
use pycno_density::{Effective, Sizes};
use pycno_units::ParamCount;
use serde_json::json;

use self::balance::{Balance, Reading, Weighing};
use super::{show, show_json};
use crate::{
    args::{Basin, DensityArguments},
    table, words,
};

pub(crate) fn density(arguments: &DensityArguments) -> anyhow::Result<()> {
    let mut balance = Balance::new(arguments)?;
    if let Some(path) = &arguments.models {
        return models::density(arguments, &mut balance, path);
    }
    let params = arguments.params.context("--params or --models is needed")?;
    let scores = evidence::of_flags(arguments, &balance.ruler)?;
    let sizes = arguments.total.map(|total| Sizes {
        total,
        non_embedding: params,
        active: arguments.active,
        non_zero: arguments.non_zero,
        weight_bits: arguments.bits,
    });
    let by_rule = sizes.as_ref().map(sizes::by_rule).transpose().context("--total")?;
    let weighing = balance.weigh("model", params, &scores)?;
    if arguments.json {
        let mut all = document::balance(&balance);
        all["model"] = document::weighing(&weighing);
        all["sizes"] = by_rule.map_or(json!(null), |found| sizes::document(&weighing, &found));
        return show_json(&all);
    }
    let mut parts = vec![readable(&weighing)];
    if let (Some(found), Some(sizes)) = (by_rule, sizes) {
        parts.push(sizes::readable(&weighing, &found) + &sizes::missing_note(&sizes));
    }
    parts.push(footer(&balance, &[&weighing]));
    show(&parts.join("\n"))?;
    Ok(())
}

/// A row per task, the mean last.
fn readable(weighing: &Weighing) -> String {
    let head = ["task", "score", "effective size", "density", "95 % interval", "dlnN/dS", "note"];
    let mut rows = vec![table::row(head)];
    rows.extend(weighing.readings().map(|reading| {
        let mut row = vec![reading.of.clone(), reading.score.to_string()];
        row.extend(cells(weighing.params, reading));
        row.push(reading.sensitivity.map_or_else(String::new, words::number));
        row.push(words::flag(&reading.effective));
        row
    }));
    table::layout(&rows)
}

/// Effective size, density and interval.
fn cells(params: ParamCount, reading: &Reading) -> [String; 3] {
    let interval = reading.interval.as_ref();
    let size = Effective::params(&reading.effective);
    let size = match interval {
        Some(wide) if words::is_wide(wide) && size.is_some() => {
            let write = |density: f64| ParamCount(density * params.0).to_string();
            words::ends_in(wide.low, wide.high, write)
        }
        _ => words::size(size),
    };
    let density = words::point(reading.density, interval);
    [size, density, interval.map_or_else(String::new, words::interval)]
}

/// The prediction interval over runs of the model's recipe.
fn over_runs(weighing: &Weighing) -> Option<String> {
    let [one] = weighing.leading()[..] else { return None };
    let interval = words::interval(one.over_runs.as_ref()?);
    Some(format!(
        "Prediction interval over runs, with run-to-run variance as the reference models scatter about the law: {interval}."
    ))
}

/// What the numbers above rest on.
fn footer(balance: &Balance, weighings: &[&Weighing]) -> String {
    let family = balance.ruler.family();
    let mut lines = vec![format!(
        "Ruler {}, D0 = {} tokens; dlnN/dS: relative change of the effective size per percent point.",
        family.name, family.tokens,
    )];
    if let [one] = weighings {
        lines.push(format!("Density is over {} non-embedding parameters.", one.params));
        lines.extend(over_runs(one));
    }
    let readings = || weighings.iter().flat_map(|weighing| weighing.readings());
    let drawn = || readings().filter_map(|reading| reading.interval.as_ref());
    if drawn().next().is_some() {
        lines.push(format!(
            "Intervals: percentiles of {} draws of the ruler's runs and of the scores' errors, seed {}.",
            balance.draws, balance.seed.0,
        ));
    }
    if drawn().any(words::is_wide) {
        lines.push(words::WIDE_NOTE.to_owned());
    }
    if readings().any(|reading| reading.interval.is_none()) {
        lines.push(
            "No interval where the error of a score is unknown: give --items or --stderr \
             (in a table items:TASK or stderr:TASK)."
                .to_owned(),
        );
    }
    let elsewhere = readings().filter_map(|reading| reading.elsewhere).fold(0.0, f64::max);
    if elsewhere > 0.0 {
        lines.push(format!(
            "Another basin of the loss laws fits up to {:.0} % of the draws better (--basin {}).",
            100.0 * elsewhere,
            if balance.basin == Basin::Other { "chosen" } else { "other" },
        ));
    }
    let read = |task: &&(&str, String)| readings().any(|reading| reading.of == task.0);
    lines.extend(balance.ruler.poor_tasks().iter().filter(read).map(|(task, why)| {
        format!("The law of {task} does not hold ({why}): sizes read from it mean little.")
    }));
    let notes: std::collections::BTreeSet<&str> =
        weighings.iter().filter_map(|weighing| weighing.note.as_deref()).collect();
    lines.extend(notes.into_iter().map(|note| format!("No overall row: {note}.")));
    lines.join("\n") + "\n"
}
