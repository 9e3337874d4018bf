//! Weighing on made-up ladders whose truth is known.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod ladder;

use pycno_density::{
    Compared, DensityError, Evidence, Interval, ItemResults, Level, Ruler, RulerDraws, ScoreError,
    ScoreSummary, Subject, Verdict, Weighed,
};
use pycno_units::{ParamCount, Seed};

use ladder::{TASKS, percent, ruler};

const FAST: usize = 200;

/// A model of this size whose item `i` is right where `right(task, i)` says so.
fn subject(params: f64, items: usize, right: impl Fn(usize, usize) -> bool) -> Subject {
    let task = |(t, (name, _)): (usize, (&str, f64))| {
        Evidence::Items(ItemResults {
            task: name.to_owned(),
            metric: "acc".to_owned(),
            results: (0..items).map(|i| f64::from(u8::from(right(t, i)))).collect(),
            strata: None,
        })
    };
    let tasks = TASKS.into_iter().enumerate().map(task).collect();
    Subject { name: "model".to_owned(), params: ParamCount(params), tasks }
}

/// The first `share` percent of 400 items are right.
fn even(params: f64, share: usize) -> Subject {
    subject(params, 400, |_, i| i < 4 * share)
}

/// Scores alone.
fn scores(name: &str, params: f64, share: f64, error: ScoreError) -> Subject {
    let task = |(task, _): (&str, f64)| {
        Evidence::Score(ScoreSummary { task: task.to_owned(), score: percent(share), error })
    };
    let tasks = TASKS.into_iter().map(task).collect();
    Subject { name: name.to_owned(), params: ParamCount(params), tasks }
}

fn draws(ruler: &Ruler) -> RulerDraws {
    RulerDraws::new(ruler, &["cloze", "choice"], Seed(3), FAST).unwrap()
}

#[track_caller]
fn check(teacher: &Subject, student: &Subject, expect: Verdict) -> Compared {
    let draws = draws(&ruler(0.7, 1));
    let compared = draws.weigh(teacher).unwrap().compare(&draws.weigh(student).unwrap()).unwrap();
    assert_eq!(compared.overall.verdict, expect, "{compared:?}");
    compared
}

#[test]
fn a_model_against_itself_is_exactly_one_and_undecided() {
    let compared = check(&even(2e8, 50), &even(2e8, 50), Verdict::Undecided);
    for found in compared.by_task.values().chain([&compared.overall]) {
        assert_eq!(found.ratio, Some(1.0));
        assert_eq!((found.interval.low, found.interval.high), (Some(1.0), Some(1.0)));
    }
    assert!(compared.paired && compared.adjusted_p.values().all(|p| *p >= 1.0));
}

#[test]
fn the_verdict_follows_score_at_equal_size_and_size_at_equal_score() {
    let lowered = check(&even(2e8, 50), &even(2e8, 40), Verdict::Lowered);
    assert!(lowered.overall.ratio.unwrap() < 0.6);
    assert!(lowered.overall.interval.high.unwrap() < 1.0);
    assert!(lowered.adjusted_p.values().all(|p| *p < 0.05), "{:?}", lowered.adjusted_p);
    check(&even(2e8, 40), &even(2e8, 50), Verdict::Raised);
    let halved = check(&even(2e8, 50), &even(1e8, 50), Verdict::Raised).overall;
    assert!((halved.ratio.unwrap() - 2.0).abs() < 1e-9);
}

#[test]
fn a_student_at_chance_is_lowered_with_an_open_low_end() {
    let compared = check(&even(2e8, 50), &even(1e8, 10), Verdict::Lowered);
    let choice = &compared.by_task["choice"];
    assert_eq!((choice.verdict, choice.ratio), (Verdict::Lowered, None));
    assert!(choice.interval.low.is_none() && choice.interval.high.unwrap() < 1.0);
    assert!(choice.interval.undefined > 0.9);
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let weigh = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| draws(&ruler(0.7, 1)).weigh(&even(2e8, 45)).unwrap())
    };
    let (one, two) = (weigh(1), weigh(2));
    assert_eq!(format!("{:?}", one.overall), format!("{:?}", two.overall));
}

fn width(interval: Interval) -> f64 {
    (interval.high.unwrap() / interval.low.unwrap()).ln()
}

#[test]
fn sharing_items_tightens_the_ratio_against_the_levels() {
    let draws = draws(&ruler(0.7, 1));
    let teacher = draws.weigh(&even(2e8, 50)).unwrap();
    let student = draws.weigh(&even(2e8, 49)).unwrap();
    let ratio = width(teacher.compare(&student).unwrap().overall.interval);
    assert!(2.0 * ratio < width(teacher.overall.density.interval));
}

#[test]
fn scores_without_items_are_not_paired_and_their_ratio_is_wider() {
    let draws = draws(&ruler(0.7, 1));
    let error = ScoreError::Items(400);
    let teacher = draws.weigh(&scores("teacher", 2e8, 50.0, error)).unwrap();
    let student = draws.weigh(&scores("student", 2e8, 49.0, error)).unwrap();
    let compared = teacher.compare(&student).unwrap();
    assert_eq!((teacher.overall.level, compared.paired), (Level::Scores, false));
    let items = draws.weigh(&even(2e8, 50)).unwrap();
    let paired = items.compare(&draws.weigh(&even(2e8, 49)).unwrap()).unwrap();
    assert!(width(compared.overall.interval) > 1.5 * width(paired.overall.interval));
    // A known standard error gives the same width as the items it stands for.
    let stderr = ScoreError::Stderr(100.0 * (0.25f64 / 400.0).sqrt());
    let given = draws.weigh(&scores("teacher", 2e8, 50.0, stderr)).unwrap();
    let of_items = width(items.overall.density.interval);
    assert!((width(given.overall.density.interval) / of_items - 1.0).abs() < 0.15);
}

#[test]
fn a_score_without_an_error_says_so_and_a_wrong_error_is_refused() {
    let draws = draws(&ruler(0.7, 1));
    let exact = draws.weigh(&scores("model", 2e8, 50.0, ScoreError::Unknown)).unwrap();
    assert_eq!(exact.overall.level, Level::Exact);
    for error in [ScoreError::Items(0), ScoreError::Stderr(-1.0), ScoreError::Stderr(f64::NAN)] {
        assert!(draws.weigh(&scores("model", 2e8, 50.0, error)).is_err(), "{error:?}");
    }
}

#[test]
fn models_that_are_not_paired_are_refused() {
    let draws_a = draws(&ruler(0.7, 1));
    let draws_b = RulerDraws::new(&ruler(0.7, 1), &["cloze", "choice"], Seed(4), FAST).unwrap();
    let teacher = draws_a.weigh(&even(2e8, 50)).unwrap();
    let short = draws_a.weigh(&subject(2e8, 399, |_, i| i < 200)).unwrap();
    let of = |student: &Weighed| teacher.compare(student).unwrap_err().to_string();
    assert!(of(&short).contains("same items"), "{}", of(&short));
    let other = draws_b.weigh(&even(2e8, 50)).unwrap();
    assert!(of(&other).contains("same ruler draws"), "{}", of(&other));
    let mut fewer = even(2e8, 50);
    fewer.tasks.pop();
    assert!(matches!(draws_a.weigh(&fewer), Err(DensityError::Tasks { .. })));
    let few = RulerDraws::new(&ruler(0.7, 1), &["cloze"], Seed(4), 10);
    assert!(matches!(few, Err(DensityError::Draws { .. })));
}
