//! `pycno train`: a family of models from scratch.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use pycno_study::{FamilyFile, RunContext, Trained, train_family};

use super::show;
use crate::{args::TrainArguments, bars::Bars, environment, table};

pub(crate) fn train(arguments: &TrainArguments) -> anyhow::Result<()> {
    let file = FamilyFile::read(&arguments.family, &arguments.set)?;
    environment::use_threads(arguments.places.threads)?;
    let name = &file.config.family.name;
    let (root, store) = environment::run_and_store(&arguments.run, name)?;
    let run = RunContext {
        root: root.clone(),
        store,
        command: format!("pycno train {}", arguments.family.display()),
        environment: environment::of(&arguments.places)?,
    };
    let threads = NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or(threads);
    let trained = train_family(&file, &run, jobs, &mut Bars::new())
        .with_context(|| format!("family {}", arguments.family.display()))?;
    show(&readable(&trained))?;
    show(&format!("\ntable   {}\n", root.join("runs.csv").display()))?;
    Ok(())
}

/// One row per model; a task has its score and the loss of its right answers.
fn readable(trained: &[Trained]) -> String {
    let tasks = trained.first().map_or(&[][..], |first| &first.scores);
    let mut head: Vec<String> =
        ["model", "non-embedding", "tokens", "held-out"].map(str::to_owned).to_vec();
    head.extend(tasks.iter().map(|score| score.task.clone()));
    let mut rows = vec![head];
    rows.extend(trained.iter().map(|model| {
        let mut row = vec![
            model.name.clone(),
            model.params.to_string(),
            model.tokens.to_string(),
            format!("{:.4}", model.held_out_loss),
        ];
        row.extend(model.scores.iter().map(|score| {
            let percent = score.score.map_or_else(|| "-".to_owned(), |score| score.to_string());
            format!("{percent} ({:.3})", score.gold_loss.0)
        }));
        row
    }));
    table::layout(&rows)
}
