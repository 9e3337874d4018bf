//! Run-to-run variance: how far one run scores from what its recipe gives on average.
//!
//! A model is one run. Draws of the ruler and of the items say how dense *this model* is; another run of its
//! recipe would score differently. The reference runs show by how much: their residuals about the ruler's laws
//! are samples of a run's deviation. A draw takes the residual of one reference run in the loss and of one point
//! of the score curve. Each residual is half way between that of the fit and that of a fit without the point's
//! cluster ([`Wild::scatter`](super::wild::Wild::scatter)).

use pycno_units::Seed;
use rand::RngExt as _;

use super::generator;
use crate::{constants::Constants, fit::FitObjective};

/// Residuals of a law's reference models, observed minus predicted.
#[derive(Clone, Debug)]
pub(crate) struct Scatter {
    /// Of the loss; empty where the law has one step.
    pub(crate) losses: Vec<f64>,
    /// On whose scale the losses' residuals are.
    pub(crate) objective: FitObjective,
    /// Of the score, in percent points.
    pub(crate) scores: Vec<f64>,
}

/// How far one run is from the mean of its recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RunDeviation {
    /// Added to the loss on the objective's scale.
    loss: f64,
    /// Added to the score, percent points.
    score: f64,
}

impl Scatter {
    /// The deviation of a model in a draw: the same whatever else is weighed.
    pub(crate) fn draw(&self, seed: Seed, model: &str, draw: usize) -> RunDeviation {
        // The stream keeps its first name: another one would change every interval.
        let mut rng = generator(seed, &format!("luck/{model}/{draw}"));
        let mut one = |of: &[f64]| {
            if of.is_empty() { 0.0 } else { of[rng.random_range(0..of.len())] }
        };
        RunDeviation { loss: one(&self.losses), score: one(&self.scores) }
    }

    /// `ln N` of a score without the run's deviation; infinite as [`Constants::ln_params`].
    pub(crate) fn ln_params(
        &self,
        constants: &Constants,
        percent: f64,
        ln_tokens: f64,
        deviation: RunDeviation,
    ) -> f64 {
        let without = |loss: f64| {
            // No size reaches a loss of 0 or less, and it has no logarithm.
            if loss > 0.0 {
                self.objective.unscale(self.objective.scale(loss) - deviation.loss)
            } else {
                loss
            }
        };
        constants.ln_params_by(percent - deviation.score, ln_tokens, without)
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::Score;

    use super::*;
    use crate::constants::{DirectConstants, LossConstants, SigmoidConstants};

    const TOKENS: f64 = 27.0;

    /// `L = 4 N^-0.1 + 100 D^-0.3`, `S = 10 + 80 / (1 + exp(20 (L - 0.5)))`.
    fn two_steps() -> Constants {
        let loss = LossConstants { a: 4.0, alpha: 0.1, b: 100.0, beta: 0.3, irreducible: None };
        let score = SigmoidConstants { c: 80.0, gamma: -20.0, l: 0.5, d: 10.0 };
        Constants::TwoStep { loss, score }
    }

    fn scatter(objective: FitObjective) -> Scatter {
        Scatter { losses: vec![-0.1, 0.05], objective, scores: vec![2.0] }
    }

    #[track_caller]
    fn check(
        constants: &Constants,
        objective: FitObjective,
        deviation: RunDeviation,
        percent: f64,
        same_as: f64,
    ) {
        let found = scatter(objective).ln_params(constants, percent, TOKENS, deviation);
        let expected = constants.ln_params(same_as, TOKENS);
        let same = found.to_bits() == expected.to_bits();
        assert!(same || (found - expected).abs() < 1e-9, "{found} {expected}");
    }

    /// The percent of a loss by the curve of `two_steps`.
    fn percent(loss: f64) -> f64 {
        10.0 + 80.0 / (1.0 + (20.0 * (loss - 0.5)).exp())
    }

    #[test]
    fn the_deviation_is_taken_out_of_loss_and_score() {
        let (law, none) = (two_steps(), RunDeviation::default());
        check(&law, FitObjective::Squares, none, 60.0, 60.0);
        check(&law, FitObjective::Squares, RunDeviation { score: 2.0, ..none }, 60.0, 58.0);
        // A run 0.05 nats below its recipe's mean weighs what the recipe gives: a loss higher by 0.05.
        let better = RunDeviation { loss: -0.05, ..none };
        check(&law, FitObjective::Squares, better, percent(0.5), percent(0.55));
        check(&law, FitObjective::SquaresLog, better, percent(0.5), percent(0.5 * 0.05f64.exp()));
    }

    #[test]
    fn beyond_the_law_the_deviation_changes_nothing() {
        let deviation = RunDeviation { loss: 0.3, score: 0.0 };
        for objective in [FitObjective::Squares, FitObjective::SquaresLog] {
            check(&two_steps(), objective, deviation, 10.0, 10.0);
            check(&two_steps(), objective, deviation, 90.0, 90.0);
        }
        let [floor, ceiling] = [25.0, 80.0].map(|percent| Score::from_percent(percent).unwrap());
        let score = DirectConstants { floor, ceiling, steepness: 0.6, midpoint: 19.0 };
        let direct = Constants::Direct { score };
        check(&direct, FitObjective::Squares, RunDeviation { loss: 9.0, score: 3.0 }, 60.0, 57.0);
    }

    #[test]
    fn a_draw_is_the_residual_of_one_reference_model_and_repeats() {
        let scatter = scatter(FitObjective::Squares);
        let draws: Vec<RunDeviation> = (0..64).map(|i| scatter.draw(Seed(1), "a", i)).collect();
        assert!(
            draws.iter().all(
                |run| scatter.losses.contains(&run.loss) && scatter.scores.contains(&run.score)
            )
        );
        assert!(draws.iter().any(|run| run.loss < 0.0) && draws.iter().any(|run| run.loss > 0.0));
        assert!(draws.iter().enumerate().all(|(i, run)| scatter.draw(Seed(1), "a", i) == *run));
        assert!((0..64).any(|i| scatter.draw(Seed(1), "b", i) != draws[i]));
    }
}
