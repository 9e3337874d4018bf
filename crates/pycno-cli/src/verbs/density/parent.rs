//! A model against its parent: the ratio of their densities over the same draws of the ruler.

use std::collections::BTreeMap;

use pycno_density::{Comparison, holm};
use serde_json::{Value, json};

use super::{
    balance::{Reading, Weighing},
    document::interval,
};
use crate::words;

/// Student over parent, on the mean and on each task.
pub(super) struct Against {
    pub(super) parent: String,
    pub(super) ratios: Vec<Ratio>,
    /// Why there is no ratio, or none with an interval.
    pub(super) note: Option<String>,
}

/// A ratio of two densities.
pub(super) struct Ratio {
    /// The task, or the name of the mean.
    pub(super) of: String,
    pub(super) value: Option<f64>,
    /// Interval and verdict; none where the error of a score is unknown.
    pub(super) compared: Option<Comparison>,
    /// Two-sided p of equal density, adjusted over the tasks; none of the mean.
    pub(super) adjusted_p: Option<f64>,
}

impl Against {
    /// Compares a model with its parent.
    pub(super) fn new(name: &str, parent: &Weighing, child: &Weighing) -> anyhow::Result<Self> {
        let tasks = |of: &Weighing| of.tasks.iter().map(|one| one.of.clone()).collect::<Vec<_>>();
        let named = |ratios, note| Self { parent: name.to_owned(), ratios, note };
        if tasks(parent) != tasks(child) {
            let (parent, child) = (tasks(parent).join(", "), tasks(child).join(", "));
            let note = format!("scored on {child}, but its parent {name} on {parent}");
            return Ok(named(Vec::new(), Some(note)));
        }
        let mut ratios: Vec<Ratio> =
            child.readings().zip(parent.readings()).map(|(a, b)| Ratio::points(a, b)).collect();
        if !(parent.is_drawn() && child.is_drawn()) {
            let note = "no interval, as the error of a score is unknown".to_owned();
            return Ok(named(ratios, Some(note)));
        }
        let drawn = drawn(parent, child)?;
        for ratio in &mut ratios {
            if let Some((comparison, p)) = drawn.by_task.get(&ratio.of) {
                (ratio.compared, ratio.adjusted_p) = (Some(*comparison), Some(*p));
            } else {
                ratio.compared = drawn.overall;
            }
        }
        Ok(named(ratios, None))
    }
}

impl Ratio {
    fn points(child: &Reading, parent: &Reading) -> Self {
        let value = child.density.zip(parent.density).map(|(child, parent)| child / parent);
        Self { of: child.of.clone(), value, compared: None, adjusted_p: None }
    }
}

/// Comparisons by draws.
struct Drawn {
    overall: Option<Comparison>,
    by_task: BTreeMap<String, (Comparison, f64)>,
}

/// Where tasks were drawn one by one, Holm's adjustment is made over them here.
fn drawn(parent: &Weighing, child: &Weighing) -> anyhow::Result<Drawn> {
    let pairs = parent.weighed.iter().zip(&child.weighed);
    let compared =
        pairs.map(|(parent, child)| parent.compare(child)).collect::<Result<Vec<_>, _>>()?;
    let overall = child.overall.as_ref().and(compared.first()).map(|one| one.overall);
    let p: BTreeMap<&String, f64> =
        compared.iter().flat_map(|one| &one.adjusted_p).map(|(task, p)| (task, *p)).collect();
    let p = if compared.len() > 1 {
        let adjusted = holm(&p.values().copied().collect::<Vec<_>>())?;
        p.into_keys().zip(adjusted).collect()
    } else {
        p
    };
    let by_task = compared.iter().flat_map(|one| &one.by_task);
    let by_task = by_task.filter_map(|(task, of)| Some((task.clone(), (*of, *p.get(task)?))));
    Ok(Drawn { overall, by_task: by_task.collect() })
}

/// Rows under `model, parent, of, ratio, 95 % interval, verdict, p`.
pub(super) fn rows(model: &str, against: &Against) -> Vec<Vec<String>> {
    let row = |ratio: &Ratio| {
        let compared = ratio.compared.as_ref();
        let interval = compared.map(|found| found.interval);
        vec![
            model.to_owned(),
            against.parent.clone(),
            ratio.of.clone(),
            words::point(ratio.value, interval.as_ref()),
            interval.map_or_else(String::new, |found| words::interval(&found)),
            compared.map_or("", |found| words::verdict(found.verdict)).to_owned(),
            ratio.adjusted_p.map_or_else(String::new, words::number),
        ]
    };
    against.ratios.iter().map(row).collect()
}

pub(super) fn document(against: &Against) -> Value {
    let ratio = |ratio: &Ratio| {
        json!({
            "of": ratio.of,
            "density_ratio": ratio.value,
            "interval": ratio.compared.as_ref().map(|found| interval(&found.interval)),
            "interval_over_runs":
                ratio.compared.and_then(|found| found.over_runs).as_ref().map(interval),
            "verdict": ratio.compared.as_ref().map(|found| words::verdict(found.verdict)),
            "holm_p": ratio.adjusted_p,
        })
    };
    json!({
        "parent": against.parent,
        "ratios": against.ratios.iter().map(ratio).collect::<Vec<_>>(),
        "note": against.note,
    })
}
