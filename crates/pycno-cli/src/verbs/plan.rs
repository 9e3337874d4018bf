//! `pycno plan`: what a study would do.

use pycno_study::{PlannedModel, StudyFile};

use super::show;
use crate::{args::StudyArguments, environment, table};

pub(crate) fn plan(arguments: &StudyArguments) -> anyhow::Result<()> {
    let file = StudyFile::read(&arguments.study, &arguments.set)?;
    let planned = pycno_study::plan(&file, &environment::of(&arguments.places)?)?;
    let head = [
        "model",
        "from",
        "made by",
        "layers",
        "total",
        "non-embedding",
        "PFLOP to train",
        "memory",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(planned.iter().map(row));
    let tasks = file.config.eval.tasks.join(", ");
    let limit = file.config.eval.limit.map_or("all".to_owned(), |n| format!("at most {n}"));
    show(&format!(
        "{}\n\n{}\neach scored on {tasks} ({limit} items per task), weighed with ruler {} on {}\n",
        file.config.study.question,
        table::layout(&rows),
        file.config.ruler.name,
        file.config.ruler.tasks.join(", "),
    ))?;
    Ok(())
}

fn row(model: &PlannedModel) -> Vec<String> {
    vec![
        model.name.clone(),
        model.from.clone().unwrap_or_default(),
        model.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        model.n_layers.to_string(),
        model.counts.total.to_string(),
        model.counts.non_embedding.to_string(),
        model.training.map_or_else(String::new, |flops| format!("{:.2}", flops.0 / 1e15)),
        model.memory.to_string(),
    ]
}
