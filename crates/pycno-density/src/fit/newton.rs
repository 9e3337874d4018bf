//! A bounded Newton descent with Levenberg's damping, for costs with known second derivatives.
//!
//! Levenberg 1944 and Marquardt 1963 for the damping, Bertsekas 1982 for the bounds: a parameter
//! on a bound whose gradient points outward rests, the others take a damped Newton step, clipped to
//! the bounds. Only steps that lower the cost are taken.

use crate::law::Bounds;

/// Iterations after which a descent gives up; from a sane start it needs 10 to 30.
const MAX_ITERATIONS: usize = 300;
/// Decrease that the quadratic model promises, relative to the cost, at which rounding hides any
/// further gain.
const DECREMENT: f64 = 1e-15;
/// The same where only the basin is asked for.
const BASIN_DECREMENT: f64 = 1e-7;
/// Where no damping lowers the cost any more, the model may still promise this much (relative).
const STALLED: f64 = 1e-9;
/// A nearly undamped step this short relative to the parameters changes no digit that matters.
const STEP: f64 = 1e-13;
/// Damping at the start, below which a step counts as undamped, and beyond which none helps.
const DAMPING: f64 = 1e-3;
const DAMPING_GIVES_UP: f64 = 1e15;
/// A step that lowers the cost by at least this share of what the model promised eases the damping
/// by this factor; one that does not lower it at all raises it tenfold.
const TRUSTED: f64 = 0.25;
const EASED: f64 = 0.03;
/// Halvings of a step tried before its damping is raised.
const HALVINGS: i32 = 6;
/// Steps follow the Gauss-Newton matrix until one lowers the cost by a smaller share than this.
const NEAR: f64 = 0.1;
/// Parameters are of order one (logarithms, exponents): none moves farther in a step.
const LONGEST: f64 = 4.0;

/// A cost with its first and second derivatives.
#[derive(Clone, Copy)]
pub(crate) struct Quadratic<const P: usize> {
    pub(crate) cost: f64,
    pub(crate) gradient: [f64; P],
    /// Second derivatives, or what stands in for them.
    pub(crate) hessian: [[f64; P]; P],
}

/// Which second derivatives a step follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Second {
    /// Gauss and Newton's approximation with reweighted residuals: never indefinite, and better than
    /// the Hessian far from a minimum.
    Gauss,
    /// The Hessian itself, whose steps converge quadratically near a minimum.
    Hessian,
}

/// What a descent needs to know of a cost.
pub(crate) trait Cost<const P: usize> {
    /// The cost with its derivatives; not finite where a point is unusable.
    fn quadratic(&self, point: &[f64; P], second: Second) -> Quadratic<P>;
}

/// How exactly a minimum is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Precision {
    /// As exactly as rounding allows.
    Full,
    /// Well enough to go on from there.
    Basin,
}

/// Where a descent ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<const P: usize> {
    pub(crate) point: [f64; P],
    pub(crate) cost: f64,
    /// Largest component of the gradient that the bounds leave free.
    pub(crate) gradient: f64,
    pub(crate) converged: bool,
}

enum Move<const P: usize> {
    /// A point of lower cost, and the cost there.
    To([f64; P], Quadratic<P>),
    /// The minimum, as far as the cost can tell.
    Arrived([f64; P], Quadratic<P>),
    /// No step lowers the cost, though the model promises one.
    Stuck,
    /// The Hessian bends down somewhere.
    Indefinite,
}

/// Minimizes within the bounds, from one start.
///
/// An unusable start (infinite or `NaN` cost) ends where it began, not converged.
pub(crate) fn minimize<const P: usize>(
    cost: &impl Cost<P>,
    start: [f64; P],
    bounds: &Bounds<P>,
    precision: Precision,
) -> End<P> {
    let mut point = bounds.clamp(start);
    let mut second = Second::Gauss;
    let mut at = cost.quadratic(&point, second);
    let mut damping = DAMPING;
    let mut converged = false;
    for _ in 0..MAX_ITERATIONS {
        if !at.cost.is_finite() {
            break;
        }
        let moved = next(cost, (&point, &at, second), bounds, (&mut damping, precision));
        let is_far = match moved {
            Move::To(there, lower) => {
                let is_far = lower.cost < (1.0 - NEAR) * at.cost;
                (point, at) = (there, lower);
                is_far
            }
            Move::Arrived(there, last) if second == Second::Hessian => {
                (point, at, converged) = (there, last, true);
                break;
            }
            Move::Stuck if second == Second::Hessian => break,
            Move::Arrived(..) | Move::Stuck => {
                damping = DAMPING;
                false
            }
            // Raising the damping would crawl; one step of the other kind does not.
            Move::Indefinite => true,
        };
        if is_far != (second == Second::Gauss) {
            second = if is_far { Second::Gauss } else { Second::Hessian };
            at = cost.quadratic(&point, second);
        }
    }
    End { point, cost: at.cost, gradient: steepest(&point, &at, bounds), converged }
}

/// The next point: raises the damping until a step lowers the cost.
fn next<const P: usize>(
    cost: &impl Cost<P>,
    (point, at, second): (&[f64; P], &Quadratic<P>, Second),
    bounds: &Bounds<P>,
    (damping, precision): (&mut f64, Precision),
) -> Move<P> {
    let decrement = if precision == Precision::Full { DECREMENT } else { BASIN_DECREMENT };
    let free = free(point, &at.gradient, bounds);
    while *damping < DAMPING_GIVES_UP {
        let Some(step) = step(at, &free, *damping) else {
            if second == Second::Hessian {
                return Move::Indefinite;
            }
            *damping = (*damping * 10.0).max(DAMPING);
            continue;
        };
        let (there, moved) = moved(point, &step, bounds);
        let promised = promise(at, &moved);
        let next = cost.quadratic(&there, second);
        let lower = at.cost - next.cost;
        if *damping <= DAMPING {
            let short = (0..P).all(|i| moved[i].abs() <= STEP * (1.0 + point[i].abs()));
            if short || promised.abs() <= decrement * at.cost {
                return last(point, at, bounds, (there, next));
            }
        }
        if lower > 0.0 {
            if lower > TRUSTED * promised {
                *damping *= EASED;
            }
            return Move::To(there, next);
        }
        if precision == Precision::Full
            && *damping <= DAMPING
            && let Some(moved) = shorter(cost, (point, at, second), bounds, &step)
        {
            return moved;
        }
        *damping = (*damping * 10.0).max(DAMPING);
    }
    let undamped = step(at, &free, 0.0).map(|step| promise(at, &moved(point, &step, bounds).1));
    if undamped.is_some_and(|promised| promised <= STALLED * at.cost) {
        Move::Arrived(*point, *at)
    } else {
        Move::Stuck
    }
}

/// The step halved until it lowers the cost: where a kink of the penalty lies in the way, the direction
/// is right and the length is not.
fn shorter<const P: usize>(
    cost: &impl Cost<P>,
    (point, at, second): (&[f64; P], &Quadratic<P>, Second),
    bounds: &Bounds<P>,
    step: &[f64; P],
) -> Option<Move<P>> {
    (1..=HALVINGS).find_map(|halvings| {
        let share = 0.5f64.powi(halvings);
        let (there, _) = moved(point, &step.map(|x| x * share), bounds);
        let next = cost.quadratic(&there, second);
        (next.cost < at.cost).then_some(Move::To(there, next))
    })
}

/// Where a step ends within the bounds, and how far that is.
fn moved<const P: usize>(
    point: &[f64; P],
    step: &[f64; P],
    bounds: &Bounds<P>,
) -> ([f64; P], [f64; P]) {
    let there = bounds.clamp(std::array::from_fn(|i| point[i] + step[i]));
    (there, std::array::from_fn(|i| there[i] - point[i]))
}

/// The last step gains nothing in cost that rounding would show, but digits in the parameters, as
/// long as it flattens the gradient.
fn last<const P: usize>(
    point: &[f64; P],
    at: &Quadratic<P>,
    bounds: &Bounds<P>,
    (there, next): ([f64; P], Quadratic<P>),
) -> Move<P> {
    if steepest(&there, &next, bounds) < steepest(point, at, bounds) {
        Move::Arrived(there, next)
    } else {
        Move::Arrived(*point, *at)
    }
}

/// Largest component of the gradient that the bounds leave free.
fn steepest<const P: usize>(point: &[f64; P], at: &Quadratic<P>, bounds: &Bounds<P>) -> f64 {
    let free = free(point, &at.gradient, bounds);
    (0..P).filter(|i| free[*i]).map(|i| at.gradient[i].abs()).fold(0.0, f64::max)
}

/// Decrease by the quadratic model.
fn promise<const P: usize>(at: &Quadratic<P>, moved: &[f64; P]) -> f64 {
    let mut change = 0.0;
    for i in 0..P {
        let bend: f64 = (0..P).map(|j| at.hessian[i][j] * moved[j]).sum();
        change += moved[i] * (at.gradient[i] + bend / 2.0);
    }
    -change
}

/// Parameters that are not held by a bound.
fn free<const P: usize>(point: &[f64; P], gradient: &[f64; P], bounds: &Bounds<P>) -> [bool; P] {
    std::array::from_fn(|i| {
        bounds.is_free(i)
            && !(point[i] <= bounds.lower[i] && gradient[i] > 0.0)
            && !(point[i] >= bounds.upper[i] && gradient[i] < 0.0)
    })
}

/// `-(H + damping * diag)^-1 g` over the free parameters, no longer than [`LONGEST`]; `None` where
/// the damped Hessian is not positive definite.
fn step<const P: usize>(at: &Quadratic<P>, free: &[bool; P], damping: f64) -> Option<[f64; P]> {
    let largest = (0..P).map(|i| at.hessian[i][i].abs()).fold(f64::MIN_POSITIVE, f64::max);
    let diagonal = |i: usize| damping * (at.hessian[i][i].abs() + 1e-6 * largest);
    // A parameter that rests has a row of the identity and no slope.
    let entry = |i: usize, j: usize| match (free[i] && free[j], i == j) {
        (true, true) => at.hessian[i][i] + diagonal(i),
        (true, false) => at.hessian[i][j],
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    let matrix = std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)));
    let right = std::array::from_fn(|i| if free[i] { -at.gradient[i] } else { 0.0 });
    let step = solve(matrix, right)?;
    step.iter().all(|x| x.is_finite()).then(|| step.map(|x| x.clamp(-LONGEST, LONGEST)))
}

/// Solves a symmetric positive definite system by Cholesky's factors; `None` for any other.
pub(crate) fn solve<const P: usize>(
    mut matrix: [[f64; P]; P],
    mut right: [f64; P],
) -> Option<[f64; P]> {
    for i in 0..P {
        for j in 0..i {
            let dot: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            matrix[i][j] = (matrix[i][j] - dot) / matrix[j][j];
        }
        let dot: f64 = (0..i).map(|k| matrix[i][k] * matrix[i][k]).sum();
        let rest = matrix[i][i] - dot;
        if rest.is_nan() || rest <= 1e-14 * matrix[i][i].abs() {
            return None;
        }
        matrix[i][i] = rest.sqrt();
    }
    for i in 0..P {
        let dot: f64 = (0..i).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i][i];
    }
    for i in (0..P).rev() {
        let dot: f64 = (i + 1..P).map(|k| matrix[k][i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i][i];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(x - 3)^2 + 10 (y + 1)^2`.
    struct Bowl;

    /// Rosenbrock's valley, minimum 0 at (1, 1).
    struct Valley;

    struct Broken;

    impl Cost<2> for Bowl {
        fn quadratic(&self, [x, y]: &[f64; 2], _: Second) -> Quadratic<2> {
            let cost = (x - 3.0).powi(2) + 10.0 * (y + 1.0).powi(2);
            let gradient = [2.0 * (x - 3.0), 20.0 * (y + 1.0)];
            Quadratic { cost, gradient, hessian: [[2.0, 0.0], [0.0, 20.0]] }
        }
    }

    impl Cost<2> for Valley {
        fn quadratic(&self, [x, y]: &[f64; 2], _: Second) -> Quadratic<2> {
            let cost = (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
            let gradient = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
            let hessian = [[2.0 - 400.0 * (y - 3.0 * x * x), -400.0 * x], [-400.0 * x, 200.0]];
            Quadratic { cost, gradient, hessian }
        }
    }

    impl Cost<2> for Broken {
        fn quadratic(&self, _: &[f64; 2], _: Second) -> Quadratic<2> {
            Quadratic { cost: f64::NAN, gradient: [f64::NAN; 2], hessian: [[f64::NAN; 2]; 2] }
        }
    }

    #[track_caller]
    fn check(cost: &impl Cost<2>, bounds: [(f64, f64); 2], start: [f64; 2], expect: [f64; 2]) {
        let end = minimize(cost, start, &Bounds::new(bounds), Precision::Full);
        assert!(end.converged, "{end:?}");
        assert!(end.point.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-8), "{end:?}");
    }

    const WIDE: (f64, f64) = (-9.0, 9.0);

    #[test]
    fn the_bottom_is_found_within_and_on_the_bounds() {
        check(&Bowl, [WIDE, WIDE], [0.5, 0.5], [3.0, -1.0]);
        check(&Bowl, [(-9.0, 2.0), (0.0, 9.0)], [0.5, 0.5], [2.0, 0.0]);
        check(&Bowl, [WIDE, (0.5, 0.5)], [0.5, 0.5], [3.0, 0.5]);
        check(&Bowl, [WIDE, WIDE], [100.0, 100.0], [3.0, -1.0]);
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        check(&Valley, [WIDE, WIDE], [-1.2, 1.0], [1.0, 1.0]);
        check(&Valley, [WIDE, WIDE], [8.0, -8.0], [1.0, 1.0]);
    }

    #[test]
    fn a_start_without_a_cost_does_not_converge() {
        let bounds = Bounds::new([WIDE, WIDE]);
        assert!(!minimize(&Broken, [0.0, 0.0], &bounds, Precision::Full).converged);
    }

    #[test]
    fn systems_that_are_not_positive_definite_have_no_factors() {
        let close = solve([[4.0, 2.0], [2.0, 3.0]], [8.0, 7.0]).unwrap();
        assert!((close[0] - 1.25).abs() < 1e-15 && (close[1] - 1.5).abs() < 1e-15);
        assert!(solve([[1.0, 2.0], [2.0, 1.0]], [1.0, 1.0]).is_none());
    }
}
