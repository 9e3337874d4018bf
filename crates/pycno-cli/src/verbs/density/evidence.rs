//! Scores and their errors as people write them.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail, ensure};
use pycno_density::{Ruler, ScoreError, ScoreSummary};
use pycno_units::Score;

use crate::args::DensityArguments;

/// What to say where every score looks like a share.
pub(super) const SHARES: &str = "looks like shares; scores are percent, such as 66.7 (half a percent \
                                 is written 0.5%)";

/// A score with whether it was marked as percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent {
    pub(super) score: Score,
    marked: bool,
}

/// A score in percent, with or without the sign.
pub(super) fn percent(text: &str) -> anyhow::Result<Percent> {
    let digits = text.strip_suffix('%');
    let percent: f64 =
        digits.unwrap_or(text).trim().parse().map_err(|_| {
            anyhow!("expected a score in percent, such as 66.7 or 66.7%, got {text:?}")
        })?;
    Ok(Percent { score: Score::from_percent(percent)?, marked: digits.is_some() })
}

/// A flag's one score; a share is refused.
pub(crate) fn score(flag: &str, text: &str) -> anyhow::Result<Score> {
    let found = percent(text).with_context(|| format!("{flag} {text}"))?;
    ensure!(!are_shares(&[found]), "{flag} {text} {SHARES}");
    Ok(found.score)
}

/// Whether all scores lie in `[0, 1]`, not all 0, and none is marked as percent.
pub(super) fn are_shares(scores: &[Percent]) -> bool {
    let largest = scores.iter().map(|found| found.score.percent()).fold(0.0, f64::max);
    scores.iter().all(|found| !found.marked) && largest > 0.0 && largest <= 1.0
}

/// The number of items behind a score.
pub(super) fn item_count(text: &str) -> Option<ScoreError> {
    text.parse().ok().filter(|n: &u64| *n > 0).map(ScoreError::Items)
}

/// What a standard error should be.
pub(super) const POINTS: &str =
    "a standard error in percent points (0.41, where a harness says 0.0041)";

/// Standard errors below so many percent points take a million items: they are shares.
const LEAST_STDERR: f64 = 0.05;

/// A standard error in percent points; one that looks like a share is none.
pub(super) fn stderr(text: &str) -> Option<ScoreError> {
    let believed = |x: &f64| *x == 0.0 || x.is_finite() && *x >= LEAST_STDERR;
    text.parse().ok().filter(believed).map(ScoreError::Stderr)
}

/// The scores of the command line with their errors, in the order of the ruler.
pub(super) fn of_flags(
    arguments: &DensityArguments,
    ruler: &Ruler,
) -> anyhow::Result<Vec<ScoreSummary>> {
    let mut scores = BTreeMap::new();
    for (task, text) in pairs("--scores", &arguments.scores)? {
        ruler.task(task).with_context(|| format!("--scores {task}={text}"))?;
        scores.insert(task, percent(text).with_context(|| format!("--scores {task}={text}"))?);
    }
    ensure!(!are_shares(&scores.values().copied().collect::<Vec<_>>()), "--scores {SHARES}");
    let mut errors = BTreeMap::new();
    let count = (item_count as fn(&str) -> Option<ScoreError>, "a positive whole number of items");
    let points = (stderr as fn(&str) -> Option<ScoreError>, POINTS);
    for (flag, written, (parse, expected)) in
        [("--items", &arguments.items, count), ("--stderr", &arguments.stderr, points)]
    {
        for (task, text) in pairs(flag, written)? {
            ensure!(scores.contains_key(task), "{flag} {task}={text}: --scores has no such task");
            let error = parse(text);
            let error =
                error.ok_or_else(|| anyhow!("{flag} {task}: expected {expected}, got {text:?}"))?;
            let twice = errors.insert(task, error).is_some();
            ensure!(!twice, "{task}: give --items or --stderr, not both");
        }
    }
    let known = ruler.task_names().into_iter().filter_map(|task| Some((task, scores.get(task)?)));
    let known = known.map(|(task, found)| ScoreSummary {
        task: task.to_owned(),
        score: found.score,
        error: errors.get(task).copied().unwrap_or(ScoreError::Unknown),
    });
    Ok(known.collect())
}

/// `TASK=VALUE` pairs, each task once.
fn pairs<'a>(flag: &str, written: &'a [String]) -> anyhow::Result<Vec<(&'a str, &'a str)>> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for item in written {
        let Some((task, value)) = item.split_once('=') else {
            bail!("{flag} takes TASK=VALUE, got {item:?}");
        };
        ensure!(found.iter().all(|(known, _)| *known != task), "{flag} gives {task} twice");
        found.push((task, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Verb};

    fn read(flags: &[&str]) -> Result<Vec<ScoreSummary>, String> {
        let start = ["pycno", "density", "--ruler", "pythia", "--params", "302.3M"];
        let parsed =
            Arguments::try_parse_from(start.iter().chain(flags)).map_err(|e| e.to_string())?;
        let Verb::Density(arguments) = parsed.verb else { return Err("another verb".to_owned()) };
        let ruler = pycno_study::shipped::ruler("pythia", std::path::Path::new("")).unwrap();
        of_flags(&arguments, &ruler).map_err(|error| format!("{error:#}"))
    }

    #[track_caller]
    fn refused(flags: &[&str], parts: &[&str]) {
        let message = read(flags).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "expected {part:?} in: {message}");
        }
    }

    #[test]
    fn a_score_may_wear_its_sign() {
        let scores = read(&["--scores", "piqa=66.7%,blimp=81"]).unwrap();
        let found: Vec<_> = scores.iter().map(|s| (s.task.as_str(), s.score.percent())).collect();
        assert_eq!(found, [("piqa", 66.7), ("blimp", 81.0)]);
    }

    #[test]
    fn scores_that_look_like_shares_are_refused_unless_marked() {
        let parts = ["--scores", "looks like shares; scores are percent"];
        refused(&["--scores", "piqa=0.667,blimp=0.81"], &parts);
        refused(&["--scores", "piqa=1"], &parts);
        refused(&["--scores", "piqa=0,blimp=0.9"], &parts);
        assert!(read(&["--scores", "piqa=0.667%,blimp=0.81"]).is_ok());
        assert!(read(&["--scores", "piqa=66.7,blimp=0.81"]).is_ok());
        assert!(read(&["--scores", "piqa=0"]).is_ok(), "no item right is a score");
    }

    #[test]
    fn a_wrong_score_is_named_with_its_flag() {
        refused(&["--scores", "piqa=101"], &["--scores piqa=101", "[0, 100] percent, got 101"]);
        refused(&["--scores", "piqa=-1"], &["[0, 100] percent, got -1"]);
        refused(&["--scores", "piqa=nan"], &["[0, 100] percent, got NaN"]);
        refused(&["--scores", "piqa=good"], &["expected a score in percent", "\"good\""]);
        refused(&["--scores", "piqa"], &["--scores takes TASK=VALUE, got \"piqa\""]);
        refused(&["--scores", "piqa=60,piqa=61"], &["--scores gives piqa twice"]);
    }

    #[test]
    fn an_unknown_task_lists_those_of_the_ruler() {
        refused(&["--scores", "mmlu=60"], &["\"mmlu\"", "lambada_openai", "arc_easy", "piqa"]);
    }

    #[test]
    fn an_error_belongs_to_a_score_and_comes_once() {
        let scores = read(&["--scores", "piqa=60,blimp=80", "--items", "piqa=1838"]).unwrap();
        assert_eq!(scores[0].error, ScoreError::Items(1838));
        assert_eq!(scores[1].error, ScoreError::Unknown);
        let with = |flag: &'static str, value: &'static str, parts: &[&str]| {
            refused(&["--scores", "piqa=60", flag, value], parts);
        };
        with("--stderr", "piqa=0.0041", &["--stderr piqa", "percent points", "got \"0.0041\""]);
        with("--items", "piqa=0", &["--items piqa", "positive whole number", "\"0\""]);
        with("--items", "piqa=1.5", &["positive whole number"]);
        with("--items", "blimp=10", &["--items blimp=10", "--scores has no such task"]);
        with("--stderr", "piqa=-1", &["standard error in percent points"]);
        with("--stderr", "piqa=nan", &["standard error in percent points"]);
        let both = ["--scores", "piqa=60", "--items", "piqa=10", "--stderr", "piqa=1"];
        refused(&both, &["--items or --stderr, not both"]);
    }

    #[test]
    fn a_size_that_is_none_never_gets_here() {
        for size in ["0", "-5M", "nan", "much"] {
            let flags = format!("--total={size}");
            refused(&["--scores", "piqa=60", &flags], &["--total", size]);
        }
        refused(&["--scores", "piqa=60", "--bits=0", "--total=1B"], &["--bits"]);
        refused(&["--scores", "piqa=60", "--active=1B"], &["--total"]);
    }
}
