//! `pycno ruler show`: constants and fit cards.

use pycno_density::{Constants, Ruler, RulerTask, ScoreLaw};
use serde_json::{Value, json};

use super::{card, constants};
use crate::{
    args::ShowArguments,
    table,
    verbs::{self, density, show_json},
};

pub(super) fn show(arguments: &ShowArguments) -> anyhow::Result<()> {
    let ruler = density::balance::ruler(&arguments.ruler)?;
    let names = match &arguments.task {
        Some(task) => vec![task.as_str()],
        None => ruler.task_names(),
    };
    if arguments.json {
        let tasks =
            names.iter().map(|name| document(&ruler, name)).collect::<anyhow::Result<Vec<_>>>();
        let mut all = density::document::ruler(&ruler);
        all["tasks"] = tasks?.into();
        return show_json(&all);
    }
    let tasks =
        names.iter().map(|name| readable(&ruler, name)).collect::<anyhow::Result<Vec<_>>>()?;
    verbs::show(&format!("{}\n{}", head(&ruler), tasks.join("\n")))?;
    Ok(())
}

/// What a ruler is.
pub(super) fn head(ruler: &Ruler) -> String {
    let family = ruler.family();
    format!(
        "ruler    {}\nD0       {} tokens\nsource   {}\nlicense  {}\nhash     {}\n",
        family.name,
        family.tokens,
        family.source,
        family.license,
        ruler.hash(),
    )
}

/// A task with its cards.
pub(super) fn readable(ruler: &Ruler, name: &str) -> anyhow::Result<String> {
    let RulerTask { spec, law, other_basin, card } = ruler.task(name)?;
    let constants = law.constants();
    let refit = if spec.published.is_some() { Some(constants::refit(ruler, name)?) } else { None };
    let mut lines = vec![format!("{name} ({})", spec.metric)];
    lines.push(format!("  {}", constants::formula(&constants)));
    let members: Vec<String> = spec.mean_of.iter().map(|tasks| tasks.join(" + ")).collect();
    if !members.is_empty() {
        lines.push(format!("  Mean of {}", members.join(", ")));
    }
    lines.push(format!("  {}", reach(&law)));
    let mut text = lines.join("\n") + "\n";
    if let Some(refit) = &refit {
        let mut rows = vec![table::row(["constant", "published", "refit", "difference"])];
        rows.extend(constants::compared(&constants, refit));
        text += "  Published constants stand; the cards below are of our own fit\n";
        text += &card::indented(&table::layout(&rows));
    }
    let chosen = match refit.as_ref().unwrap_or(&constants) {
        Constants::TwoStep { loss, .. } => Some(loss),
        Constants::Direct { .. } => None,
    };
    Ok(text + &card::readable(card, other_basin, chosen))
}

/// Where a law begins and ends.
fn reach(law: &ScoreLaw) -> String {
    let limit = match law.constants() {
        Constants::Direct { .. } => String::new(),
        Constants::TwoStep { .. } => {
            format!("; at {} tokens sizes end at a score of {}", law.tokens(), law.limit())
        }
    };
    format!(
        "Floor {}, ceiling {}{limit}; reference models {} to {}",
        law.floor(),
        law.ceiling(),
        law.range().smallest,
        law.range().largest,
    )
}

/// The same for `--json`; cards as in the ruler's file.
pub(super) fn document(ruler: &Ruler, name: &str) -> anyhow::Result<Value> {
    let RulerTask { spec, law, other_basin, card } = ruler.task(name)?;
    let constants = law.constants();
    let refit = if spec.published.is_some() { Some(constants::refit(ruler, name)?) } else { None };
    let range = law.range();
    Ok(json!({
        "task": name,
        "metric": spec.metric,
        "mean_of": spec.mean_of,
        "constants": constants::document(&constants),
        "published": spec.published.is_some(),
        "refit_constants": refit.as_ref().map(constants::document),
        "floor_percent": law.floor().percent(),
        "ceiling_percent": law.ceiling().percent(),
        "limit_percent": law.limit().percent(),
        "smallest_reference_params": range.smallest.0,
        "largest_reference_params": range.largest.0,
        "other_basins": other_basin,
        "card": card,
    }))
}
