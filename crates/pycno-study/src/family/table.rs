//! A family as the table that `pycno ruler fit` reads.

use super::{FamilyConfig, Trained};

/// One row per model: `run,suite,cluster,params,tokens`, then loss and score of every task.
pub(super) fn runs(config: &FamilyConfig, trained: &[Trained]) -> String {
    let tasks = trained.first().map_or(&[][..], |first| &first.scores);
    let columns = tasks.iter().map(|score| format!(",loss:{0},score:{0}", score.task));
    let head =
        format!("run,suite,cluster,params,tokens,loss:held_out{}", columns.collect::<String>());
    let seeded = config.seeded();
    let suite = |model: &Trained| {
        let own = seeded.iter().find(|of| of.name == model.size);
        own.and_then(|of| of.size.suite.as_ref()).unwrap_or(&config.family.name)
    };
    let rows = trained.iter().map(|model| row(config, suite(model), model));
    let lines: Vec<String> = std::iter::once(head).chain(rows).collect();
    format!("{}\n", lines.join("\n"))
}

fn row(config: &FamilyConfig, suite: &str, model: &Trained) -> String {
    let Trained { name, size, params, tokens, held_out_loss, scores, .. } = model;
    let cells = scores.iter().map(|score| {
        let whose = config.eval.loss_of.get(&score.task).unwrap_or(&score.task);
        let beside = scores.iter().find(|other| other.task == *whose).unwrap_or(score);
        let percent = score.score.map_or_else(String::new, |score| score.percent().to_string());
        format!(",{},{percent}", beside.gold_loss.0)
    });
    let cells: String = cells.collect();
    format!("{name},{suite},{size},{},{},{held_out_loss}{cells}", params.0, tokens.0)
}
