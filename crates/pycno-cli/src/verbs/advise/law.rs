//! The law that answers: of a task, or of a mean over several, with its draws.

use anyhow::{Context as _, bail, ensure};
use pycno_density::{
    DrawnLaw, Evidence, Ruler, RulerDraws, ScoreError, ScoreSummary, Subject, TaskSpec,
};
use pycno_units::{ParamCount, Score, Seed};
use serde_json::{Value, json};

use super::quantity::Amount;
use crate::{
    args::{Basin, LawArguments},
    verbs::{assumed, density},
    words,
};

pub(super) struct Law {
    ruler: Ruler,
    spec: TaskSpec,
    basin: Basin,
    count: usize,
    seed: Seed,
    draws: RulerDraws,
    /// Whether the loss law has another basin, and the share of the draws that it fits better.
    has_other: bool,
    elsewhere: f64,
}

impl Law {
    /// The law that the flags name, in the basin they ask for.
    pub(super) fn new(arguments: &LawArguments) -> anyhow::Result<Self> {
        let mut ruler = density::balance::ruler(&arguments.ruler)?;
        if arguments.basin == Basin::Other {
            ruler = ruler.in_other_basin().context("--basin other")?;
        }
        let tasks = tasks(&ruler, &arguments.task)?;
        let names: Vec<&str> = tasks.iter().map(String::as_str).collect();
        let place = || format!("--task {}", names.join(","));
        let spec = ruler.mean_law(&names).with_context(place)?.spec;
        // A law fitted here takes the basin of its recipe, not the one asked for.
        let of_ruler = ruler.task_names().contains(&spec.name.as_str());
        ensure!(
            of_ruler || arguments.basin == Basin::Chosen,
            "{}: the ruler's file has no law of this mean in another basin",
            place()
        );
        let (seed, count) = (Seed(arguments.seed), arguments.draws);
        let draws = RulerDraws::new(&ruler, &names, seed, count)?;
        let elsewhere = elsewhere(&draws, &tasks)?;
        let others = ruler.task(&spec.name).map_or(0, |task| task.other_basin.len());
        let has_other = others > 0 || elsewhere > 0.0;
        let basin = arguments.basin;
        Ok(Self { ruler, spec, basin, count, seed, draws, has_other, elsewhere })
    }

    pub(super) fn drawn(&self) -> DrawnLaw<'_> {
        DrawnLaw::mean(&self.draws)
    }

    /// The task, or the name of the mean.
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// What the numbers above rest on.
    pub(super) fn footer(&self, shown: &[&Amount], assumptions: &[&str]) -> String {
        let (family, drawn) = (self.ruler.family(), self.drawn());
        let range = drawn.law().range();
        let mut lines = vec![
            format!(
                "Ruler {}, D0 = {} tokens, reference models {} to {}.",
                family.name, family.tokens, range.smallest, range.largest,
            ),
            format!("Law of {}.", self.described()),
        ];
        lines.push(format!(
            "Intervals: percentiles of {} draws of the ruler's runs, seed {}.",
            self.count, self.seed.0,
        ));
        if shown.iter().any(|amount| amount.is_wide()) {
            lines.push(words::WIDE_NOTE.to_owned());
        }
        let undefined = shown.iter().filter_map(|amount| amount.interval).map(|x| x.undefined);
        let undefined = undefined.fold(0.0, f64::max);
        if undefined > 0.0 {
            lines.push(format!(
                "Up to {:.1} % of the draws have no value; over 2.5 % leave an end open.",
                100.0 * undefined,
            ));
        }
        if self.has_other {
            lines.push(format!(
                "Another basin of the loss law, with other sizes, fits {:.1} % of the draws better \
                 (--basin {}).",
                100.0 * self.elsewhere,
                if self.basin == Basin::Other { "chosen" } else { "other" },
            ));
        }
        format!("\n{}\n{}", lines.join("\n"), assumed(assumptions))
    }

    fn described(&self) -> String {
        let groups: Vec<String> = self.spec.mean_of.iter().map(|group| group.join(" + ")).collect();
        if groups.is_empty() {
            return self.spec.name.clone();
        }
        format!("{}, the mean of {}", self.spec.name, groups.join(", "))
    }

    /// The same for `--json`.
    pub(super) fn document(&self) -> Value {
        json!({
            "ruler": density::document::ruler(&self.ruler),
            "basin": if self.basin == Basin::Other { "other" } else { "chosen" },
            "of": self.spec.name,
            "mean_of": self.spec.mean_of,
            "draws": self.count,
            "seed": self.seed.0,
            "other_basin_share": self.elsewhere,
        })
    }
}

/// The tasks asked for; without any, the one that the ruler itself averages the others in.
fn tasks(ruler: &Ruler, asked: &[String]) -> anyhow::Result<Vec<String>> {
    for task in asked {
        ruler.task(task).with_context(|| format!("--task {task}"))?;
    }
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let tasks = ruler.spec().tasks;
    let means: Vec<&TaskSpec> = tasks.iter().filter(|task| !task.mean_of.is_empty()).collect();
    if let [mean] = means[..] {
        return Ok(vec![mean.name.clone()]);
    }
    let names = ruler.task_names().join(", ");
    bail!(
        "--task is needed: ruler {} has {} of its own; expected one or several of {names}",
        ruler.family().name,
        if means.is_empty() { "no mean" } else { "several means" },
    )
}

fn elsewhere(draws: &RulerDraws, tasks: &[String]) -> anyhow::Result<f64> {
    // The share is that of the draws, whatever the score.
    let evidence = |task: &String| {
        let (task, error) = (task.clone(), ScoreError::Unknown);
        Evidence::Score(ScoreSummary { task, score: Score::FULL, error })
    };
    let tasks = tasks.iter().map(evidence).collect();
    let subject = Subject { name: "any".to_owned(), params: ParamCount(1.0), tasks };
    Ok(draws.weigh(&subject)?.overall.other_basin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, asked: &[&str]) -> Result<Vec<String>, String> {
        let ruler = density::balance::ruler(name).unwrap();
        let asked: Vec<String> = asked.iter().map(|task| (*task).to_owned()).collect();
        tasks(&ruler, &asked).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_ruler_with_a_mean_of_its_own_needs_no_task() {
        for (name, mean) in [("densing-2025", "avg4"), ("openlm", "avg8"), ("olmo-ladder", "avg3")]
        {
            assert_eq!(found(name, &[]), Ok(vec![mean.to_owned()]));
        }
        assert_eq!(found("densing-2025", &["mmlu"]), Ok(vec!["mmlu".to_owned()]));
    }

    #[test]
    fn a_ruler_without_one_names_its_tasks() {
        let message = found("pythia", &[]).unwrap_err();
        assert!(message.contains("--task is needed") && message.contains("piqa"), "{message}");
        let message = found("pythia", &["mmlu"]).unwrap_err();
        assert!(message.contains("--task mmlu") && message.contains("piqa"), "{message}");
    }
}
