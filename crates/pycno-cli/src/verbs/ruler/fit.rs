//! `pycno ruler fit`: a ruler from a table of runs, or a ruler's own points fitted again.

use std::path::Path;

use anyhow::{Context as _, ensure};
use pycno_density::{FitCard, Ruler, RulerSpec, reference_models};
use pycno_record::atomic;
use serde_json::{Value, json};

use super::{constants, shown};
use crate::{
    args::FitArguments,
    table,
    verbs::{density, refuse_existing, show, show_json},
    words,
};

/// Relative differences up to this are those of descents that stop at the same minimum.
const SAME: f64 = 1e-6;

pub(super) fn fit(arguments: &FitArguments) -> anyhow::Result<()> {
    match &arguments.spec {
        Some(spec) => make(arguments, spec),
        None => again(arguments),
    }
}

fn make(arguments: &FitArguments, spec: &Path) -> anyhow::Result<()> {
    if let Some(out) = &arguments.out {
        refuse_existing("--out", out)?;
    }
    let ruler = fitted(Path::new(&arguments.from), spec)?;
    if let Some(out) = &arguments.out {
        expect_tells_apart(&ruler, arguments.force)?;
        let made = spec.display();
        let text = format!(
            "# Made by pycno ruler fit from {made}, which says what is in it and how.\n\n{}",
            ruler.to_toml()?
        );
        // What cannot be read back is not written.
        Ruler::parse(&text)?;
        atomic::write_file(out, text.as_bytes())?;
    }
    let names = ruler.task_names();
    if arguments.json {
        let tasks = names.iter().map(|name| shown::document(&ruler, name));
        let mut all = density::document::ruler(&ruler);
        all["tasks"] = tasks.collect::<anyhow::Result<Vec<_>>>()?.into();
        return show_json(&all);
    }
    let tasks = names.iter().map(|name| shown::readable(&ruler, name));
    let tasks = tasks.collect::<anyhow::Result<Vec<_>>>()?.join("\n");
    let written =
        arguments.out.as_ref().map_or_else(String::new, |out| format!("\n{}\n", out.display()));
    show(&format!("{}\n{tasks}{written}", shown::head(&ruler)))?;
    Ok(())
}

/// Refuses a ruler by which a score hardly tells one size from another.
fn expect_tells_apart(ruler: &Ruler, force: bool) -> anyhow::Result<()> {
    let poor = ruler.poor_tasks();
    let poor: Vec<String> = poor.into_iter().map(|(task, why)| format!("{task} ({why})")).collect();
    ensure!(
        force || poor.is_empty(),
        "scores hardly tell one size from another on {}; --force writes the ruler all the same",
        poor.join(", "),
    );
    Ok(())
}

fn fitted(runs: &Path, spec: &Path) -> anyhow::Result<Ruler> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let text = read(spec)?;
    let mut parsed: RulerSpec = RulerSpec::parse(&text)
        .with_context(|| format!("{} is no specification", spec.display()))?;
    ensure!(parsed.models.is_empty(), "{}: models come from the table alone", spec.display());
    let table = read(runs)?;
    parsed.models = reference_models(&table).with_context(|| runs.display().to_string())?;
    Ruler::fit(parsed).with_context(|| format!("{} by {}", runs.display(), spec.display()))
}

/// How far a refit is from a file.
struct Differences {
    task: String,
    published: bool,
    constants: f64,
    /// Of root mean squared residuals.
    residual: f64,
    same_minima: bool,
}

fn again(arguments: &FitArguments) -> anyhow::Result<()> {
    let is_table = Path::new(&arguments.from).extension().is_some_and(|ending| ending == "csv");
    ensure!(!is_table, "a table of runs needs --spec SPEC.toml, got {} alone", arguments.from);
    let file = density::balance::ruler(&arguments.from)?;
    let refit = Ruler::fit(file.spec()).with_context(|| format!("ruler {}", arguments.from))?;
    let found = file.task_names().into_iter().map(|name| differences(&file, &refit, name));
    let found = found.collect::<anyhow::Result<Vec<Differences>>>()?;
    if arguments.json {
        return show_json(&json!({
            "ruler": density::document::ruler(&file),
            "refit_hash": refit.hash(),
            "tasks": found.iter().map(document).collect::<Vec<_>>(),
        }));
    }
    show(&readable(&file, &refit, &found))?;
    Ok(())
}

fn differences(file: &Ruler, refit: &Ruler, name: &str) -> anyhow::Result<Differences> {
    let (old, new) = (file.task(name)?, refit.task(name)?);
    let cards = [(Some(&old.card.score), Some(&new.card.score))]
        .into_iter()
        .chain([(old.card.loss.as_ref(), new.card.loss.as_ref())]);
    let cards: Vec<(&FitCard, &FitCard)> = cards.filter_map(|(a, b)| a.zip(b)).collect();
    let residual =
        |(a, b): &(&FitCard, &FitCard)| constants::difference(a.residual_rms, b.residual_rms);
    let same = |(a, b): &(&FitCard, &FitCard)| {
        let chosen = |card: &FitCard| card.minima.iter().position(|minimum| minimum.chosen);
        a.minima.len() == b.minima.len() && chosen(a) == chosen(b)
    };
    Ok(Differences {
        task: name.to_owned(),
        published: old.spec.published.is_some(),
        constants: constants::largest_difference(&old.law.constants(), &new.law.constants()),
        residual: cards.iter().map(residual).fold(0.0, f64::max),
        same_minima: cards.iter().all(same),
    })
}

fn readable(file: &Ruler, refit: &Ruler, found: &[Differences]) -> String {
    let head = ["task", "constants", "largest difference", "residual rms", "minima"];
    let mut rows = vec![table::row(head)];
    rows.extend(found.iter().map(|one| {
        vec![
            one.task.clone(),
            if one.published { "published" } else { "fitted" }.to_owned(),
            words::number(one.constants),
            words::number(one.residual),
            if one.same_minima { "the same" } else { "others" }.to_owned(),
        ]
    }));
    let differ =
        |one: &&Differences| one.constants > SAME || one.residual > SAME || !one.same_minima;
    let different: Vec<&str> = found.iter().filter(differ).map(|one| one.task.as_str()).collect();
    let verdict = if file.hash() == refit.hash() {
        "The refit is the file, bit for bit.".to_owned()
    } else if different.is_empty() {
        format!("The refit is the file up to {SAME:e}.")
    } else {
        format!("The refit differs from the file on {}.", different.join(", "))
    };
    format!(
        "{}\nRelative differences between ruler {} and a fit of its own points. {verdict}\n",
        table::layout(&rows),
        file.family().name,
    )
}

fn document(one: &Differences) -> Value {
    json!({
        "task": one.task,
        "published": one.published,
        "constants_relative_difference": one.constants,
        "residual_rms_relative_difference": one.residual,
        "same_minima": one.same_minima,
    })
}
