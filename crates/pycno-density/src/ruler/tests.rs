//! The shipped ruler, changed in every way a file can lie.

use std::collections::BTreeSet;

use pycno_units::{ParamCount, Score};

use super::*;
use crate::{Effective, SigmoidConstants};

const PYTHIA: &str = include_str!("../../../../configs/rulers/pythia.toml");

fn pythia() -> Ruler {
    Ruler::parse(PYTHIA).unwrap()
}

#[track_caller]
fn refused(text: &str, part: &str) {
    let error = Ruler::parse(text).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let message = format!("{error}; {}", source.unwrap_or_default());
    assert!(message.contains(part), "{message}");
}

/// The shipped file with one piece of text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(PYTHIA.contains(from), "{from}");
    PYTHIA.replacen(from, to, 1)
}

const SHIPPED: [&str; 5] = [
    PYTHIA,
    include_str!("../../../../configs/rulers/densing-2024.toml"),
    include_str!("../../../../configs/rulers/densing-2025.toml"),
    include_str!("../../../../configs/rulers/olmo-ladder.toml"),
    include_str!("../../../../configs/rulers/openlm.toml"),
];

fn shipped() -> impl Iterator<Item = Ruler> {
    SHIPPED.into_iter().map(|text| Ruler::parse(text).unwrap())
}

/// Constants by name.
fn numbers(constants: Constants) -> Vec<f64> {
    match constants {
        Constants::Direct { score } => {
            vec![score.floor.percent(), score.ceiling.percent(), score.steepness, score.midpoint]
        }
        Constants::TwoStep { loss, score } => {
            let LossConstants { a, alpha, b, beta, irreducible } = loss;
            let SigmoidConstants { c, gamma, l, d } = score;
            vec![a, alpha, b, beta, irreducible.unwrap_or(0.0), c, gamma, l, d]
        }
    }
}

/// Optimizers on other machines may differ in the last digits.
const REFIT: f64 = 1e-6;

#[test]
fn fitting_the_points_again_gives_the_constants_of_the_file() {
    for ruler in shipped() {
        let again = Ruler::fit(ruler.spec()).unwrap();
        for name in ruler.task_names() {
            let constants = |ruler: &Ruler| numbers(ruler.task(name).unwrap().law.constants());
            let pairs = constants(&ruler).into_iter().zip(constants(&again));
            for (a, b) in pairs {
                assert!((a - b).abs() <= REFIT * a.abs(), "{} {name}: {a} {b}", ruler.hash());
            }
        }
    }
}

#[test]
fn published_constants_stand_beside_a_fit_of_our_own() {
    let ruler = Ruler::parse(SHIPPED[2]).unwrap();
    for name in ruler.task_names() {
        let task = ruler.task(name).unwrap();
        assert_eq!(task.law.constants(), task.spec.published.unwrap(), "{name}");
        let card = task.card.loss.as_ref().unwrap();
        assert_eq!(card.minima.iter().filter(|minimum| minimum.chosen).count(), 1, "{name}");
        let minima = if name == "mbpp" { 1 } else { 2 };
        assert_eq!(card.minima.len(), minima, "{name}: {:?}", card.minima);
    }
}

#[test]
fn the_other_basin_is_a_ruler_of_its_own() {
    let ruler = Ruler::parse(SHIPPED[2]).unwrap();
    let other = ruler.in_other_basin().unwrap();
    assert_ne!(other.hash(), ruler.hash());
    let size = |ruler: &Ruler, percent: f64| {
        let score = Score::from_percent(percent).unwrap();
        ruler.task("avg4").unwrap().law.effective(score)
    };
    let ratio = size(&ruler, 50.0).params().unwrap().0 / size(&other, 50.0).params().unwrap().0;
    assert!((ratio - 99.3).abs() < 0.5, "{ratio}");
    assert!(matches!(size(&other, 80.0), Effective::BeyondReference { .. }));
    let back = other.in_other_basin().unwrap();
    assert_eq!(size(&back, 50.0), size(&ruler, 50.0));
    assert!(matches!(pythia().in_other_basin(), Err(DensityError::OneBasin { .. })));
}

#[test]
fn another_token_count_moves_two_steps_and_is_refused_by_one() {
    let ruler = Ruler::parse(SHIPPED[2]).unwrap();
    let score = Score::from_percent(30.0).unwrap();
    let at = |tokens| {
        let ruler = ruler.at_tokens(TokenCount(tokens)).unwrap();
        ruler.task("avg4").unwrap().law.effective(score).params().unwrap().0
    };
    assert!((at(1_000_000_000_000) / 1.45546314e9 - 1.0).abs() < 1e-6);
    assert!((at(15_000_000_000_000) / 5.75861524e8 - 1.0).abs() < 1e-6);
    let refused = pythia().at_tokens(TokenCount(1));
    assert!(matches!(refused, Err(DensityError::OneTokenCount { .. })));
}

#[test]
fn a_ruler_survives_its_file() {
    assert_eq!(Ruler::parse(&pythia().to_toml().unwrap()).unwrap(), pythia());
}

/// At its own tokens, a reference run's size comes back from its score within what the residuals of
/// the two fits make of it.
#[test]
fn a_reference_model_weighs_one_within_its_residual() {
    for name in pythia().task_names() {
        let Measured { law, points, card, .. } = pythia().measured(&[name]).unwrap();
        let Points::Direct { sizes, .. } = points else { panic!("{name} has one step") };
        for (_, point) in &sizes {
            let residual = point.score.percent() - law.predict(point.params).percent();
            let largest = card.score.largest_residual.abs();
            assert!(residual.abs() <= largest + 1e-9, "{name}: {point:?}");
            let exact = law.effective(law.predict(point.params)).params().unwrap();
            assert!((exact.0 / point.params.0 - 1.0).abs() < 1e-9, "{name}: {point:?}");
        }
    }
}

#[test]
fn a_reference_run_of_two_steps_weighs_one_within_its_residuals() {
    for ruler in shipped().filter(|ruler| ruler.family().name != "pythia") {
        for name in ruler.task_names() {
            let Measured { law, points, card, .. } = ruler.measured(&[name]).unwrap();
            let Points::TwoStep(points) = points else { panic!("{name} has two steps") };
            let Constants::TwoStep { loss, score } = law.constants() else { panic!("{name}") };
            let worst = card.loss.as_ref().unwrap().largest_residual.abs();
            for (_, point) in &points.losses {
                let predicted = loss.loss(point.run).0;
                let off =
                    (point.loss.0 / predicted).ln().abs().min((point.loss.0 - predicted).abs());
                assert!(off <= 1.05 * worst, "{name}: {off} above {worst}");
                let (n, d) = point.run.logs();
                let percent = score.percent(loss.loss(point.run));
                let back = law.constants().ln_params(percent, d);
                assert!((back - n).abs() < 1e-6, "{name}: {back} {n}");
            }
        }
    }
}

#[test]
fn the_order_of_rows_changes_neither_hash_nor_laws() {
    let mut spec = pythia().spec();
    spec.models.reverse();
    spec.tasks.reverse();
    let reversed = Ruler::fit(spec).unwrap();
    let forward = Ruler::fit(pythia().spec()).unwrap();
    for name in pythia().task_names() {
        assert_eq!(reversed.task(name).unwrap().law, forward.task(name).unwrap().law);
    }
    assert_eq!(reversed.hash(), forward.hash());
    let tasks = ["lambada_openai", "blimp", "piqa"];
    let mean = pythia().mean_law(&tasks).unwrap();
    assert_eq!(pythia().mean_law(&["piqa", "lambada_openai", "blimp"]).unwrap(), mean);
}

/// Different sizes among the points of a mean.
fn sizes(ruler: &Ruler, tasks: &[&str]) -> usize {
    let points = ruler.reference_points(tasks).unwrap();
    points.iter().map(|point| point.params.0.to_bits()).collect::<BTreeSet<_>>().len()
}

#[test]
fn the_mean_law_rests_on_the_models_that_have_all_tasks() {
    let mean = |tasks: &[&str]| pythia().mean_law(tasks).unwrap();
    let three = ["arc_easy", "lambada_openai", "piqa"];
    let v1 = mean(&three);
    assert_eq!((v1.card.score.points, sizes(&pythia(), &three)), (16, 8));
    assert!((v1.law.floor().percent() - 25.0).abs() < 1e-12);
    let four = ["arc_easy", "blimp", "lambada_openai", "piqa"];
    let all = mean(&four);
    assert_eq!((all.card.score.points, sizes(&pythia(), &four)), (10, 5));
    assert!((all.law.floor().percent() - 31.25).abs() < 1e-12);
    assert_eq!(mean(&["piqa"]).law, pythia().task("piqa").unwrap().law);
}

#[test]
fn the_members_of_an_aggregate_are_weighed_by_its_own_law() {
    let ruler = Ruler::parse(SHIPPED[2]).unwrap();
    let members = ["mbpp", "mmlu", "humaneval", "math", "bbh"];
    let mean = ruler.mean_law(&members).unwrap();
    assert_eq!((mean.spec.name.as_str(), mean.law), ("avg4", ruler.task("avg4").unwrap().law));
    let scores = |task: &str| match task {
        "mmlu" => Some(60.0),
        "bbh" => Some(40.0),
        "math" => Some(20.0),
        "humaneval" => Some(30.0),
        "mbpp" => Some(50.0),
        _ => None,
    };
    assert_eq!(mean.spec.value(scores), Some(40.0));
    assert_eq!(mean.spec.value(|task| scores(task).filter(|_| task != "bbh")), None);
}

#[test]
fn a_mean_without_enough_models_or_tasks_is_refused() {
    let mut spec = pythia().spec();
    for model in spec.models.iter_mut().filter(|m| m.suite == "pythia-v0") {
        if model.params.is_some_and(|params| params.0 > 5e9) {
            model.scores.remove("piqa");
        }
    }
    let ruler = Ruler::fit(spec).unwrap();
    let error = ruler.mean_law(&["blimp", "piqa"]).unwrap_err();
    assert!(matches!(error, DensityError::TooFewLevels { needed: 4, found: 3, .. }), "{error}");
    let of = |tasks: &[&str]| pythia().mean_law(tasks).unwrap_err();
    assert!(matches!(of(&[]), DensityError::NoTasks));
    assert!(matches!(of(&["mmlu"]), DensityError::UnknownTask { .. }));
    assert!(matches!(of(&["piqa", "piqa"]), DensityError::Duplicate { .. }));
}

#[test]
fn a_changed_number_does_not_pass() {
    refused(&with("ceiling = 72.72", "ceiling = 72.73"), "hash mismatch");
    refused(&with("steepness = 0.6685", "steepness = 0.6686"), "hash mismatch");
    refused(&with("params = 18915328.0", "params = 18915329.0"), "hash mismatch");
    refused(&with("floor = 25.0", "floor = 24.0"), "hash mismatch");
    refused(&with("arc_easy = 40.40404", "arc_easy = 40.40405"), "hash mismatch");
    refused(&with("tokens = 300000000000", "tokens = 300000000001"), "hash mismatch");
}

#[test]
fn what_is_no_ruler_does_not_parse() {
    refused(&with("format = 2", "format = 3"), "ruler format 2 is supported, got 3");
    refused(&with("license =", "colour = \"red\"\nlicense ="), "unknown field `colour`");
    refused(&with("metric =", "metrik = \"x\"\nmetric ="), "unknown field `metrik`");
    refused(&with("floor = 0.0", "floor = nan"), "a score must lie in [0, 100]");
    refused(&with("floor = 0.0", "floor = 101.0"), "a score must lie in [0, 100]");
    refused("", "missing field");
}

/// A ruler is made by `fit`, so its hash is right; what is wrong is its content.
#[track_caller]
fn unfit(change: impl Fn(&mut RulerSpec), part: &str) {
    let mut spec = pythia().spec();
    change(&mut spec);
    let message = Ruler::fit(spec).unwrap_err().to_string();
    assert!(message.contains(part), "{message}");
}

#[test]
fn points_that_carry_no_law_make_no_ruler() {
    unfit(|spec| spec.models.truncate(1), "at least 4 points, got");
    unfit(|spec| spec.models[0].params = Some(ParamCount(f64::NAN)), "positive finite count");
    unfit(|spec| spec.models[0].params = Some(ParamCount(0.0)), "positive finite count");
    unfit(|spec| spec.models.push(spec.models[0].clone()), "must be unique");
    unfit(|spec| spec.tasks.push(spec.tasks[0].clone()), "must be unique");
    let level = |spec: &mut RulerSpec| {
        let score = Score::from_percent(60.0).unwrap();
        for model in &mut spec.models {
            model.scores.insert("piqa".to_owned(), score);
        }
    };
    unfit(level, "reference scores must differ");
}

/// A ruler on one task of four sizes, with these scores.
fn of_scores(scores: [f64; 4], tokens: [u64; 4]) -> Result<Ruler, DensityError> {
    let text = "[family]\nname = 'own'\nconvention = 'non-embedding'\ntokens = '300B'\nsource = 'made up'\n\
                license = 'MIT'\n[[task]]\nname = 'quiz'\nmetric = 'acc'\n[task.recipe]\nkind = 'direct'\n\
                floor = 25.0\nsuites = ['reference']\n";
    let mut spec = RulerSpec::parse(text).unwrap();
    let sizes = [19e6, 85e6, 302e6, 805e6];
    let rows = sizes.iter().zip(scores).zip(tokens).enumerate();
    let rows = rows.map(|(i, ((size, score), tokens))| format!("m{i},{size},{tokens},{score}\n"));
    let table = format!("run,params,tokens,score:quiz\n{}", rows.collect::<String>());
    spec.models = reference_models(&table).unwrap();
    Ruler::fit(spec)
}

#[test]
fn a_run_of_another_token_count_is_refused_in_a_law_of_size_alone() {
    let rising = [28.2, 34.2, 48.2, 61.4];
    let count = 300_000_000_000;
    assert!(of_scores(rising, [count; 4]).unwrap().poor_tasks().is_empty());
    assert!(of_scores(rising, [count, count, 299_892_736_000, count]).is_ok(), "as good as equal");
    let error = of_scores(rising, [count, count, 2_000_000_000, count]).unwrap_err().to_string();
    assert!(error.contains("run m2") && error.contains("2.000B tokens"), "{error}");
}

#[test]
fn a_law_that_tells_no_sizes_apart_is_known_as_such() {
    let ruler = of_scores([81.8, 75.8, 61.8, 50.1], [300_000_000_000; 4]).unwrap();
    let [(task, why)] = &ruler.poor_tasks()[..] else { panic!("one task") };
    assert!(*task == "quiz" && why.starts_with("R2 0.") || why.starts_with("R2 -"), "{why}");
    let shipped: Vec<Ruler> = shipped().collect();
    let poor: Vec<_> = shipped.iter().flat_map(Ruler::poor_tasks).collect();
    assert_eq!(poor, []);
    let lab = Ruler::parse(include_str!("../../../../configs/rulers/lab.toml")).unwrap();
    let known = ("lab_arithmetic_steps", "of the loss, beta on a bound".to_owned());
    assert_eq!(lab.poor_tasks(), [known], "as the README of lab-ladder says");
}

#[test]
fn a_constant_on_a_bound_is_told_and_a_score_of_all_right_is_none() {
    // A step between two sizes: any steepness from some on fits as well.
    let ruler = of_scores([25.0, 25.0, 99.0, 99.0], [300_000_000_000; 4]).unwrap();
    let [(_, why)] = &ruler.poor_tasks()[..] else { panic!("one task") };
    assert!(why.contains("ln_steepness") && why.contains("on a bound"), "{why}");
}

#[test]
fn a_mean_is_not_averaged_with_other_tasks() {
    let ruler = Ruler::parse(SHIPPED[2]).unwrap();
    for mean in ["average", "avg4"] {
        let error = ruler.mean_law(&["mmlu", mean]).unwrap_err();
        assert!(
            matches!(error, DensityError::Mixed(MixedError::MeanOfMeans { task }) if task == mean)
        );
        assert!(ruler.mean_law(&[mean]).is_ok());
    }
}
