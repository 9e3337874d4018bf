//! Constants of laws, by name.

use pycno_density::{Constants, LossConstants, Ruler, RulerSpec, TaskSpec};
use serde_json::Value;

use crate::words;

/// Names and values of a law's constants.
pub(super) fn named(constants: &Constants) -> Vec<(&'static str, f64)> {
    match constants {
        Constants::Direct { score } => vec![
            ("floor", score.floor.percent()),
            ("ceiling", score.ceiling.percent()),
            ("steepness", score.steepness),
            ("midpoint", score.midpoint),
        ],
        Constants::TwoStep { loss, score } => {
            let mut all = of_loss(loss);
            all.extend([("c", score.c), ("gamma", score.gamma), ("l", score.l), ("d", score.d)]);
            all
        }
    }
}

pub(super) fn of_loss(loss: &LossConstants) -> Vec<(&'static str, f64)> {
    let mut all = vec![("a", loss.a), ("alpha", loss.alpha), ("b", loss.b), ("beta", loss.beta)];
    all.extend(loss.irreducible.map(|irreducible| ("E", irreducible)));
    all
}

/// The law as a formula with its numbers.
pub(super) fn formula(constants: &Constants) -> String {
    match constants {
        Constants::Direct { score } => format!(
            "S = {} + ({} - {}) / (1 + exp(-{} (ln N - {})))",
            digits(score.floor.percent()),
            digits(score.ceiling.percent()),
            digits(score.floor.percent()),
            digits(score.steepness),
            digits(score.midpoint),
        ),
        Constants::TwoStep { loss, score } => {
            let irreducible =
                loss.irreducible.map_or_else(String::new, |e| format!("{} + ", digits(e)));
            format!(
                "L = {irreducible}{} N^-{} + {} D^-{}\n  S = {} + {} / (1 + exp({} (L - {})))",
                digits(loss.a),
                digits(loss.alpha),
                digits(loss.b),
                digits(loss.beta),
                digits(score.d),
                digits(score.c),
                digits(-score.gamma),
                digits(score.l),
            )
        }
    }
}

/// Five digits: what the paper prints.
fn digits(x: f64) -> String {
    let least = x.abs().log10().floor();
    if x == 0.0 || !(-4.0..6.0).contains(&least) {
        return if x == 0.0 { "0".to_owned() } else { format!("{x:.4e}") };
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=8")]
    let decimals = (4.0 - least).max(0.0) as usize;
    format!("{x:.decimals$}")
}

/// Our own fit of one task, where others' constants stand.
pub(super) fn refit(ruler: &Ruler, task: &str) -> anyhow::Result<Constants> {
    let RulerSpec { family, tasks, models } = ruler.spec();
    let own = |spec: TaskSpec| TaskSpec { published: None, ..spec };
    let tasks = tasks.into_iter().filter(|spec| spec.name == task).map(own).collect();
    Ok(Ruler::fit(RulerSpec { family, tasks, models })?.task(task)?.law.constants())
}

/// Largest relative difference of two laws of one kind.
pub(super) fn largest_difference(a: &Constants, b: &Constants) -> f64 {
    let pairs = named(a).into_iter().zip(named(b));
    pairs.map(|((_, a), (_, b))| difference(a, b)).fold(0.0, f64::max)
}

/// `|a - b|` over the larger of both.
pub(super) fn difference(a: f64, b: f64) -> f64 {
    let largest = a.abs().max(b.abs());
    if largest > 0.0 { (a - b).abs() / largest } else { 0.0 }
}

/// Rows `constant, published, refit, difference`.
pub(super) fn compared(published: &Constants, refit: &Constants) -> Vec<Vec<String>> {
    let pairs = named(published).into_iter().zip(named(refit));
    let row = |((name, published), (_, refit)): ((&str, f64), (&str, f64))| {
        vec![
            name.to_owned(),
            digits(published),
            digits(refit),
            format!("{}%", words::number(100.0 * difference(published, refit))),
        ]
    };
    pairs.map(row).collect()
}

pub(super) fn document(constants: &Constants) -> Value {
    named(constants)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_are_shown() {
        let shown = [1.58302, 38.8908, 0.103434, -24.92546, 187.839, 1.2e9, 0.0, 0.00012345678];
        let expect = ["1.5830", "38.891", "0.10343", "-24.925", "187.84", "1.2000e9", "0"];
        for (x, expect) in shown.into_iter().zip(expect) {
            assert_eq!(digits(x), expect);
        }
        assert_eq!(digits(shown[7]), "0.00012346");
    }

    #[test]
    fn a_difference_is_relative_to_the_larger() {
        for (a, b, expect) in [(1.0, 0.5, 0.5), (0.0, 0.0, 0.0), (-1.0, 1.0, 2.0)] {
            assert!((difference(a, b) - expect).abs() < 1e-15, "{a} {b}");
        }
    }
}
