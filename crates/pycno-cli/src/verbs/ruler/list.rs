//! `pycno ruler list`: the rulers that travel in the binary.

use pycno_density::Ruler;
use pycno_study::shipped;
use serde_json::{Value, json};

use crate::{
    args::ListArguments,
    table,
    verbs::{density, show, show_json},
};

/// Digits of a hash that tell rulers apart at a glance.
const HASH_DIGITS: usize = 12;

pub(super) fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let names = shipped::ruler_names();
    let rulers = names.iter().map(|name| density::balance::ruler(name));
    let rulers = rulers.collect::<anyhow::Result<Vec<Ruler>>>()?;
    if arguments.json {
        return show_json(&json!({ "rulers": rulers.iter().map(document).collect::<Vec<_>>() }));
    }
    let mut rows = vec![table::row(["ruler", "D0", "laws", "tasks", "license", "hash"])];
    rows.extend(rulers.iter().map(row));
    let details: Vec<String> = rulers.iter().map(details).collect();
    show(&format!("{}\n{}", table::layout(&rows), details.join("\n")))?;
    Ok(())
}

fn row(ruler: &Ruler) -> Vec<String> {
    let family = ruler.family();
    vec![
        family.name.clone(),
        family.tokens.to_string(),
        kind(ruler).to_owned(),
        ruler.task_names().len().to_string(),
        family.license.clone(),
        ruler.hash().chars().take(HASH_DIGITS).collect(),
    ]
}

fn kind(ruler: &Ruler) -> &'static str {
    use pycno_density::Recipe;
    let spec = ruler.spec();
    let steps = |direct: bool| {
        spec.tasks.iter().all(|task| matches!(task.recipe, Recipe::Direct(_)) == direct)
    };
    match (steps(true), steps(false)) {
        (true, _) => "size to score",
        (_, true) => "size to loss to score",
        _ => "mixed",
    }
}

fn details(ruler: &Ruler) -> String {
    let family = ruler.family();
    format!(
        "{}\n  tasks   {}\n  source  {}\n",
        family.name,
        ruler.task_names().join(", "),
        family.source
    )
}

fn document(ruler: &Ruler) -> Value {
    let family = ruler.family();
    json!({
        "name": family.name,
        "d0_tokens": family.tokens.0,
        "laws": kind(ruler),
        "tasks": ruler.task_names(),
        "source": family.source,
        "license": family.license,
        "hash": ruler.hash(),
    })
}
