//! Coverage of the intervals on simulated studies whose truth is known: 93 to 97 % at 95 %.
//!
//! Slow (a minute in release): `cargo test --release -p pycno-density --features slow --test coverage`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole positive tokens"
)]
#![expect(clippy::print_stdout, reason = "the counts are the result")]

mod ladder;

use std::collections::BTreeMap;

use pycno_density::{
    Evidence, FitObjective, Interval, ItemResults, LossForm, Recipe, ReferenceModel, Ruler,
    RulerDraws, RulerSpec, Subject, TwoStepRecipe,
};
use pycno_units::{NatsPerToken, ParamCount, Seed, TokenCount};
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};

use ladder::{TASKS, family, normal, percent, ruler, task, truth};

/// The acceptance line; 500 studies tell 95 % from 93 or 97 % at two standard errors.
const STUDIES: u64 = 500;
const DRAWS: usize = 400;

/// Studies of one kind, each with new run effects and new items.
struct Simulated {
    ruler: fn(u64) -> Ruler,
    tasks: &'static [&'static str],
    /// Percent of a reference model of `ln N` on a task.
    truth: fn(&str, f64) -> f64,
    /// True `ln` effective sizes of teacher and student.
    sizes: (f64, f64),
    items: usize,
    /// Percent of one more run of a size on a task: what the recipe gives, and the run's deviation.
    run: fn(&str, f64, &mut Xoshiro256PlusPlus) -> f64,
}

/// How many of some studies held the truth.
#[derive(Debug, Default)]
struct Covered {
    level: usize,
    bca: usize,
    ratio: usize,
    over_runs: usize,
    ratio_over_runs: usize,
    studies: usize,
}

impl Simulated {
    fn run(&self, studies: u64, draws: usize) -> Covered {
        let mut covered = Covered::default();
        for study in 0..studies {
            self.add(study, draws, &mut covered);
        }
        covered
    }

    /// One study: a new ruler, new items, teacher and student weighed and compared.
    fn add(&self, study: u64, draws: usize, covered: &mut Covered) {
        let ruler = (self.ruler)(study);
        let draws = RulerDraws::new(&ruler, self.tasks, Seed(study), draws).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1_000_000 + study);
        // Items right with the teacher stay right with the student, by one uniform an item.
        let uniform: Vec<f64> = (0..self.tasks.len() * self.items).map(|_| rng.random()).collect();
        let weigh = |ln_size: f64| draws.weigh(&self.subject(&uniform, ln_size)).unwrap();
        let (teacher, student) = (weigh(self.sizes.0), weigh(self.sizes.1));
        let truth = self.sizes.0.exp();
        covered.studies += 1;
        covered.level += usize::from(holds(teacher.overall.density.interval, truth));
        covered.bca += usize::from(teacher.overall.bca().is_some_and(|i| holds(i, truth)));
        let again = draws.weigh(&self.another_run(&uniform, self.sizes.0, &mut rng)).unwrap();
        covered.over_runs += usize::from(holds(again.overall.density.over_runs.unwrap(), truth));
        let rerun = draws.weigh(&self.another_run(&uniform, self.sizes.1, &mut rng)).unwrap();
        let over_runs = teacher.compare(&rerun).unwrap().overall.over_runs.unwrap();
        let ratio = (self.sizes.1 - self.sizes.0).exp();
        covered.ratio_over_runs += usize::from(holds(over_runs, ratio));
        let compared = teacher.compare(&student).unwrap().overall.interval;
        covered.ratio += usize::from(holds(compared, ratio));
    }

    /// A model of one parameter that scores like a reference model of this size.
    fn subject(&self, uniform: &[f64], ln_size: f64) -> Subject {
        self.scoring(uniform, |name| (self.truth)(name, ln_size))
    }

    /// One more run of the recipe at a size.
    fn another_run(&self, uniform: &[f64], ln_size: f64, rng: &mut Xoshiro256PlusPlus) -> Subject {
        let of = |name: &&str| (self.run)(name, ln_size, rng);
        let percents: Vec<f64> = self.tasks.iter().map(of).collect();
        self.scoring(uniform, |name| {
            percents[self.tasks.iter().position(|task| *task == name).unwrap()]
        })
    }

    fn scoring(&self, uniform: &[f64], percent: impl Fn(&str) -> f64) -> Subject {
        let task = |(t, name): (usize, &&str)| {
            let share = percent(name) / 100.0;
            let uniform = &uniform[t * self.items..(t + 1) * self.items];
            Evidence::Items(ItemResults {
                task: (*name).to_owned(),
                metric: "acc".to_owned(),
                results: uniform.iter().map(|u| f64::from(u8::from(*u < share))).collect(),
                strata: None,
            })
        };
        let tasks = self.tasks.iter().enumerate().map(task).collect();
        Subject { name: "x".to_owned(), params: ParamCount(1.0), tasks }
    }
}

fn holds(interval: Interval, truth: f64) -> bool {
    interval.low.is_none_or(|low| low <= truth) && interval.high.is_none_or(|high| truth <= high)
}

const ONE_STEP: Simulated = Simulated {
    ruler: |seed| ruler(ONE_STEP_NOISE, seed),
    tasks: &["cloze", "choice"],
    // The tasks share ceiling, k and x0, so their mean follows the same law.
    truth: one_step_truth,
    sizes: (19.5, 18.7),
    items: 1_000,
    run: |name, x, rng| one_step_truth(name, x) + ONE_STEP_NOISE * normal(rng),
};

/// Eight sizes at six token multiples; run effects of 0.006 and point noise of 0.002 in log loss,
/// as in the notes on fits; ten other models for the score curve with 0.5 points of noise.
const TWO_STEPS: Simulated = Simulated {
    ruler: two_step_ruler,
    tasks: &["cloze"],
    truth: |_, x| two_step_truth(x, (5e12f64).ln()).1,
    sizes: (22.0, 21.0),
    items: 2_000,
    run: |_, x, rng| {
        let loss = two_step_truth(x, (5e12f64).ln()).0 * run_deviation(rng).exp();
        score_of(loss) + SCORE_NOISE * normal(rng)
    },
};

/// Percent points that a run is off the law of one step.
const ONE_STEP_NOISE: f64 = 0.7;

/// Percent of a model of `ln N` on a task.
fn one_step_truth(name: &str, x: f64) -> f64 {
    truth(TASKS.iter().find(|(task, _)| *task == name).unwrap().1, x)
}

/// Percent points that a score is off the curve.
const SCORE_NOISE: f64 = 0.5;

/// What a run and a point of it are off the law, in log loss.
fn run_deviation(rng: &mut Xoshiro256PlusPlus) -> f64 {
    RUN_EFFECT * normal(rng) + POINT_NOISE * normal(rng)
}

const RUN_EFFECT: f64 = 0.006;
const POINT_NOISE: f64 = 0.002;

fn score_of(loss: f64) -> f64 {
    10.0 + 88.0 / (1.0 + (24.0 * (loss - 0.17)).exp())
}

/// Loss and percent of a model of `ln N` at `ln D`.
fn two_step_truth(x: f64, d: f64) -> (f64, f64) {
    let loss = 1.8 * (-0.11 * x).exp() + 140.0 * (-0.3 * d).exp();
    (loss, score_of(loss))
}

fn two_step_ruler(seed: u64) -> Ruler {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut models = Vec::new();
    for i in 0..8 {
        let x = 15.5 + 0.75 * f64::from(i);
        let effect = RUN_EFFECT * normal(&mut rng);
        for multiple in [10.0, 15.0, 20.0, 30.0, 40.0, 60.0] {
            let tokens = TokenCount((multiple * x.exp()).round() as u64);
            let noise = effect + POINT_NOISE * normal(&mut rng);
            let loss = two_step_truth(x, (tokens.0 as f64).ln()).0 * noise.exp();
            models.push(ReferenceModel {
                name: format!("{i} x{multiple}"),
                suite: "runs".to_owned(),
                cluster: Some(i.to_string()),
                params: Some(ParamCount(x.exp())),
                tokens: Some(tokens),
                losses: BTreeMap::from([("cloze".to_owned(), NatsPerToken(loss))]),
                ..ReferenceModel::default()
            });
        }
    }
    for i in 0..10 {
        let loss = 0.14 + 0.02 * f64::from(i);
        let score = score_of(loss) + SCORE_NOISE * normal(&mut rng);
        models.push(ReferenceModel {
            name: format!("model {i}"),
            suite: "scores".to_owned(),
            losses: BTreeMap::from([("cloze".to_owned(), NatsPerToken(loss))]),
            scores: BTreeMap::from([("cloze".to_owned(), percent(score))]),
            ..ReferenceModel::default()
        });
    }
    let recipe = TwoStepRecipe {
        form: LossForm::Densing,
        objective: FitObjective::SquaresLog,
        basin: None,
        loss_suite: "runs".to_owned(),
        score_suite: "scores".to_owned(),
        check_suite: None,
        floor: None,
        ceiling: None,
        anchors: Vec::new(),
    };
    let tasks = vec![task("cloze", Recipe::TwoStep(recipe))];
    Ruler::fit(RulerSpec { family: family(5_000_000_000_000), tasks, models }).unwrap()
}

#[track_caller]
fn check(studies: &Simulated) {
    let covered = studies.run(STUDIES, DRAWS);
    let share = |count: usize| count as f64 / covered.studies as f64;
    for (kind, count) in [
        ("level", covered.level),
        ("level, BCa", covered.bca),
        ("ratio", covered.ratio),
        ("level over runs", covered.over_runs),
        ("ratio over runs", covered.ratio_over_runs),
    ] {
        println!("{kind}: {count} of {} covered", covered.studies);
        assert!((0.93..=0.97).contains(&share(count)), "{kind}: {covered:?}");
    }
}

#[test]
fn intervals_on_a_ruler_of_one_step_hold_the_truth() {
    check(&ONE_STEP);
}

#[test]
fn intervals_on_a_ruler_of_two_steps_hold_the_truth() {
    check(&TWO_STEPS);
}
