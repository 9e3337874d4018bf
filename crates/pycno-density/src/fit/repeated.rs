//! Run-to-run variance and lack of fit told apart: what runs of one size and token count say of a loss law.
//!
//! The sums of squares of a test for lack of fit (Fisher 1922; Draper and Smith, Applied Regression Analysis, chapter 2):
//! runs of one input scatter about their mean, which no law can explain (pure error); the distance of the means
//! from the law is lack of fit.

use serde::{Deserialize, Serialize};

use super::objective::{FitObjective, Observation};
use crate::law::Run;

/// Runs of one size and token count, which differ by their seed alone: the variance that no law can explain.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// Inputs with more than one run.
    pub inputs: usize,
    /// Standard deviation of a run about the mean of its input, on the objective's scale.
    #[serde(alias = "luck")]
    pub run_stddev: f64,
    /// The most that `r_squared` can be: that of a law through the mean of every input.
    pub r_squared_limit: f64,
    /// Share of the variance of the inputs' means that the law explains.
    pub r_squared_of_means: f64,
}

/// One input: its runs' mean on the objective's scale, and how many there are.
struct Input {
    run: Run,
    mean: f64,
    n: f64,
    /// Squares of its runs about their mean.
    within: f64,
}

/// What repeats among points sorted by size and tokens; `None` where nothing does.
pub(crate) fn repeated(
    points: &[Observation<Run>],
    objective: FitObjective,
    predict: impl Fn(Run) -> f64,
) -> Option<Repeated> {
    let bits = |point: &Observation<Run>| {
        let (size, tokens) = point.input.logs();
        [size.to_bits(), tokens.to_bits()]
    };
    let same = |a: &Observation<Run>, b: &Observation<Run>| bits(a) == bits(b);
    let inputs: Vec<Input> =
        points.chunk_by(same).map(|group| Input::new(group, objective)).collect();
    let free = points.len() - inputs.len();
    if free == 0 {
        return None;
    }
    let sum = |of: &dyn Fn(&Input) -> f64| inputs.iter().map(of).sum::<f64>();
    let within = sum(&|input| input.within);
    let grand = sum(&|input| input.n * input.mean) / points.len() as f64;
    let spread = sum(&|input| input.n * (input.mean - grand).powi(2));
    let missed = sum(&|input| input.n * (input.mean - objective.scale(predict(input.run))).powi(2));
    Some(Repeated {
        inputs: inputs.iter().filter(|input| input.n > 1.0).count(),
        run_stddev: (within / free as f64).sqrt(),
        r_squared_limit: 1.0 - within / (spread + within),
        r_squared_of_means: 1.0 - missed / spread,
    })
}

impl Input {
    fn new(group: &[Observation<Run>], objective: FitObjective) -> Self {
        let n = group.len() as f64;
        let values = || group.iter().map(|point| objective.scale(point.value));
        let mean = values().sum::<f64>() / n;
        let within = values().map(|value| (value - mean).powi(2)).sum();
        Self { run: group[0].input, mean, n, within }
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;

    /// Values of inputs 1, 2, .. by size, each with its runs.
    fn points(values: &[&[f64]]) -> Vec<Observation<Run>> {
        let of = |(i, runs): (usize, &&[f64])| {
            let input = Run::new(ParamCount((i + 1) as f64), TokenCount(9)).unwrap();
            runs.iter()
                .map(move |value| Observation { input, value: *value, weight: 1.0 })
                .collect::<Vec<_>>()
        };
        values.iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn run_variance_and_lack_of_fit_by_hand() {
        assert_eq!(repeated(&points(&[&[1.0], &[2.0]]), FitObjective::Squares, |_| 1.0), None);
        // Means 1, 4 and 7 about 4; one run each misses its mean by 1; the law is off by 1 on the last.
        let points = points(&[&[0.0, 2.0], &[3.0, 5.0], &[6.0, 8.0]]);
        let law = |run: Run| match run.logs().0 {
            first if first < 0.5 => 1.0,
            second if second < 1.0 => 4.0,
            _ => 8.0,
        };
        let found = repeated(&points, FitObjective::Squares, law).unwrap();
        assert_eq!(found.inputs, 3);
        assert!((found.run_stddev - (6.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{found:?}");
        assert!((found.r_squared_limit - (1.0 - 6.0 / 42.0)).abs() < 1e-12, "{found:?}");
        assert!((found.r_squared_of_means - (1.0 - 2.0 / 36.0)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_card_that_says_luck_is_read() {
        let card = "inputs = 35\nluck = 0.07\nr_squared_limit = 0.99\nr_squared_of_means = 0.98\n";
        let found: Repeated = toml::from_str(card).unwrap();
        assert_eq!(found.run_stddev.to_bits(), 0.07_f64.to_bits());
        let written = toml::to_string(&found).unwrap();
        assert_eq!(written, card.replace("luck", "run_stddev"));
    }

    #[test]
    fn on_a_log_scale_the_deviation_is_a_share() {
        let points = points(&[&[1.0, 1.21], &[2.0, 2.42]]);
        let found = repeated(&points, FitObjective::SquaresLog, |_| 1.0).unwrap();
        assert!((found.run_stddev - 1.21_f64.ln() / 2_f64.sqrt()).abs() < 1e-12, "{found:?}");
    }
}
