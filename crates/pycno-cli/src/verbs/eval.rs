//! `pycno eval`: scores of one model.

use pycno_record::{TaskScore, atomic};
use pycno_study::{EvalRequest, single};
use pycno_units::Seed;

use super::show;
use crate::{args::EvalArguments, bars::Bars, environment, table};

pub(crate) fn eval(arguments: &EvalArguments) -> anyhow::Result<()> {
    let order = EvalRequest {
        model: arguments.model.clone(),
        tasks: arguments.tasks.clone(),
        limit: arguments.limit,
        seed: Seed(arguments.seed),
        out: arguments.out.clone(),
    };
    environment::use_threads(arguments.places.threads)?;
    let environment = environment::of(&arguments.places)?;
    let scores = single::eval(&order, &environment, &mut Bars::new())?;
    if let Some(out) = &arguments.out {
        atomic::write_file(&out.join("scores.json"), &serde_json::to_vec_pretty(&scores)?)?;
    }
    show(&readable(&scores))?;
    Ok(())
}

fn readable(scores: &[TaskScore]) -> String {
    let head =
        ["task", "metric", "score", "stderr", "n", "of", "gold nats/token", "gold bits/byte"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(scores.iter().map(|score| {
        vec![
            score.task.clone(),
            score.metric.clone(),
            score.score.map_or_else(String::new, |s| s.to_string()),
            score.stderr.map_or_else(String::new, |s| format!("{s:.2}")),
            score.n.to_string(),
            score.n_available.to_string(),
            format!("{:.4}", score.gold_loss.0),
            format!("{:.4}", score.gold_bits.0),
        ]
    }));
    table::layout(&rows)
}
