//! What a fit minimizes: a sum over data points of a penalty of the residual.
//!
//! Sums, never means: tolerances relative to a mean stop Chinchilla fits 27 % too high.

use serde::{Deserialize, Serialize};
use wide::f64x4;

use super::newton::{Cost, Quadratic, Second};
use crate::law::{LANES, Law};

/// Where Huber's penalty turns from square to straight, in log loss (Hoffmann et al. 2022).
pub const HUBER_DELTA: f64 = 1e-3;

/// The penalty, and whether residuals are taken of values or of their logarithms.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitObjective {
    /// Huber's penalty of log residuals with delta `1e-3`: the default for losses.
    #[default]
    HuberLog,
    /// Huber's penalty of plain residuals with the same delta.
    Huber,
    /// Squares of log residuals.
    SquaresLog,
    /// Squares of plain residuals: the densing law's own choice.
    Squares,
}

/// A data point: an input, the value observed, and how much it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation<I> {
    /// What the prediction is made from.
    pub input: I,
    /// The value observed.
    pub value: f64,
    /// Weight in the sum; 1 unless there is a reason.
    pub weight: f64,
}

/// Penalty of a residual with its first and second derivative.
struct Penalty {
    value: f64,
    first: f64,
    second: f64,
    /// First derivative over the residual: the weight of an equivalent square.
    reweighted: f64,
}

impl FitObjective {
    /// Whether residuals are those of logarithms, and so relative.
    pub const fn is_log(self) -> bool {
        matches!(self, Self::HuberLog | Self::SquaresLog)
    }

    pub(crate) const fn is_huber(self) -> bool {
        matches!(self, Self::HuberLog | Self::Huber)
    }

    /// The same objective with squares for Huber's penalty: smooth, and convex in more places.
    pub(crate) const fn squares(self) -> Self {
        if self.is_log() { Self::SquaresLog } else { Self::Squares }
    }

    /// A value on the objective's scale.
    pub(crate) fn scale(self, value: f64) -> f64 {
        if self.is_log() { value.ln() } else { value }
    }

    /// The inverse of [`scale`](Self::scale).
    pub(crate) fn unscale(self, scaled: f64) -> f64 {
        if self.is_log() { scaled.exp() } else { scaled }
    }

    /// [`scale`](Self::scale) of four values.
    fn scale_all(self, values: [f64; LANES]) -> [f64; LANES] {
        if self.is_log() { f64x4::from(values).ln().to_array() } else { values }
    }

    fn penalty(self, residual: f64) -> Penalty {
        let square = residual * residual;
        if !self.is_huber() {
            return Penalty { value: square, first: 2.0 * residual, second: 2.0, reweighted: 2.0 };
        }
        if residual.abs() <= HUBER_DELTA {
            return Penalty { value: square / 2.0, first: residual, second: 1.0, reweighted: 1.0 };
        }
        let value = HUBER_DELTA * (residual.abs() - HUBER_DELTA / 2.0);
        let first = HUBER_DELTA.copysign(residual);
        Penalty { value, first, second: 0.0, reweighted: first / residual }
    }
}

/// An objective over data, as a function of a law's parameters.
pub(crate) struct Misfit<'a, const P: usize, L: Law<P>> {
    pub(crate) law: &'a L,
    pub(crate) data: &'a [Observation<L::Input>],
    pub(crate) objective: FitObjective,
    /// Observed values on the objective's scale.
    targets: Vec<f64>,
}

impl<'a, const P: usize, L: Law<P>> Misfit<'a, P, L> {
    pub(crate) fn new(
        law: &'a L,
        data: &'a [Observation<L::Input>],
        objective: FitObjective,
    ) -> Self {
        let targets = data.iter().map(|point| objective.scale(point.value)).collect();
        Self { law, data, objective, targets }
    }

    /// Observed minus predicted, on the objective's scale.
    pub(crate) fn residuals(&self, theta: &[f64; P]) -> Vec<f64> {
        let predicted = |point: &Observation<L::Input>| self.law.predict(theta, point.input);
        let pairs = self.data.iter().zip(&self.targets);
        pairs.map(|(point, target)| target - self.objective.scale(predicted(point))).collect()
    }

    /// Sum of squared distances of the observed values from their mean, on the objective's scale.
    pub(crate) fn spread(&self) -> f64 {
        let mean = self.targets.iter().sum::<f64>() / self.targets.len() as f64;
        self.targets.iter().map(|target| (target - mean).powi(2)).sum()
    }
}

impl<const P: usize, L: Law<P>> Cost<P> for Misfit<'_, P, L> {
    fn quadratic(&self, theta: &[f64; P], second: Second) -> Quadratic<P> {
        let mut sum = Quadratic { cost: 0.0, gradient: [0.0; P], hessian: [[0.0; P]; P] };
        for (points, targets) in self.data.chunks(LANES).zip(self.targets.chunks(LANES)) {
            // The last lanes of the last chunk repeat a point; they are not added.
            let inputs = std::array::from_fn(|i| points[i.min(points.len() - 1)].input);
            let (values, gradients) = self.law.gradients(theta, inputs);
            let scaled = self.objective.scale_all(values);
            for (i, (point, target)) in points.iter().zip(targets).enumerate() {
                let at = Predicted { value: values[i], gradient: gradients[i] };
                let penalty = self.objective.penalty(scaled[i] - target);
                self.add(theta, point, (&at, &penalty, second), &mut sum);
            }
        }
        for i in 0..P {
            for j in 0..i {
                sum.hessian[i][j] = sum.hessian[j][i];
            }
        }
        sum
    }
}

/// A prediction with its derivatives.
struct Predicted<const P: usize> {
    value: f64,
    gradient: [f64; P],
}

impl<const P: usize, L: Law<P>> Misfit<'_, P, L> {
    /// Adds a point, of the second derivatives the upper half.
    ///
    /// On the log scale `d ln f = f' / f` and `d2 ln f = f'' / f - (f' / f)(f' / f)`.
    fn add(
        &self,
        theta: &[f64; P],
        point: &Observation<L::Input>,
        (at, penalty, second): (&Predicted<P>, &Penalty, Second),
        sum: &mut Quadratic<P>,
    ) {
        let is_log = self.objective.is_log();
        let per = if is_log { 1.0 / at.value } else { 1.0 };
        let slope = at.gradient.map(|x| x * per);
        let first = point.weight * penalty.first;
        let outer = match second {
            Second::Gauss => point.weight * penalty.reweighted,
            Second::Hessian if is_log => point.weight * penalty.second - first,
            Second::Hessian => point.weight * penalty.second,
        };
        sum.cost += point.weight * penalty.value;
        for i in 0..P {
            sum.gradient[i] += first * slope[i];
            for j in i..P {
                sum.hessian[i][j] += outer * slope[i] * slope[j];
            }
        }
        if second == Second::Hessian {
            let curvature = self.law.curvature(theta, point.input, &at.gradient);
            for (sums, row) in sum.hessian.iter_mut().zip(&curvature) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += first * per * x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::{ChinchillaLaw, Run};

    const ALL: [FitObjective; 4] = [
        FitObjective::HuberLog,
        FitObjective::Huber,
        FitObjective::SquaresLog,
        FitObjective::Squares,
    ];

    #[test]
    fn penalties_are_square_near_zero_and_straight_beyond() {
        let value = |objective: FitObjective, residual| objective.penalty(residual).value;
        assert!((value(FitObjective::Squares, 3.0) - 9.0).abs() < 1e-15);
        assert!((value(FitObjective::Huber, 1e-4) - 5e-9).abs() < 1e-20);
        assert!((value(FitObjective::Huber, -0.1) - 1e-3 * (0.1 - 5e-4)).abs() < 1e-15);
        assert!((FitObjective::HuberLog.scale(2.0) - 2f64.ln()).abs() < 1e-15);
    }

    /// A surface with a few percent of made-up noise.
    fn data() -> Vec<Observation<Run>> {
        let theta = [6.0, 0.34, 6.0, 0.28, 0.5];
        let point = |i: u64| {
            let run = Run::new(ParamCount(1e7 * (i as f64).exp2()), TokenCount((i + 1) << 30));
            let input = run.unwrap();
            let value = ChinchillaLaw.predict(&theta, input) * (1.0 + 0.03 * (i as f64).sin());
            Observation { input, value, weight: 1.0 + i as f64 }
        };
        (0..7).map(point).collect()
    }

    #[test]
    fn derivatives_are_those_of_the_cost() {
        let data = data();
        for objective in ALL {
            let misfit = Misfit::new(&ChinchillaLaw, &data, objective);
            let cost = |theta: &[f64; 5]| misfit.quadratic(theta, Second::Gauss).cost;
            let theta = [6.1, 0.35, 5.9, 0.27, 0.45];
            let at = misfit.quadratic(&theta, Second::Hessian);
            assert!((at.cost - cost(&theta)).abs() <= 1e-14 * at.cost);
            let moved = |i: usize, by: f64| {
                let mut moved = theta;
                moved[i] += by;
                misfit.quadratic(&moved, Second::Hessian)
            };
            for i in 0..5 {
                let (up, down) = (moved(i, 1e-6), moved(i, -1e-6));
                let slope = (up.cost - down.cost) / 2e-6;
                let bends: [f64; 5] =
                    std::array::from_fn(|j| (up.gradient[j] - down.gradient[j]) / 2e-6);
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (a.abs() + b.abs() + at.cost);
                assert!(near(at.gradient[i], slope), "{objective:?} {i}");
                let pairs = at.hessian[i].iter().zip(bends);
                assert!(pairs.into_iter().all(|(a, b)| near(*a, b)), "{objective:?} {i}");
            }
        }
    }
}
