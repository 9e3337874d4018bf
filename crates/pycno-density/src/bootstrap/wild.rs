//! Wild bootstrap of a fit by clusters: the design stays, residuals of a cluster flip and scale together.
//!
//! Cameron, Gelbach and Miller 2008, [doi 10.1162/rest.90.3.414](https://doi.org/10.1162/rest.90.3.414), with the
//! six-point weights of Webb 2013 for few clusters. Sizes and token counts of a ladder are chosen,
//! not drawn: resampling whole runs would lose a size in most draws, resampling points would take
//! the points of one run for independent.
//!
//! Residuals are those of the jackknife: what a fit without the cluster mispredicts there (CR3,
//! Bell and `McCaffrey` 2002). Those of the fit itself are too small, as it has been pulled towards its
//! own points: with them, or half way to them, simulated intervals cover 90 to 92 %, not 95.

use std::collections::BTreeSet;

use pycno_units::Seed;
use rand::RngExt as _;

use super::generator;
use crate::{
    fit::{Fit, FitObjective, Observation, descend},
    law::Law,
};

/// Webb's six weights: mean 0, variance 1.
const WEIGHTS: [f64; 6] = [
    -1.224_744_871_391_589,
    -1.0,
    -std::f64::consts::FRAC_1_SQRT_2,
    std::f64::consts::FRAC_1_SQRT_2,
    1.0,
    1.224_744_871_391_589,
];

/// A fit ready for redrawing.
pub(crate) struct Wild<const P: usize, L: Law<P>> {
    fit: Fit<P, L>,
    /// Cluster of each point; `None` where a point is assumed and stays.
    clusters: Vec<Option<String>>,
    /// Predictions on the objective's scale.
    predicted: Vec<f64>,
    /// Out-of-cluster residuals on the objective's scale.
    residuals: Vec<f64>,
    /// Fits without one cluster each, in the order of their names.
    left_out: Vec<(String, Option<[f64; P]>)>,
}

/// One draw of a fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn<const P: usize> {
    pub(crate) theta: [f64; P],
    /// Whether another minimum fits the redrawn data better.
    pub(crate) elsewhere: bool,
}

impl<const P: usize, L: Law<P>> Wild<P, L> {
    /// Fits once without each cluster.
    pub(crate) fn new(fit: Fit<P, L>, clusters: Vec<Option<String>>) -> Self {
        let names: BTreeSet<String> = clusters.iter().flatten().cloned().collect();
        let without = |name: &String| {
            let kept = fit.data.iter().zip(&clusters);
            let kept = kept.filter(|(_, cluster)| cluster.as_ref() != Some(name));
            let data: Vec<Observation<L::Input>> = kept.map(|(point, _)| *point).collect();
            descend(&fit.law, &data, fit.objective, fit.theta)
        };
        let left_out: Vec<_> =
            names.into_iter().map(|name| (name.clone(), without(&name))).collect();
        let scale = |value| fit.objective.scale(value);
        let predict = |theta: &[f64; P], input| scale(fit.law.predict(theta, input));
        let residual = |(point, cluster): (&Observation<L::Input>, &Option<String>)| {
            let found = left_out.iter().find(|(name, _)| Some(name) == cluster.as_ref());
            let theta = found.and_then(|(_, theta)| *theta).unwrap_or(fit.theta);
            if cluster.is_some() { scale(point.value) - predict(&theta, point.input) } else { 0.0 }
        };
        let residuals = fit.data.iter().zip(&clusters).map(residual).collect();
        let of_fit = |(point, cluster): (&Observation<L::Input>, &Option<String>)| match cluster {
            Some(_) => predict(&fit.theta, point.input),
            None => scale(point.value),
        };
        let predicted = fit.data.iter().zip(&clusters).map(of_fit).collect();
        Self { fit, clusters, predicted, residuals, left_out }
    }

    /// Fits the law to redrawn values. Laws over the same clusters draw the same weights.
    ///
    /// The draw stays in the basin of the fit: the choice between basins is a choice of ruler.
    pub(crate) fn draw(&self, seed: Seed, draw: usize) -> Option<Drawn<P>> {
        let fit = &self.fit;
        let mut data = fit.data.clone();
        for (i, point) in data.iter_mut().enumerate() {
            let weight = self.clusters[i].as_ref().map_or(0.0, |name| weight(seed, name, draw));
            point.value = fit.objective.unscale(self.predicted[i] + weight * self.residuals[i]);
        }
        let theta = descend(&fit.law, &data, fit.objective, fit.theta)?;
        let here = fit.cost(&data, &theta);
        let other = |start: &[f64; P]| descend(&fit.law, &data, fit.objective, *start);
        let others = fit.others.iter().filter_map(other);
        let elsewhere =
            others.map(|other| fit.cost(&data, &other)).any(|there| there < 0.999 * here);
        Some(Drawn { theta, elsewhere })
    }

    /// Parameters without each cluster, with the cluster's name; those of the fit where the rest
    /// carries no law.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (&str, [f64; P])> {
        self.left_out.iter().map(|(name, theta)| (name.as_str(), theta.unwrap_or(self.fit.theta)))
    }

    /// How far each measured point scatters about the true law, on the objective's scale; assumed points do not.
    ///
    /// Half way between the residual of the fit, too small by what the fit was pulled towards its own points, and
    /// that of the fit without the cluster, too large by that fit's own error, which draws of the law bring in
    /// anyway. At leverage `h` the variance is `1 + h^2 / (4 (1 - h))` of the true one, as the corrected residual of
    /// CR2 aims at. With the residuals of [`Wild::draw`] ratios over runs cover 97 % of simulated studies, with these
    /// 94 to 95 %.
    pub(crate) fn scatter(&self) -> Vec<f64> {
        let points = self.fit.data.iter().zip(&self.predicted).zip(&self.residuals);
        let half_way = |((point, predicted), left_out): ((&Observation<L::Input>, &f64), &f64)| {
            f64::midpoint(self.fit.objective.scale(point.value) - predicted, *left_out)
        };
        let measured = points.zip(&self.clusters).filter(|(_, cluster)| cluster.is_some());
        measured.map(|(point, _)| half_way(point)).collect()
    }

    /// Parameters of the fit.
    pub(crate) const fn theta(&self) -> [f64; P] {
        self.fit.theta
    }

    /// What the fit minimizes.
    pub(crate) const fn objective(&self) -> FitObjective {
        self.fit.objective
    }

    /// The law.
    pub(crate) const fn law(&self) -> &L {
        &self.fit.law
    }
}

fn weight(seed: Seed, cluster: &str, draw: usize) -> f64 {
    WEIGHTS[generator(seed, &format!("runs/{cluster}/{draw}")).random_range(0..WEIGHTS.len())]
}
