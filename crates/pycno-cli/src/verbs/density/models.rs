//! `pycno density --models`: a table of models, each weighed, and against its parent where it has one.

use std::path::Path;

use anyhow::{Context as _, ensure};
use pycno_record::atomic;
use serde_json::{Value, json};

use super::{
    balance::{Balance, Reading, Weighing},
    cells, document, footer,
    model::{self, Model},
    parent::{self, Against},
    sizes,
};
use crate::{
    args::DensityArguments,
    sheet::Sheet,
    table,
    verbs::{refuse_existing, show, show_json},
    words,
};

/// What the table of ratios says below itself.
const RATIO_NOTE: &str = "\
Ratio: density over the parent's, both on the same draws of the ruler. The verdict is the interval's; \
p is\ntwo-sided, for equal density, adjusted over the tasks (Holm).";

/// A row and what came of it.
struct Weighed {
    model: Model,
    weighing: Weighing,
    against: Option<Against>,
}

pub(super) fn density(
    arguments: &DensityArguments,
    balance: &mut Balance,
    path: &Path,
) -> anyhow::Result<()> {
    if let Some(out) = &arguments.csv {
        refuse_existing("--csv", out)?;
    }
    let models = model::read(&Sheet::read(path)?, &balance.ruler)?;
    let mut weighings = Vec::new();
    for model in &models {
        let found = balance.weigh(&model.name, model.params, &model.scores);
        weighings
            .push(found.with_context(|| format!("{}, model {:?}", path.display(), model.name))?);
    }
    let against = models.iter().zip(&weighings).map(|(model, child)| {
        let Some(name) = &model.parent else { return Ok(None) };
        let index = models.iter().position(|other| other.name == *name);
        index.map(|index| Against::new(name, &weighings[index], child)).transpose()
    });
    let against = against.collect::<anyhow::Result<Vec<_>>>()?;
    let parts = models.into_iter().zip(weighings).zip(against);
    let weighed: Vec<Weighed> =
        parts.map(|((model, weighing), against)| Weighed { model, weighing, against }).collect();
    let written = arguments.csv.as_ref().map(|out| census(&weighed, out)).transpose()?;
    if arguments.json {
        return show_json(&document(balance, &weighed)?);
    }
    let all: Vec<&Weighing> = weighed.iter().map(|one| &one.weighing).collect();
    let mut text = readable(&weighed) + "\n" + &footer(balance, &all);
    text += &ratios(&weighed);
    text += &written.unwrap_or_default();
    show(&text)?;
    Ok(())
}

/// A row per model, or a row per task where several tasks have no mean.
fn readable(weighed: &[Weighed]) -> String {
    let head =
        ["model", "size", "of", "score", "effective size", "density", "95 % interval", "note"];
    let mut rows = vec![table::row(head)];
    for Weighed { model, weighing, .. } in weighed {
        rows.extend(weighing.leading().into_iter().map(|reading| row(model, reading)));
    }
    table::layout(&rows)
}

fn row(model: &Model, reading: &Reading) -> Vec<String> {
    let mut row = vec![model.name.clone(), model.params.to_string(), reading.of.clone()];
    row.push(reading.score.to_string());
    row.extend(cells(model.params, reading));
    row.push(words::flag(&reading.effective));
    row
}

/// The second table: models against their parents.
fn ratios(weighed: &[Weighed]) -> String {
    let against =
        || weighed.iter().filter_map(|one| Some((&one.model.name, one.against.as_ref()?)));
    if against().next().is_none() {
        return String::new();
    }
    let head = ["model", "parent", "of", "ratio", "95 % interval", "verdict", "Holm p"];
    let mut rows = vec![table::row(head)];
    rows.extend(against().flat_map(|(name, against)| parent::rows(name, against)));
    let notes = against().filter_map(|(name, against)| Some((name, against.note.as_ref()?)));
    let mut parts = vec![String::new(), table::layout(&rows), RATIO_NOTE.to_owned()];
    parts.extend(notes.map(|(name, note)| format!("{name}: {note}.")));
    parts.join("\n") + "\n"
}

fn document(balance: &Balance, weighed: &[Weighed]) -> anyhow::Result<Value> {
    let mut document = document::balance(balance);
    let mut models = Vec::new();
    for Weighed { model, weighing, against } in weighed {
        let mut one = json!({
            "model": model.name,
            "date": model.date.map(|date| date.to_string()),
        });
        if let (Some(one), Value::Object(more)) =
            (one.as_object_mut(), document::weighing(weighing))
        {
            one.extend(more);
        }
        let by_rule = model.sizes.as_ref().map(sizes::by_rule).transpose()?;
        one["sizes"] = by_rule.map_or(Value::Null, |found| sizes::document(weighing, &found));
        one["against_parent"] = against.as_ref().map_or(Value::Null, parent::document);
        models.push(one);
    }
    document["models"] = models.into();
    Ok(document)
}

/// Writes the census of the dated models that have a density, and says who is not in it.
fn census(weighed: &[Weighed], out: &Path) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["model", "date", "density"])?;
    let mut without = Vec::new();
    let mut first: Option<&Weighed> = None;
    for one in weighed {
        let Weighed { model, weighing, .. } = one;
        let (date, density) = (model.date, weighing.density());
        let (Some(date), Some(density)) = (date, density) else {
            let why = if date.is_none() { "no date" } else { "no density" };
            without.push(format!("{} ({why})", model.name));
            continue;
        };
        let (first, tasks) = (first.get_or_insert(one), |of: &Model| of.tasks().join(", "));
        ensure!(
            tasks(&first.model) == tasks(model),
            "--csv: a census needs models weighed on the same tasks, got {} on {} and {} on {}",
            first.model.name,
            tasks(&first.model),
            model.name,
            tasks(model),
        );
        writer.write_record([&model.name, &date.to_string(), &density.to_string()])?;
    }
    ensure!(first.is_some(), "--csv: no model of the table has both a date and a density");
    let bytes = writer.into_inner().context("--csv")?;
    atomic::write_file(out, &bytes)?;
    let written = weighed.len() - without.len();
    let without = without.join(", ");
    let without = if without.is_empty() { without } else { format!("; left out: {without}") };
    Ok(format!("\n{}: {written} models, for pycno trend{without}\n", out.display()))
}
