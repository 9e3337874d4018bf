//! Descents from many starts, and the minima they end in.

use rayon::prelude::*;

use super::{
    newton::{Cost as _, End, Precision, Second, minimize},
    objective::{FitObjective, Misfit, Observation},
};
use crate::{DensityError, law::Law};

/// Relative distance to the least cost within which a start found the best minimum.
const AGREEMENT: f64 = 1e-8;
/// Two ends belong to one minimum if no parameter differs by more (relative, or absolute below 1).
const SAME: f64 = 0.02;
/// A second minimum is close if its cost is at most so many times the least ..
const CLOSE_COST: f64 = 2.0;
/// .. or its Akaike criterion at most so much larger.
const CLOSE_AIC: f64 = 10.0;

/// A local minimum of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum<const P: usize> {
    /// Parameters.
    pub theta: [f64; P],
    /// Value of the objective.
    pub cost: f64,
    /// Starts that ended here.
    pub starts: usize,
}

/// What the descents of one fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Search<const P: usize> {
    /// Every minimum found, least cost first.
    pub minima: Vec<Minimum<P>>,
    /// Starts tried.
    pub starts: usize,
    /// Starts that converged.
    pub converged: usize,
    /// Starts within 1e-8 (relative) of the least cost.
    pub agreeing: usize,
    /// Largest free component of the gradient at the least cost.
    pub gradient: f64,
}

/// Descends from every start, in parallel; the result does not depend on the number of threads.
///
/// Under Huber's penalty a start first descends on the squares: far from a minimum these have one
/// basin where the penalty has many, and thousands of starts end in a few places, from each of which
/// one descent on the penalty itself goes on.
///
/// # Errors
///
/// [`DensityError::NoConvergence`] when every start fails.
pub fn search<const P: usize, L: Law<P>>(
    law: &L,
    data: &[Observation<L::Input>],
    objective: FitObjective,
    starts: &[[f64; P]],
) -> Result<Search<P>, DensityError> {
    let each = starts.iter().map(|start| Minimum { theta: *start, cost: 0.0, starts: 1 }).collect();
    let precision = if objective.is_huber() { Precision::Basin } else { Precision::Full };
    let mut ends = descents(law, data, (objective.squares(), precision), each);
    if objective.is_huber() {
        ends = descents(law, data, (objective, Precision::Full), minima(&ends));
    }
    let best = ends.first().ok_or(DensityError::NoConvergence { starts: starts.len() })?.0;
    let near = best.cost * (1.0 + AGREEMENT) + f64::MIN_POSITIVE;
    let count = |from: &[(End<P>, usize)]| from.iter().map(|(_, starts)| starts).sum();
    Ok(Search {
        minima: minima(&ends),
        starts: starts.len(),
        converged: count(&ends),
        agreeing: count(&ends[..ends.partition_point(|(end, _)| end.cost <= near)]),
        gradient: best.gradient,
    })
}

/// A law fitted to data: what a bootstrap starts from.
pub(crate) struct Fit<const P: usize, L: Law<P>> {
    pub(crate) law: L,
    pub(crate) data: Vec<Observation<L::Input>>,
    pub(crate) objective: FitObjective,
    pub(crate) theta: [f64; P],
    /// The other minima.
    pub(crate) others: Vec<[f64; P]>,
}

impl<const P: usize, L: Law<P>> Fit<P, L> {
    /// The objective of other data.
    pub(crate) fn cost(&self, data: &[Observation<L::Input>], theta: &[f64; P]) -> f64 {
        Misfit::new(&self.law, data, self.objective).quadratic(theta, Second::Gauss).cost
    }
}

/// One descent within the law's bounds, from the squares to the penalty as in [`search`]; `None`
/// where it does not converge.
pub(crate) fn descend<const P: usize, L: Law<P>>(
    law: &L,
    data: &[Observation<L::Input>],
    objective: FitObjective,
    start: [f64; P],
) -> Option<[f64; P]> {
    let found = search(law, data, objective, &[start]).ok()?;
    found.minima.first().map(|minimum| minimum.theta)
}

/// The ends with their numbers of starts, least cost first.
fn descents<const P: usize, L: Law<P>>(
    law: &L,
    data: &[Observation<L::Input>],
    (objective, precision): (FitObjective, Precision),
    from: Vec<Minimum<P>>,
) -> Vec<(End<P>, usize)> {
    let misfit = Misfit::new(law, data, objective);
    let bounds = law.bounds();
    let end =
        |start: Minimum<P>| (minimize(&misfit, start.theta, &bounds, precision), start.starts);
    // Where only the basin is wanted, an end that is still moving is as good a start as any.
    let is_kept = |(end, _): &(End<P>, usize)| {
        end.converged || (precision == Precision::Basin && end.cost.is_finite())
    };
    let mut ends: Vec<_> = from.into_par_iter().map(end).filter(is_kept).collect();
    ends.sort_by(|a, b| a.0.cost.total_cmp(&b.0.cost)); // stable: ties keep the order of starts
    ends
}

/// Ends in one place are one minimum, and so are ends of one cost: where a term vanishes, its
/// exponent and its factor are free, and the minimum is a ridge.
fn minima<const P: usize>(ends: &[(End<P>, usize)]) -> Vec<Minimum<P>> {
    let mut found: Vec<Minimum<P>> = Vec::new();
    for (end, starts) in ends {
        let same = |minimum: &&mut Minimum<P>| {
            let ridge = (end.cost - minimum.cost).abs() <= AGREEMENT * minimum.cost;
            ridge || is_same(&minimum.theta, &end.point)
        };
        match found.iter_mut().find(same) {
            Some(minimum) => minimum.starts += starts,
            None => found.push(Minimum { theta: end.point, cost: end.cost, starts: *starts }),
        }
    }
    found
}

/// Whether two points lie in the same basin.
pub(crate) fn is_same<const P: usize>(a: &[f64; P], b: &[f64; P]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME * a.abs().max(b.abs()).max(1.0))
}

impl<const P: usize> Search<P> {
    /// Minima so close in cost that data alone do not choose between them: within twice the least
    /// cost, or within 10 by Akaike's criterion of `points` Gaussian residuals.
    pub fn close(&self, points: usize) -> Vec<&Minimum<P>> {
        let least = self.minima.first().map_or(0.0, |minimum| minimum.cost);
        let is_close = |minimum: &&Minimum<P>| {
            minimum.cost <= CLOSE_COST * least
                || points as f64 * (minimum.cost / least).ln() <= CLOSE_AIC
        };
        self.minima.iter().filter(is_close).collect()
    }
}
