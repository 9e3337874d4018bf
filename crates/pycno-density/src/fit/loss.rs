//! Step one of a ruler: loss against size and tokens.
//!
//! Variable projection finds the basins, Newton descents their bottoms. Both are reported where
//! there are two, since the choice between them moves effective sizes a hundredfold.

use pycno_units::NatsPerToken;
use serde::{Deserialize, Serialize};

use super::{
    FIT,
    card::{FitCard, Fitted},
    exhaustive::exhaustive_starts,
    grid,
    objective::{FitObjective, Misfit, Observation},
    repeated::repeated,
    search::{Search, descend, is_same, search},
};
use crate::{
    DensityError,
    constants::LossConstants,
    law::{ChinchillaLaw, DensingLossLaw, Law, Run},
};

/// A law of four constants and one point to contradict them.
const MIN_POINTS: usize = 5;
/// Fewer sizes or token counts leave an exponent open.
const MIN_LEVELS: usize = 3;

/// Whether the law has a loss that nothing removes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossForm {
    /// `a N^-alpha + b D^-beta` (Xiao et al. 2025, equation 2).
    Densing,
    /// `E + a N^-alpha + b D^-beta` (Hoffmann et al. 2022, equation 10).
    Chinchilla,
}

/// A reference run on one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPoint {
    /// Size and tokens.
    pub run: Run,
    /// Mean loss of the right answers.
    pub loss: NatsPerToken,
}

/// How to fit a loss law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossFitOptions {
    /// The law.
    pub form: LossForm,
    /// What to minimize.
    pub objective: FitObjective,
    /// Start whose basin is used, as `[a, alpha, b, beta]`; the least cost where `None`.
    pub basin: Option<[f64; 4]>,
    /// Whether to add Chinchilla's 4,500 starts.
    pub exhaustive: bool,
}

/// A fitted loss law.
#[derive(Clone, Debug, PartialEq)]
pub struct LossFit {
    /// The law used.
    pub constants: LossConstants,
    /// Laws of the other minima, least cost first.
    pub others: Vec<LossConstants>,
    /// How it was found.
    pub card: FitCard,
}

/// Checked points, sorted so that row order changes nothing, with logarithms taken from their means.
///
/// Around the mean, factor and exponent of a term are nearly independent; far from it, where
/// `ln N = 0` lies, they are correlated by 0.999 and descents crawl along a valley.
#[derive(Clone, Debug)]
pub(crate) struct LossData {
    pub(crate) points: Vec<Observation<Run>>,
    /// Mean `ln N` and mean `ln D`.
    center: (f64, f64),
}

/// Fits a loss law to reference runs, in any order.
///
/// # Errors
///
/// [`DensityError::Quantity`], [`DensityError::TooFew`], [`DensityError::TooFewLevels`] and
/// [`DensityError::EqualLosses`] by the points; [`DensityError::NoConvergence`] when every start
/// fails, [`DensityError::NoBasin`] when the start that should choose the basin does not converge.
pub fn fit_loss(points: &[LossPoint], options: LossFitOptions) -> Result<LossFit, DensityError> {
    let data = LossData::new(points)?;
    match options.form {
        LossForm::Densing => fit_form(&DensingLossLaw, &data, options),
        LossForm::Chinchilla => fit_form(&ChinchillaLaw, &data, options),
    }
}

/// The two forms: their parameters are the first four or all five of `[ln a, alpha, ln b, beta, ln E]`.
pub(crate) trait Form<const P: usize>: Law<P, Input = Run> {
    fn parameters(&self, all: [f64; 5]) -> [f64; P];
    fn all(&self, theta: &[f64; P]) -> [f64; 5];
}

impl Form<4> for DensingLossLaw {
    fn parameters(&self, [ln_a, alpha, ln_b, beta, _]: [f64; 5]) -> [f64; 4] {
        [ln_a, alpha, ln_b, beta]
    }

    fn all(&self, &[ln_a, alpha, ln_b, beta]: &[f64; 4]) -> [f64; 5] {
        [ln_a, alpha, ln_b, beta, f64::NEG_INFINITY]
    }
}

impl Form<5> for ChinchillaLaw {
    fn parameters(&self, all: [f64; 5]) -> [f64; 5] {
        all
    }

    fn all(&self, theta: &[f64; 5]) -> [f64; 5] {
        *theta
    }
}

/// Constants of parameters around the data's center.
pub(crate) fn constants<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    theta: &[f64; P],
) -> LossConstants {
    let [ln_a, alpha, ln_b, beta, ln_e] = law.all(theta);
    let (n, d) = data.center;
    let (a, b) = ((ln_a + alpha * n).exp(), (ln_b + beta * d).exp());
    let irreducible = ln_e.is_finite().then(|| ln_e.exp());
    LossConstants { a, alpha, b, beta, irreducible }
}

/// Parameters around the data's center of `[ln a, alpha, ln b, beta, ln E]`.
pub(crate) fn centered<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    [ln_a, alpha, ln_b, beta, ln_e]: [f64; 5],
) -> [f64; P] {
    let (n, d) = data.center;
    law.parameters([ln_a - alpha * n, alpha, ln_b - beta * d, beta, ln_e])
}

fn fit_form<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    options: LossFitOptions,
) -> Result<LossFit, DensityError> {
    let found = search(law, &data.points, options.objective, &starts(law, data, options))?;
    let chosen = chosen(law, data, options, &found)?;
    let others = found.minima.iter().enumerate().filter(|(i, _)| *i != chosen);
    let misfit = Misfit::new(law, &data.points, options.objective);
    let (clusters, hold_out_error) = (data.sizes(), hold_out_error(law, data, options));
    let fitted = Fitted { misfit, search: &found, chosen, clusters, hold_out_error };
    let theta = &found.minima[chosen].theta;
    Ok(LossFit {
        constants: constants(law, data, theta),
        others: others.map(|(_, minimum)| constants(law, data, &minimum.theta)).collect(),
        card: FitCard {
            repeated: repeated(&data.points, options.objective, |run| law.predict(theta, run)),
            ..fitted.card()
        },
    })
}

fn starts<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    options: LossFitOptions,
) -> Vec<[f64; P]> {
    let irreducible = options.form == LossForm::Chinchilla;
    let grid = grid::starts(&data.points, irreducible, options.objective.is_log());
    let mut starts: Vec<_> = grid.into_iter().map(|start| law.parameters(start)).collect();
    starts.extend(options.basin.map(|basin| centered(law, data, basin_start(basin, data))));
    if options.exhaustive {
        starts.extend(exhaustive_starts().into_iter().map(|start| centered(law, data, start)));
    }
    starts
}

/// `[a, alpha, b, beta]` as a start; `E` begins at half the least loss.
fn basin_start([a, alpha, b, beta]: [f64; 4], data: &LossData) -> [f64; 5] {
    let least = data.points.iter().map(|point| point.value).fold(f64::INFINITY, f64::min);
    [a.ln(), alpha, b.ln(), beta, (least / 2.0).ln()]
}

/// Index of the minimum to use: where the basin's start ends, else that of the least cost.
fn chosen<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    options: LossFitOptions,
    found: &Search<P>,
) -> Result<usize, DensityError> {
    let Some(basin) = options.basin else { return Ok(0) };
    let start = centered(law, data, basin_start(basin, data));
    let end = descend(law, &data.points, options.objective, start);
    let same = |end: [f64; P]| found.minima.iter().position(|m| is_same(&m.theta, &end));
    end.and_then(same).ok_or(DensityError::NoBasin { start: basin })
}

/// Relative error on the largest size when the others alone are fitted.
fn hold_out_error<const P: usize>(
    law: &impl Form<P>,
    data: &LossData,
    options: LossFitOptions,
) -> Option<f64> {
    let (rest, held_out) = data.without_largest()?;
    let options = LossFitOptions { exhaustive: false, ..options };
    let found = search(law, &rest.points, options.objective, &starts(law, &rest, options)).ok()?;
    let theta = found.minima[chosen(law, &rest, options, &found).ok()?].theta;
    let error = |point: &Observation<Run>| point.value / law.predict(&theta, point.input) - 1.0;
    Some(held_out.iter().map(error).sum::<f64>() / held_out.len() as f64)
}

impl LossData {
    pub(crate) fn new(points: &[LossPoint]) -> Result<Self, DensityError> {
        if let Some(point) = points.iter().find(|p| !(p.loss.0.is_finite() && p.loss.0 > 0.0)) {
            return Err(super::not_a_loss(point.loss));
        }
        if points.len() < MIN_POINTS {
            return Err(DensityError::TooFew {
                what: FIT,
                needed: MIN_POINTS,
                found: points.len(),
            });
        }
        let data = Self::centered(sorted(points));
        let first = data.points[0].value;
        if data.points.iter().all(|point| point.value.to_bits() == first.to_bits()) {
            return Err(DensityError::EqualLosses { loss: first });
        }
        let tokens = levels(data.points.iter().map(|point| point.input.logs().1));
        for (what, found) in [("sizes", data.sizes()), ("token counts", tokens)] {
            if found < MIN_LEVELS {
                return Err(DensityError::TooFewLevels { what, needed: MIN_LEVELS, found });
            }
        }
        Ok(data)
    }

    /// Points whose logarithms count from anywhere, moved to count from their own means.
    fn centered(mut points: Vec<Observation<Run>>) -> Self {
        let n = points.len() as f64;
        let mean = |of: fn((f64, f64)) -> f64| {
            points.iter().map(|point| of(point.input.logs())).sum::<f64>() / n
        };
        let center = (mean(|logs| logs.0), mean(|logs| logs.1));
        for point in &mut points {
            point.input = point.input.scaled_down(center);
        }
        Self { points, center }
    }

    fn sizes(&self) -> usize {
        levels(self.points.iter().map(|point| point.input.logs().0))
    }

    /// All but the largest size, and its points; `None` where the rest carries no law.
    fn without_largest(&self) -> Option<(Self, Vec<Observation<Run>>)> {
        let largest = self.points.last()?.input.logs().0;
        let is_rest = |point: &Observation<Run>| point.input.logs().0 < largest;
        let (rest, held_out) = self.points.iter().partition::<Vec<_>, _>(|point| is_rest(point));
        let rest = Self { points: rest, center: self.center };
        (rest.sizes() >= MIN_LEVELS && rest.points.len() >= MIN_POINTS).then_some((rest, held_out))
    }
}

/// By size, then tokens, then loss.
fn sorted(points: &[LossPoint]) -> Vec<Observation<Run>> {
    let observation = |p: &LossPoint| Observation { input: p.run, value: p.loss.0, weight: 1.0 };
    let mut data: Vec<_> = points.iter().map(observation).collect();
    let key = |point: &Observation<Run>| {
        let (n, d) = point.input.logs();
        [n, d, point.value]
    };
    data.sort_by(|a, b| {
        let pairs = key(a).into_iter().zip(key(b));
        pairs.fold(std::cmp::Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(&b)))
    });
    data
}

fn levels(values: impl Iterator<Item = f64>) -> usize {
    values.map(f64::to_bits).collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;

    const OPTIONS: LossFitOptions = LossFitOptions {
        form: LossForm::Densing,
        objective: FitObjective::Squares,
        basin: None,
        exhaustive: false,
    };

    /// `0.2 + 8 N^-0.2 + 300 D^-0.3` at four sizes and four token counts, with a little noise.
    fn points(noise: f64) -> Vec<LossPoint> {
        let point = |i: u32| {
            let (n, d) = (1e7 * 4f64.powf(f64::from(i % 4)), 1_000_000_000 << (2 * (i / 4)));
            let loss = 0.2 + 8.0 * n.powf(-0.2) + 300.0 * (d as f64).powf(-0.3);
            let loss = NatsPerToken(loss * (noise * f64::from(i * i).sin()).exp());
            LossPoint { run: Run::new(ParamCount(n), TokenCount(d)).unwrap(), loss }
        };
        (0..16).map(point).collect()
    }

    #[test]
    fn the_order_of_rows_changes_nothing() {
        let mut reversed = points(0.01);
        reversed.reverse();
        for form in [LossForm::Densing, LossForm::Chinchilla] {
            let options = LossFitOptions { form, objective: FitObjective::HuberLog, ..OPTIONS };
            let fit = fit_loss(&points(0.01), options).unwrap();
            assert_eq!(fit_loss(&reversed, options).unwrap(), fit);
        }
    }

    #[test]
    fn other_units_change_the_factors_alone() {
        let options = LossFitOptions { form: LossForm::Chinchilla, ..OPTIONS };
        let plain = fit_loss(&points(0.01), options).unwrap().constants;
        let scaled = |point: &LossPoint| {
            let (n, d) = point.run.logs();
            let n = ParamCount((n - 6.0).exp());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole")]
            let d = TokenCount((d.exp() / 1e3).round() as u64);
            LossPoint { run: Run::new(n, d).unwrap(), ..*point }
        };
        let points: Vec<_> = points(0.01).iter().map(scaled).collect();
        let other = fit_loss(&points, options).unwrap().constants;
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
        assert!(near(other.alpha, plain.alpha) && near(other.beta, plain.beta), "{other:?}");
        assert!(near(other.a, plain.a * (-6.0 * plain.alpha).exp()), "{other:?} {plain:?}");
        assert!(near(other.b, plain.b * 1e-3f64.powf(plain.beta)), "{other:?} {plain:?}");
    }

    #[test]
    fn the_card_tells_the_noise_and_the_hold_out() {
        let options = LossFitOptions { form: LossForm::Chinchilla, ..OPTIONS };
        let card = fit_loss(&points(0.01), options).unwrap().card;
        assert!((1e-3..1e-2).contains(&card.residual_rms), "{card:?}");
        assert!(card.hold_out_error.unwrap().abs() < 0.05 && card.clusters == 4, "{card:?}");
        assert!(card.r_squared > 0.99 && card.bic > card.aic && card.gradient < 1e-10, "{card:?}");
        let exact = fit_loss(&points(0.0), options).unwrap();
        assert!(exact.card.hold_out_error.unwrap().abs() < 1e-6, "{:?}", exact.card);
        assert!((exact.constants.alpha - 0.2).abs() < 1e-6, "{:?}", exact.constants);
    }

    #[track_caller]
    fn refused(points: &[LossPoint], part: &str) {
        let message = fit_loss(points, OPTIONS).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn points_that_carry_no_law_are_refused() {
        refused(&points(0.0)[..1], "at least 5 points, got 1");
        refused(&points(0.0)[..4], "at least 5 points, got 4");
        refused(&[points(0.0)[0]; 9], "reference losses must differ");
        // Every fourth point has the smallest size; twice, they are enough points.
        let smallest = || points(0.0).into_iter().step_by(4);
        let one_size: Vec<_> = smallest().chain(smallest()).collect();
        refused(&one_size, "different sizes, got 1");
        for loss in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut broken = points(0.0);
            broken[2].loss = NatsPerToken(loss);
            refused(&broken, "a positive finite number of nats per token");
        }
        let run = |n: f64, d| Run::new(ParamCount(n), TokenCount(d));
        for (n, d) in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (f64::INFINITY, 1), (1.0, 0)] {
            assert!(run(n, d).is_err(), "{n} {d}");
        }
    }

    #[test]
    fn a_basin_that_leads_nowhere_is_an_error() {
        let options = LossFitOptions { basin: Some([f64::NAN, 0.1, 100.0, 0.3]), ..OPTIONS };
        let found = fit_loss(&points(0.01), options);
        assert!(matches!(found, Err(DensityError::NoBasin { .. })), "{found:?}");
    }
}
