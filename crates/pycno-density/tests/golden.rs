//! Fits and laws against an implementation that shares no line with this crate (numpy and scipy).
//!
//! `tests/golden/density/make.py` made the fixtures; its README says which tolerance is for what.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole positive tokens"
)]

use pycno_density::{
    Anchor, FitObjective, LossConstants, LossFit, LossFitOptions, LossForm, LossPoint, Recipe,
    ReferenceModel, Ruler, Run, ScoreLimits, ScorePoint, TaskSpec, fit_loss, fit_score,
    law::{
        CompressedRun, CompressionLaw, DistillationLaw, DistilledRun, KaplanLaw, Law, P2Law,
        PrunedRun, SparseRun, SparsityLaw,
    },
};
use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};
use serde_json::Value;

const GOLDEN: &str = include_str!("../../../tests/golden/density/golden.json");
const RULER: &str = include_str!("../../../configs/rulers/densing-2025.toml");

/// Two optimizers on a flat valley: factors, exponents.
const FACTOR: f64 = 1e-4;
const EXPONENT: f64 = 1e-5;
/// Where both ends are least squares and `SciPy` stops at ten digits of the cost.
const SCIPY: f64 = 1e-5;
/// Exact formulas in another order.
const FORMULA: f64 = 1e-11;

fn golden() -> Value {
    serde_json::from_str(GOLDEN).unwrap()
}

#[track_caller]
fn near(found: f64, expect: f64, tolerance: f64, what: &str) {
    let off = (found - expect).abs();
    assert!(off <= tolerance * expect.abs().max(1e-12), "{what}: {found}, expected {expect}");
}

#[track_caller]
fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

/// The 75 points of a surface of the notes on fits: five budgets, fifteen sizes each.
fn surface(alpha: f64, beta: f64) -> Vec<(f64, f64, f64)> {
    let g = (406.4 * alpha / (410.7 * beta)).powf(1.0 / (alpha + beta));
    let mut points = Vec::new();
    for budget in [1e17, 1e18, 1e19, 1e20, 1e21] {
        let best = g * f64::powf(budget / 6.0, beta / (alpha + beta));
        for i in 0..15 {
            let n = best / 8.0 * 64f64.powf(f64::from(i) / 14.0);
            let d = budget / 6.0 / n;
            points.push((n, d, 1.69 + 406.4 * n.powf(-alpha) + 410.7 * d.powf(-beta)));
        }
    }
    points
}

/// Tokens are whole; a surface's are not, so that losses are taken at the whole ones.
fn whole(points: &[(f64, f64, f64)], alpha: f64, beta: f64) -> Vec<LossPoint> {
    let point = |(n, d, _): &(f64, f64, f64)| {
        let tokens = TokenCount(d.round() as u64);
        let loss = 1.69 + 406.4 * n.powf(-alpha) + 410.7 * (tokens.0 as f64).powf(-beta);
        LossPoint { run: Run::new(ParamCount(*n), tokens).unwrap(), loss: NatsPerToken(loss) }
    };
    points.iter().map(point).collect()
}

fn chinchilla(points: &[LossPoint], objective: FitObjective) -> LossFit {
    let form = LossForm::Chinchilla;
    fit_loss(points, LossFitOptions { form, objective, basin: None, exhaustive: false }).unwrap()
}

#[test]
fn surfaces_without_noise_give_their_constants_back_to_1e_6() {
    let golden = golden();
    for name in ["symmetric", "chinchilla", "asymmetric"] {
        let expect = &golden["section8"][name];
        let (alpha, beta) = (number(expect, "alpha"), number(expect, "beta"));
        let points = surface(alpha, beta);
        let sum: f64 = points.iter().map(|(_, _, loss)| loss).sum();
        near(sum, number(expect, "sum_of_75"), 1e-12, name);
        for objective in [FitObjective::HuberLog, FitObjective::SquaresLog, FitObjective::Squares] {
            let fit = chinchilla(&whole(&points, alpha, beta), objective);
            let LossConstants { a, alpha: x, b, beta: y, irreducible } = fit.constants;
            for (found, truth) in [(a, 406.4), (x, alpha), (b, 410.7), (y, beta)] {
                near(found, truth, 1e-6, name);
            }
            near(irreducible.unwrap(), 1.69, 1e-6, name);
        }
    }
}

#[test]
fn the_noisy_surface_has_the_optimum_of_every_objective() {
    let golden = golden();
    let noisy: Vec<LossPoint> = surface(0.34, 0.28)
        .into_iter()
        .enumerate()
        .map(|(i, (n, d, loss))| LossPoint {
            run: Run::new(ParamCount(n), TokenCount(d.round() as u64)).unwrap(),
            loss: NatsPerToken(loss * (0.01 * ((i * i) as f64).sin()).exp()),
        })
        .collect();
    let names = [
        ("huber_log", FitObjective::HuberLog),
        ("squares_log", FitObjective::SquaresLog),
        ("squares", FitObjective::Squares),
    ];
    for (name, objective) in names {
        let expect = &golden["section8"]["noisy_chinchilla"]["objectives"][name]["minima"][0];
        let fit = chinchilla(&noisy, objective);
        near(fit.card.minima[0].cost, number(expect, "objective"), 1e-7, name);
        near(fit.constants.a, number(expect, "a"), FACTOR, name);
        near(fit.constants.b, number(expect, "b"), FACTOR, name);
        near(fit.constants.alpha, number(expect, "alpha"), EXPONENT, name);
        near(fit.constants.beta, number(expect, "beta"), EXPONENT, name);
    }
}

#[test]
fn the_4500_starts_of_chinchilla_find_no_better_minimum_than_eight() {
    let points = whole(&surface(0.34, 0.28), 0.34, 0.28);
    let mut noisy = points;
    for (i, point) in noisy.iter_mut().enumerate() {
        point.loss.0 *= (0.01 * ((i * i) as f64).sin()).exp();
    }
    let (form, objective) = (LossForm::Chinchilla, FitObjective::HuberLog);
    let options = LossFitOptions { form, objective, basin: None, exhaustive: true };
    let all = fit_loss(&noisy, options).unwrap();
    let few = chinchilla(&noisy, objective);
    assert!(all.card.starts > 4_500 && all.card.agreeing > 4_000, "{:?}", all.card);
    near(few.card.minima[0].cost, all.card.minima[0].cost, 1e-10, "cost");
}

fn task(ruler: &Ruler, name: &str) -> TaskSpec {
    ruler.task(name).unwrap().spec.clone()
}

/// Loss points and score points of a task, from the ruler's own models.
fn points(spec: &TaskSpec, models: &[ReferenceModel]) -> (Vec<LossPoint>, Vec<ScorePoint>) {
    let loss = |model: &ReferenceModel| {
        NatsPerToken(spec.value(|task| model.losses.get(task).map(|loss| loss.0)).unwrap())
    };
    let of = |suite: &'static str| models.iter().filter(move |model| model.suite == suite);
    let run = |m: &ReferenceModel| Run::new(m.params.unwrap(), m.tokens.unwrap()).unwrap();
    let losses = of("reference").map(|m| LossPoint { run: run(m), loss: loss(m) });
    let score = |model: &ReferenceModel| {
        let percent = spec.value(|task| model.scores.get(task).map(|score| score.percent()));
        Score::from_percent(percent.unwrap()).unwrap()
    };
    let scores = of("minicpm").map(|m| ScorePoint { loss: loss(m), score: score(m) });
    (losses.collect(), scores.collect())
}

#[test]
fn both_basins_of_the_densing_law_are_found_as_scipy_finds_them() {
    let golden = golden();
    let ruler = Ruler::parse(RULER).unwrap();
    let models = ruler.spec().models;
    for name in ruler.task_names() {
        let expect = &golden["densing"][name.to_uppercase()];
        let spec = task(&ruler, name);
        let Recipe::TwoStep(recipe) = &spec.recipe else { panic!("{name} has two steps") };
        let options = LossFitOptions {
            form: recipe.form,
            objective: recipe.objective,
            basin: recipe.basin,
            exhaustive: false,
        };
        let fit = fit_loss(&points(&spec, &models).0, options).unwrap();
        let published = &expect["from_published_start"];
        same(&fit.constants, published, name);
        let minima = expect["minima"].as_array().unwrap();
        assert_eq!(fit.card.minima.len(), minima.len(), "{name}");
        let near_published =
            |m: &Value| (number(m, "alpha") / number(published, "alpha") - 1.0).abs() < 0.1;
        let others: Vec<&Value> = minima.iter().filter(|m| !near_published(m)).collect();
        assert_eq!(fit.others.len(), others.len(), "{name}");
        for (found, expect) in fit.others.iter().zip(others) {
            same(found, expect, name);
        }
    }
}

#[track_caller]
fn same(found: &LossConstants, expect: &Value, name: &str) {
    near(found.a, number(expect, "a"), SCIPY, name);
    near(found.alpha, number(expect, "alpha"), SCIPY, name);
    near(found.b, number(expect, "b"), SCIPY, name);
    near(found.beta, number(expect, "beta"), SCIPY, name);
}

#[test]
fn score_curves_with_the_anchor_are_those_of_scipy() {
    let golden = golden();
    let ruler = Ruler::parse(RULER).unwrap();
    let models = ruler.spec().models;
    let anchor = [Anchor { loss: NatsPerToken(0.0), score: Score::FULL }];
    for name in ruler.task_names() {
        let expect = &golden["densing"][name.to_uppercase()]["score"];
        let spec = task(&ruler, name);
        let limits = ScoreLimits { floor: None, ceiling: None };
        let fit = fit_score(&points(&spec, &models).1, &anchor, limits).unwrap();
        near(fit.constants.c, number(expect, "c"), SCIPY, name);
        near(fit.constants.gamma, number(expect, "gamma"), SCIPY, name);
        near(fit.constants.l, number(expect, "l"), SCIPY, name);
        near(fit.constants.d + 1.0, number(expect, "d") + 1.0, SCIPY, name);
        near(fit.card.minima[0].cost, number(expect, "sse_11_points"), SCIPY, name);
    }
}

/// Checks values and gradients of a form. `theta` turns the fixture's parameters into the law's;
/// each of the law's is one of the fixture's, or its logarithm (then the slope is `p dL/dp`).
fn form<const P: usize, L: Law<P>>(
    law: &L,
    name: &str,
    order: [(&str, bool); P],
    input: impl Fn(&[f64], &[f64]) -> L::Input,
) {
    let golden = golden();
    let form = &golden["forms"][name];
    let names = form["parameter_names"].as_array().unwrap();
    let index = |name: &str| names.iter().position(|n| n.as_str() == Some(name)).unwrap();
    for set in form["sets"].as_object().unwrap().values() {
        let parameters = numbers(&set["parameters"]);
        let of = |(name, is_log): (&str, bool)| {
            let value = parameters[index(name)];
            if is_log { value.ln() } else { value }
        };
        let theta = order.map(of);
        for row in set["rows"].as_array().unwrap() {
            let (value, gradient) = law.gradient(&theta, input(&numbers(&row["x"]), &parameters));
            near(value, number(row, "loss"), FORMULA, name);
            let expect = numbers(&row["gradient"]);
            // The slope by a logarithm is the slope times the value.
            let slope = |(parameter, is_log): (&str, bool)| {
                expect[index(parameter)] * [1.0, parameters[index(parameter)]][usize::from(is_log)]
            };
            for (found, expect) in gradient.into_iter().zip(order.map(slope)) {
                let off = (found - expect).abs();
                assert!(off <= 1e-9 * expect.abs().max(1e-6), "{name}: {found} {expect}");
            }
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn run(n: f64, d: f64) -> Run {
    Run::new(ParamCount(n), TokenCount(d as u64)).unwrap()
}

#[test]
fn the_other_forms_and_their_slopes_are_those_of_complex_steps() {
    let kaplan = [("N_c", true), ("alpha_N", false), ("D_c", true), ("alpha_D", false)];
    form(&KaplanLaw, "kaplan", kaplan, |x, _| run(x[0], x[1]));
    let sparsity = [
        ("a_S", true),
        ("b_S", false),
        ("c_S", true),
        ("b_N", false),
        ("a_D", true),
        ("b_D", false),
        ("c", true),
    ];
    form(&SparsityLaw, "sparsity", sparsity, |x, _| SparseRun {
        run: run(x[1], x[2]),
        sparsity: x[0],
    });
    let p2 = [
        ("gamma", false),
        ("delta", false),
        ("N_C", true),
        ("alpha", false),
        ("D_C", true),
        ("beta", false),
        ("E", true),
    ];
    form(&P2Law, "p2", p2, |x, _| PrunedRun {
        run: run(x[2], x[3]),
        rate: x[1],
        loss_before: x[0],
    });
    let distillation = [
        ("c0", false),
        ("c1", false),
        ("d1", true),
        ("f1", true),
        ("A", true),
        ("alpha", false),
        ("B", true),
        ("beta", false),
        ("gamma", false),
    ];
    form(&DistillationLaw, "distillation", distillation, |x, _| DistilledRun {
        run: run(x[0], x[1]),
        teacher_loss: x[2],
        own_loss: x[3],
    });
    let compression =
        [("a", true), ("b", false), ("c", true), ("d", false), ("e", true), ("eff", true)];
    form(&CompressionLaw, "compression", compression, |x, _| CompressedRun {
        run: run(x[0], x[1]),
        compressed: true,
    });
}
