//! The one place that knows the optimizer: bounded L-BFGS-B of crate `basin`.

use std::convert::Infallible;

use basin::{
    BoxBounds, ConstraintDescription, ConstraintSet, Constraints, CostFunction, Executor,
    FirstOrderState, Gradient, Lbfgsb,
};

/// Iterations after which a descent gives up; sigmoid fits need about 30.
const MAX_ITERATIONS: u64 = 1_000;
/// Projected gradient (of a cost in squared percent points) at which a descent has converged.
const GRADIENT_TOLERANCE: f64 = 1e-9;
/// A line search can fail far from the minimum; a run without its history then goes on. Runs
/// end when the cost does not fall any more.
const MAX_RUNS: usize = 10;
/// Accepted where the cost does not fall any more: rounding hides `sqrt(2 eps cost curvature)`,
/// about 1e-4 for 16 points with residuals of a few percent points.
const ACCEPTED_GRADIENT: f64 = 1e-3;

/// Lower and upper limit of each parameter.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

/// Where a descent ended.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    pub(crate) point: Vec<f64>,
    pub(crate) cost: f64,
    pub(crate) converged: bool,
}

struct Bounded<'a, F> {
    cost_and_gradient: &'a F,
    bounds: &'a Bounds,
}

/// Minimizes within the bounds, from one start. `cost_and_gradient` gives both at a point.
///
/// An unusable start (infinite or `NaN` cost) ends where it began, not converged.
pub(crate) fn minimize<F>(cost_and_gradient: &F, start: &[f64], bounds: &Bounds) -> Minimum
where
    F: Fn(&[f64]) -> (f64, Vec<f64>),
{
    let mut end = judge(cost_and_gradient, start.to_vec(), bounds);
    for _ in 0..MAX_RUNS {
        let Some(point) = descend(cost_and_gradient, &end.point, bounds) else { break };
        let next = judge(cost_and_gradient, point, bounds);
        if next.cost < end.cost {
            end = next;
        } else {
            break;
        }
    }
    end
}

/// One run of L-BFGS-B; `None` if it finds no point at all.
fn descend<F>(cost_and_gradient: &F, start: &[f64], bounds: &Bounds) -> Option<Vec<f64>>
where
    F: Fn(&[f64]) -> (f64, Vec<f64>),
{
    if !cost_and_gradient(start).0.is_finite() {
        return None; // `basin` has no best point to give then
    }
    let problem = Bounded { cost_and_gradient, bounds };
    // A zero cost tolerance stops only where rounding keeps the cost from falling any more.
    let solver = Lbfgsb::new()
        .with_absolute_projected_gradient_tolerance(GRADIENT_TOLERANCE)
        .with_relative_cost_reduction_tolerance(0.0);
    let state = FirstOrderState::new(start.to_vec());
    let result = Executor::new(problem, solver, state).max_iter(MAX_ITERATIONS).run().ok()?;
    Some(result.best_param().clone())
}

fn judge<F>(cost_and_gradient: &F, point: Vec<f64>, bounds: &Bounds) -> Minimum
where
    F: Fn(&[f64]) -> (f64, Vec<f64>),
{
    let (cost, gradient) = cost_and_gradient(&point);
    let slope = projected_gradient(&point, &gradient, bounds);
    Minimum { converged: cost.is_finite() && slope <= ACCEPTED_GRADIENT, point, cost }
}

/// Largest gradient component that the bounds leave free.
fn projected_gradient(point: &[f64], gradient: &[f64], bounds: &Bounds) -> f64 {
    let moved =
        |i: usize| (point[i] - gradient[i]).clamp(bounds.lower[i], bounds.upper[i]) - point[i];
    (0..point.len()).map(|i| moved(i).abs()).fold(0.0, f64::max)
}

impl<F> Constraints for Bounded<'_, F> {
    type Set = ConstraintSet<BoxBounds<Vec<f64>>>;

    fn constraints(&self) -> <Self::Set as ConstraintDescription>::Borrowed<'_> {
        ConstraintSet::new()
            .with_bounds(BoxBounds::new(Some(&self.bounds.lower), Some(&self.bounds.upper)))
    }
}

impl<F: Fn(&[f64]) -> (f64, Vec<f64>)> CostFunction for Bounded<'_, F> {
    type Param = Vec<f64>;
    type Output = f64;
    type Error = Infallible;

    fn cost(&self, point: &Vec<f64>) -> Result<f64, Infallible> {
        Ok((self.cost_and_gradient)(point).0)
    }
}

impl<F: Fn(&[f64]) -> (f64, Vec<f64>)> Gradient for Bounded<'_, F> {
    type Gradient = Vec<f64>;

    fn gradient(&self, point: &Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok((self.cost_and_gradient)(point).1)
    }

    fn cost_and_gradient(&self, point: &Vec<f64>) -> Result<(f64, Vec<f64>), Infallible> {
        Ok((self.cost_and_gradient)(point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(x - 3)^2 + 10 (y + 1)^2`.
    fn bowl(point: &[f64]) -> (f64, Vec<f64>) {
        let (x, y) = (point[0] - 3.0, point[1] + 1.0);
        (x * x + 10.0 * y * y, vec![2.0 * x, 20.0 * y])
    }

    #[track_caller]
    fn check(lower: [f64; 2], upper: [f64; 2], expect: [f64; 2]) {
        let bounds = Bounds { lower: lower.to_vec(), upper: upper.to_vec() };
        let found = minimize(&bowl, &[0.5, 0.5], &bounds);
        assert!(found.converged, "{found:?}");
        assert!(found.point.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-8), "{found:?}");
    }

    #[test]
    fn the_bottom_is_found_within_and_on_the_bounds() {
        check([-9.0, -9.0], [9.0, 9.0], [3.0, -1.0]);
        check([-9.0, 0.0], [2.0, 9.0], [2.0, 0.0]);
        check([-9.0, 0.5], [9.0, 0.5], [3.0, 0.5]);
    }

    #[test]
    fn a_start_without_a_cost_does_not_converge() {
        let bounds = Bounds { lower: vec![-1.0], upper: vec![1.0] };
        let broken = |_: &[f64]| (f64::NAN, vec![f64::NAN]);
        assert!(!minimize(&broken, &[0.0], &bounds).converged);
    }
}
