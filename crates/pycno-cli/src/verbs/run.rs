//! `pycno run`: a whole study.

use anyhow::Context as _;
use pycno_study::{RunContext, StudyFile};

use super::{report, show};
use crate::{args::RunArguments, bars::Bars, environment, table, words};

pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let given = &arguments.study;
    let file = StudyFile::read(&given.study, &given.set)?;
    environment::use_threads(given.places.threads.or(file.config.compute.threads))?;
    let (root, store) = environment::run_and_store(&arguments.run, &file.config.study.name)?;
    let run = RunContext {
        root: root.clone(),
        store,
        command: command(arguments),
        environment: environment::of(&given.places)?,
    };
    let record = pycno_study::run(&file, &run, &mut Bars::new())
        .with_context(|| format!("study {}", given.study.display()))?;
    let written = report::write(&record, &root)?;
    show(&summary(&record))?;
    show(&format!(
        "\nreport  {}\nrecord  {}\n",
        written.display(),
        root.join("record.json").display()
    ))?;
    Ok(())
}

/// The command that repeats the run, without the places of this machine.
fn command(arguments: &RunArguments) -> String {
    let study = &arguments.study;
    let mut words = vec![format!("pycno run {}", study.study.display())];
    words.extend(study.set.iter().map(|set| format!("--set '{set}'")));
    words.push(format!("--device {}", study.places.device));
    words.join(" ")
}

fn summary(record: &pycno_record::Record) -> String {
    let head = ["model", "non-embedding", "mean score", "density", "ratio to teacher", "verdict"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(record.models.iter().map(|model| {
        let weighing = &model.weighing;
        let against = weighing.against_teacher.as_ref();
        vec![
            model.name.clone(),
            model.sizes.non_embedding.to_string(),
            weighing.mean_score.to_string(),
            words::density(&weighing.overall),
            against.map_or_else(String::new, words::ratio),
            against.map_or("", |c| words::verdict(c.verdict)).to_owned(),
        ]
    }));
    format!("\n{}\n{}", record.study.question, table::layout(&rows))
}
