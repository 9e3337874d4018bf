//! What a reader must know before quoting a number: limits, extrapolations, floors, doubts.

use std::collections::BTreeMap;

use pycno_density::{Effective, Interval};
use pycno_record::{ModelRecord, Record};

use crate::{number, tables, words};

/// Every deviation from a full, interpolated, clean measurement, a sentence each.
pub(crate) fn limits(record: &Record) -> Vec<String> {
    let mut found = item_limits(record);
    found.extend(record.models.iter().filter_map(no_size));
    found.extend(record.models.iter().filter_map(task_floors));
    found.extend(record.models.iter().filter_map(undefined_draws));
    found.extend(record.models.iter().filter_map(zeros));
    found.extend(record.models.iter().filter_map(|model| other_prompts(record, model)));
    found.extend(off_ruler(record));
    found.extend(tree(record));
    found
}

/// Tasks scored on a part of their items; once a task where all models agree.
fn item_limits(record: &Record) -> Vec<String> {
    let mut seen: BTreeMap<(String, usize, usize), Vec<&str>> = BTreeMap::new();
    for model in &record.models {
        for task in model.tasks.iter().filter(|task| task.n < task.n_available) {
            let key = (task.task.clone(), task.n, task.n_available);
            seen.entry(key).or_default().push(&model.name);
        }
    }
    seen.into_iter()
        .map(|((task, n, all), names)| {
            let (n, all) = (number::count(n), number::count(all));
            let whom = who(record, &names);
            format!("Limit: {task} was scored on {n} of {all} items{whom}.")
        })
        .collect()
}

fn who(record: &Record, names: &[&str]) -> String {
    if names.len() == record.models.len() {
        " for every model".to_owned()
    } else {
        format!(" for {}", names.join(", "))
    }
}

fn no_size(model: &ModelRecord) -> Option<String> {
    let name = &model.name;
    let score = model.weighing.mean_score.percent();
    match model.weighing.overall.effective {
        Effective::Inside { .. } => None,
        Effective::Extrapolated { params, factor } => Some(format!(
            "Extrapolated: {name}'s effective size of {params} lies {} the reference models; the \
             law is not checked there.",
            number::beyond(factor)
        )),
        Effective::BelowFloor { floor } => Some(format!(
            "At chance: {name}'s mean score of {score:.1} is at or below the ruler's floor of \
             {:.1}; it has no effective size and no density.",
            floor.percent()
        )),
        Effective::AboveCeiling { ceiling } => Some(format!(
            "Above the ruler: {name}'s mean score of {score:.1} is at or above the ceiling of \
             {:.1}; it has no effective size.",
            ceiling.percent()
        )),
        Effective::BeyondReference { limit } => Some(format!(
            "Beyond the ruler: {name}'s mean score of {score:.1} is out of reach of a reference \
             model of any size, which ends at {:.1}; it has no effective size.",
            limit.percent()
        )),
    }
}

fn task_floors(model: &ModelRecord) -> Option<String> {
    let at_floor = |effective| matches!(effective, Effective::BelowFloor { .. });
    let tasks = model.weighing.by_task.iter().filter(|(_, density)| at_floor(density.effective));
    let names: Vec<_> = tasks.map(|(task, _)| task.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!("Tasks at chance: {} is at or below the floor on {}.", model.name, names.join(", "))
    })
}

/// Shares of bootstrap draws without a value, which open the interval's end.
fn undefined_draws(model: &ModelRecord) -> Option<String> {
    let density = &model.weighing.overall.interval;
    let ratio = model.weighing.against_teacher.map(|against| against.interval);
    let part = |interval: &Interval, what| {
        (interval.undefined > 0.0)
            .then(|| format!("{} of the draws of its {what}", percent_of(interval.undefined)))
    };
    let parts: Vec<_> = [part(density, "density"), ratio.and_then(|r| part(&r, "ratio"))]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty())
        .then(|| format!("Undefined draws: {}: {} have no value.", model.name, parts.join(" and ")))
}

/// A share that is not zero never reads as zero.
fn percent_of(share: f64) -> String {
    if share < 0.001 { "less than 0.1 %".to_owned() } else { number::percent(share) }
}

fn zeros(model: &ModelRecord) -> Option<String> {
    let sizes = model.sizes;
    if sizes.non_zero.0 >= sizes.non_embedding.0 || sizes.non_zero.0 <= 0.0 {
        return None;
    }
    let params = model.weighing.overall.effective.params()?;
    Some(format!(
        "Zeros: {} of {}'s {} non-embedding parameters are not zero; by these alone its density \
         would be {}.",
        sizes.non_zero,
        model.name,
        sizes.non_embedding,
        number::ratio(params.0 / sizes.non_zero.0)
    ))
}

fn other_prompts(record: &Record, model: &ModelRecord) -> Option<String> {
    let teacher = words::teacher(record)?;
    let differs = |task: &&pycno_record::TaskScore| {
        let twin = teacher.tasks.iter().find(|other| other.task == task.task);
        twin.is_none_or(|other| other.prompts_hash != task.prompts_hash)
    };
    let names: Vec<_> = model.tasks.iter().filter(differs).map(|task| task.task.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "Not paired: {} saw other items than the teacher on {}.",
            model.name,
            names.join(", ")
        )
    })
}

fn off_ruler(record: &Record) -> Option<String> {
    let names: Vec<_> = tables::task_names(record)
        .into_iter()
        .filter(|task| !record.ruler.curves.contains_key(task))
        .collect();
    (!names.is_empty()).then(|| {
        format!("Off the ruler: {} has no curve and is not part of density.", names.join(", "))
    })
}

fn tree(record: &Record) -> Option<String> {
    record.provenance.dirty.then(|| {
        "Uncommitted changes: the build's source differs from the commit it names.".to_owned()
    })
}
