//! A family as the table that `pycno ruler fit` reads.

use super::{FamilyConfig, Trained};

/// One row a model: `run,suite,cluster,params,tokens`, then loss and score of every task.
pub(super) fn runs(config: &FamilyConfig, trained: &[Trained]) -> String {
    let tasks = trained.first().map_or(&[][..], |first| &first.scores);
    let mut head = "run,suite,cluster,params,tokens,loss:held_out".to_owned();
    for score in tasks {
        head += &format!(",loss:{0},score:{0}", score.task);
    }
    let row = |model: &Trained| {
        let mut row = format!(
            "{},{},{},{},{},{}",
            model.name,
            config.family.name,
            model.size,
            model.params.0,
            model.tokens.0,
            model.held_out_loss
        );
        for score in &model.scores {
            let percent = score.score.map_or_else(String::new, |score| score.percent().to_string());
            row += &format!(",{},{percent}", score.gold_loss.0);
        }
        row
    };
    let rows = trained.iter().map(row);
    let lines: Vec<String> = std::iter::once(head).chain(rows).collect();
    format!("{}\n", lines.join("\n"))
}
