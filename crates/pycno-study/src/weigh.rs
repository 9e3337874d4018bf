//! Weighing: scores to densities, students against their teacher, all with the same draws.

use std::collections::BTreeMap;

use pycno_density::{Compared, Evidence, ItemResults, RulerDraws, Subject, Weighed};
use pycno_eval::TaskOutcome;
use pycno_record::Weighing;
use pycno_units::ParamCount;

use crate::{StudyError, resolve::Study};

/// What is weighed of a model: its size and what it got right.
pub(crate) struct Scored<'a> {
    pub(crate) name: &'a str,
    pub(crate) params: ParamCount,
    pub(crate) outcomes: &'a [TaskOutcome],
}

/// Weighs the models of a study; the first is the teacher.
pub(crate) fn weigh(study: &Study, models: &[Scored<'_>]) -> Result<Vec<Weighing>, StudyError> {
    let tasks: Vec<&str> = study.config.ruler.tasks.iter().map(String::as_str).collect();
    let seed = study.config.study.seed.split("density");
    let draws = RulerDraws::new(&study.ruler, &tasks, seed, study.config.ruler.draws)?;
    let subjects = models.iter().map(|model| subject(model, &tasks));
    let weighed: Vec<Weighed> =
        subjects.map(|subject| draws.weigh(&subject)).collect::<Result<_, _>>()?;
    let Some(teacher) = weighed.first() else { return Ok(Vec::new()) };
    let weighing = |(i, model): (usize, &Weighed)| {
        let compared = if i == 0 { None } else { Some(teacher.compare(model)?) };
        Ok(in_record(model, compared))
    };
    weighed.iter().enumerate().map(weighing).collect()
}

fn subject(model: &Scored<'_>, tasks: &[&str]) -> Subject {
    let on_ruler = model.outcomes.iter().filter(|outcome| tasks.contains(&outcome.task.as_str()));
    Subject {
        name: model.name.to_owned(),
        params: model.params,
        tasks: on_ruler.map(task_items).map(Evidence::Items).collect(),
    }
}

/// Strata count only where a task has them.
pub(crate) fn task_items(outcome: &TaskOutcome) -> ItemResults {
    ItemResults {
        task: outcome.task.clone(),
        metric: outcome.metric.name().to_owned(),
        results: outcome.items.iter().map(|item| item.score).collect(),
        strata: outcome.items.iter().map(|item| item.stratum.clone()).collect(),
    }
}

fn in_record(model: &Weighed, compared: Option<Compared>) -> Weighing {
    let by_task =
        |(name, weight): (&String, &pycno_density::Weight)| (name.clone(), weight.density);
    Weighing {
        mean_score: model.overall.score,
        overall: model.overall.density,
        by_task: model.by_task.iter().map(by_task).collect(),
        against_teacher: compared.as_ref().map(|compared| compared.overall),
        by_task_against_teacher: compared.map_or_else(BTreeMap::new, |compared| compared.by_task),
    }
}
