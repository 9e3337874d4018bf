//! `pycno density`: scores in, sizes out; no model needed.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use pycno_density::{Comparison, Density, Effective, Interval, ScoreLaw};
use pycno_study::shipped;
use pycno_units::{ParamCount, Score};

use super::show;
use crate::{args::DensityArguments, table};

pub(crate) fn density(arguments: &DensityArguments) -> anyhow::Result<()> {
    ensure!(
        arguments.params.0 > 0.0,
        "--params must be a positive number of parameters, got {}",
        arguments.params.0
    );
    let ruler = shipped::ruler(&arguments.ruler, std::path::Path::new(""))?;
    let scores = scores(&arguments.scores)?;
    let head = ["task", "score", "effective size", "density", "dlnN/dS a point"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (task, score) in &scores {
        rows.push(row(task, *score, &ruler.task(task)?.law, arguments.params));
    }
    if scores.len() > 1 {
        let tasks: Vec<&str> = scores.keys().map(String::as_str).collect();
        let percent = scores.values().map(|score| score.percent()).sum::<f64>();
        let mean = Score::from_percent(percent / scores.len() as f64)?;
        rows.push(row("mean", mean, &ruler.mean_law(&tasks)?.law, arguments.params));
    }
    show(&format!(
        "{}\nruler {} at {} tokens, {} parameters; no items, so no intervals\n",
        table::layout(&rows),
        ruler.family().name,
        ruler.family().tokens,
        arguments.params,
    ));
    Ok(())
}

fn scores(written: &[String]) -> anyhow::Result<BTreeMap<String, Score>> {
    let mut scores = BTreeMap::new();
    for item in written {
        let Some((task, score)) = item.split_once('=') else {
            bail!("--scores takes TASK=SCORE, got {item:?}");
        };
        let percent: f64 =
            score.parse().with_context(|| format!("--scores {item}: {score:?} is no number"))?;
        let score = Score::from_percent(percent).with_context(|| format!("--scores {item}"))?;
        ensure!(scores.insert(task.to_owned(), score).is_none(), "--scores gives {task} twice");
    }
    Ok(scores)
}

fn row(task: &str, score: Score, law: &ScoreLaw, params: ParamCount) -> Vec<String> {
    let effective = law.effective(score);
    let size = Effective::params(&effective);
    vec![
        task.to_owned(),
        score.to_string(),
        in_words(&effective),
        size.map_or_else(String::new, |size| format!("{:.3}", size.0 / params.0)),
        law.sensitivity(score).map_or_else(String::new, |slope| format!("{slope:.3}")),
    ]
}

fn in_words(effective: &Effective) -> String {
    match effective {
        Effective::Inside { params } => params.to_string(),
        Effective::Extrapolated { params, factor } => {
            format!("{params} (extrapolated {factor:.2} x)")
        }
        Effective::BelowFloor { floor } => format!("none: at or below the floor {floor}"),
        Effective::AboveCeiling { ceiling } => format!("none: at or above the ceiling {ceiling}"),
        Effective::BeyondReference { limit } => format!("none: beyond the reference, {limit}"),
    }
}

/// A density with its interval, as in the summary of a run.
pub(crate) fn words(density: &Density) -> String {
    let point = density.density.map_or_else(|| in_words(&density.effective), |d| format!("{d:.3}"));
    format!("{point} {}", interval(&density.interval))
}

/// A ratio with its interval.
pub(crate) fn ratio_words(comparison: &Comparison) -> String {
    let point = comparison.ratio.map_or_else(|| "none".to_owned(), |ratio| format!("{ratio:.3}"));
    format!("{point} {}", interval(&comparison.interval))
}

fn interval(interval: &Interval) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "open".to_owned(), |end| format!("{end:.3}"));
    format!("[{}, {}]", end(interval.low), end(interval.high))
}
