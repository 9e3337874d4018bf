//! The fit card: how a law was found and how far to trust it, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    newton::{Cost as _, Quadratic, Second},
    objective::{FitObjective, Misfit},
    repeated::Repeated,
    search::{Minimum, Search},
};
use crate::law::Law;

/// Jacobi's method converges quadratically; a matrix of nine columns needs five sweeps.
const SWEEPS: usize = 12;

/// How a fit was found and how well it holds.
///
/// Residuals are observed minus predicted: of scores in percent points, of losses in nats (or bits)
/// per token, or relative where the objective takes logarithms.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FitCard {
    /// What was minimized.
    pub objective: FitObjective,
    /// Points used.
    pub points: usize,
    /// Points weigh alike within such groups and are redrawn together: runs, or single points.
    pub clusters: usize,
    /// Starts tried.
    pub starts: usize,
    /// Starts that converged.
    pub converged: usize,
    /// Starts within 1e-8 (relative) of the least cost.
    pub agreeing: usize,
    /// Largest free component of the gradient at the chosen minimum.
    pub gradient: f64,
    /// Condition number of the objective's Hessian there, over the free parameters.
    pub condition: f64,
    /// Root mean squared residual, by `n`.
    pub residual_rms: f64,
    /// Largest residual, by magnitude.
    pub largest_residual: f64,
    /// Share of the variance explained; of few points it says little.
    pub r_squared: f64,
    /// Akaike's criterion of Gaussian residuals.
    pub aic: f64,
    /// Schwarz's criterion of Gaussian residuals.
    pub bic: f64,
    /// Error on the largest size (or least loss) when it is left out of the fit, mean over its
    /// points; `None` where too little remains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out_error: Option<f64>,
    /// Run-to-run variance by inputs with more than one run; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeated>,
    /// Parameters that ended on a bound.
    pub bounds_hit: Vec<String>,
    /// Every minimum found, least cost first.
    pub minima: Vec<MinimumCard>,
}

/// Share of the variance below which a law of scores says too little to read a size from.
const LEAST_R_SQUARED: f64 = 0.5;

/// Parameters whose bound is that of the quantity: no score is above 1 or below 0, and a loss may fall to none. The others have bounds
/// only to keep the search in reach.
const BOUNDED_BY_NATURE: [&str; 3] = ["amplitude", "floor", "ln_e"];

impl FitCard {
    /// Why a size cannot be read from the law, if it cannot: it explains less than half of its points' variance, so that
    /// a score hardly tells one size from another, or a constant ended on a bound of the search, so that the points do
    /// not say what it is.
    pub fn weakness(&self) -> Option<String> {
        // Not a number: points without a spread.
        let poor = self.r_squared.is_nan() || self.r_squared < LEAST_R_SQUARED;
        let poor = poor.then(|| format!("R2 {:.2}", self.r_squared));
        let nature = |name: &&String| BOUNDED_BY_NATURE.contains(&name.as_str());
        let open: Vec<&str> =
            self.bounds_hit.iter().filter(|name| !nature(name)).map(String::as_str).collect();
        let open = (!open.is_empty()).then(|| format!("{} on a bound", open.join(", ")));
        let found: Vec<String> = poor.into_iter().chain(open).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// One minimum of a fit.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumCard {
    /// Value of the objective.
    pub cost: f64,
    /// Starts that ended here.
    pub starts: usize,
    /// Whether the law uses this minimum.
    pub chosen: bool,
    /// Whether cost alone hardly tells it from the best: within twice the cost or 10 in `aic`.
    pub close: bool,
    /// Parameters as fitted.
    pub parameters: BTreeMap<String, f64>,
}

/// A law fitted to data, and the minimum that is used.
pub(crate) struct Fitted<'a, const P: usize, L: Law<P>> {
    pub(crate) misfit: Misfit<'a, P, L>,
    pub(crate) search: &'a Search<P>,
    pub(crate) chosen: usize,
    pub(crate) clusters: usize,
    pub(crate) hold_out_error: Option<f64>,
}

impl<const P: usize, L: Law<P>> Fitted<'_, P, L> {
    /// The card of this fit.
    pub(crate) fn card(&self) -> FitCard {
        let theta = self.search.minima[self.chosen].theta;
        let residuals = self.misfit.residuals(&theta);
        let n = residuals.len() as f64;
        let square: f64 = residuals.iter().map(|r| r * r).sum();
        let free = (0..P).filter(|i| self.misfit.law.bounds().is_free(*i)).count();
        let likelihood = n * (square / n).ln();
        let parameters = (free + 1) as f64;
        let at = self.misfit.quadratic(&theta, Second::Hessian);
        let free_of = |i: usize| self.misfit.law.bounds().is_free(i) && !self.on_bound(&theta, i);
        let slopes = (0..P).filter(|i| free_of(*i)).map(|i| at.gradient[i].abs());
        FitCard {
            objective: self.misfit.objective,
            points: residuals.len(),
            clusters: self.clusters,
            starts: self.search.starts,
            converged: self.search.converged,
            agreeing: self.search.agreeing,
            gradient: slopes.fold(0.0, f64::max),
            condition: condition(&at, std::array::from_fn(free_of)),
            residual_rms: (square / n).sqrt(),
            largest_residual: residuals.iter().copied().fold(0.0, larger),
            r_squared: 1.0 - square / self.misfit.spread(),
            aic: likelihood + 2.0 * parameters,
            bic: likelihood + n.ln() * parameters,
            hold_out_error: self.hold_out_error,
            repeated: None,
            bounds_hit: self.names_where(|i| self.on_bound(&theta, i)),
            minima: self.minima(),
        }
    }

    fn on_bound(&self, theta: &[f64; P], i: usize) -> bool {
        let bounds = self.misfit.law.bounds();
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9;
        bounds.is_free(i) && (near(theta[i], bounds.lower[i]) || near(theta[i], bounds.upper[i]))
    }

    fn names_where(&self, holds: impl Fn(usize) -> bool) -> Vec<String> {
        let names = self.misfit.law.names();
        (0..P).filter(|i| holds(*i)).map(|i| names[i].to_owned()).collect()
    }

    fn minima(&self) -> Vec<MinimumCard> {
        let close = self.search.close(self.misfit.data.len());
        let names = self.misfit.law.names().map(str::to_owned);
        let card = |(i, minimum): (usize, &Minimum<P>)| MinimumCard {
            cost: minimum.cost,
            starts: minimum.starts,
            chosen: i == self.chosen,
            close: close.contains(&minimum),
            parameters: names.iter().cloned().zip(minimum.theta).collect(),
        };
        self.search.minima.iter().enumerate().map(card).collect()
    }
}

/// Largest over smallest eigenvalue (by magnitude) of the Hessian's free part.
fn condition<const P: usize>(at: &Quadratic<P>, free: [bool; P]) -> f64 {
    let kept: Vec<usize> = (0..P).filter(|i| free[*i]).collect();
    let part = kept.iter().map(|i| kept.iter().map(|j| at.hessian[*i][*j]).collect()).collect();
    let values: Vec<f64> = eigenvalues(part).iter().map(|x| x.abs()).collect();
    let most = values.iter().copied().fold(0.0, f64::max);
    most / values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Eigenvalues of a small symmetric matrix by Jacobi's rotations.
fn eigenvalues(mut matrix: Vec<Vec<f64>>) -> Vec<f64> {
    let n = matrix.len();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, p, q);
            }
        }
    }
    (0..n).map(|i| matrix[i][i]).collect()
}

/// Zeroes one entry off the diagonal.
fn rotate(matrix: &mut [Vec<f64>], p: usize, q: usize) {
    if matrix[p][q].abs() < f64::MIN_POSITIVE {
        return;
    }
    let ratio = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for row in matrix.iter_mut() {
        (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
    }
    let (above, below) = matrix.split_at_mut(q);
    for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

fn larger(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_a_matrix_known_by_hand() {
        let mut found =
            eigenvalues(vec![vec![2.0, 1.0, 0.0], vec![1.0, 2.0, 0.0], vec![0.0, 0.0, 5.0]]);
        found.sort_by(f64::total_cmp);
        assert!(found.iter().zip([1.0, 3.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }
}
