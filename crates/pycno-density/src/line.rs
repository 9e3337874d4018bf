//! Straight lines by ordinary least squares, with Student's t intervals.
//!
//! With `n` points: slope `A = Sxy / Sxx`, residual sd `s = sqrt(SSE / (n - 2))`, standard error
//! of the slope `s / sqrt(Sxx)`, quantiles of Student's t with `n - 2` degrees of freedom.

use serde::{Deserialize, Serialize};
use statrs::function::beta::{beta_reg, inv_beta_reg};

/// Coverage of every interval of a line.
pub const LINE_LEVEL: f64 = 0.95;

/// Points a line needs before its residuals say anything.
pub(crate) const MIN_POINTS: usize = 3;

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Point estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A fitted line `y = slope * x + intercept` with all that its intervals need.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LineFit {
    /// Points fitted.
    pub points: usize,
    /// Slope with its interval.
    pub slope: Estimate,
    /// Standard error of the slope.
    pub slope_error: f64,
    /// Value at `x = 0`.
    pub intercept: f64,
    /// Share of the variance that the line explains; `None` if all `y` are equal.
    pub r2: Option<f64>,
    /// `sqrt(SSE / (n - 2))`.
    pub residual_sd: f64,
    /// Mean of the `x`.
    pub mean_x: f64,
    /// `Sxx`, the sum of squared deviations of the `x`.
    pub sum_sq_x: f64,
}

/// Sums of deviations from the means.
struct Moments {
    mean_x: f64,
    mean_y: f64,
    sxx: f64,
    sxy: f64,
    syy: f64,
}

impl Estimate {
    /// `value +- reach`.
    pub(crate) fn around(value: f64, reach: f64) -> Self {
        Self { value, low: value - reach, high: value + reach }
    }

    /// The interval under a monotone rising function.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), low: f(self.low), high: f(self.high) }
    }

    /// Whether zero lies in the interval, its ends included.
    pub fn includes_zero(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

impl LineFit {
    /// Fits `(x, y)` pairs; `None` with under three points or a single `x`.
    pub(crate) fn new(pairs: &[(f64, f64)]) -> Option<Self> {
        let Moments { mean_x, mean_y, sxx, sxy, syy } = Moments::of(pairs);
        if pairs.len() < MIN_POINTS || sxx <= 0.0 {
            return None;
        }
        let slope = sxy / sxx;
        let intercept = mean_y - slope * mean_x;
        // From the residuals, not as `syy - slope * sxy`: that loses all digits of a close fit.
        let residual = |(x, y): &(f64, f64)| y - mean_y - slope * (x - mean_x);
        let sse: f64 = pairs.iter().map(|pair| residual(pair).powi(2)).sum();
        let freedom = (pairs.len() - 2) as f64;
        let residual_sd = (sse / freedom).sqrt();
        let slope_error = residual_sd / sxx.sqrt();
        Some(Self {
            points: pairs.len(),
            slope: Estimate::around(slope, t_quantile(freedom) * slope_error),
            slope_error,
            intercept,
            r2: (syy > 0.0).then(|| 1.0 - sse / syy),
            residual_sd,
            mean_x,
            sum_sq_x: sxx,
        })
    }

    /// Degrees of freedom of the residuals, `n - 2`.
    pub fn freedom(&self) -> f64 {
        self.points as f64 - 2.0
    }

    /// `y` at `x` with the interval of a new observation,
    /// `+- t s sqrt(1 + 1/n + (x - mean_x)^2 / Sxx)`.
    pub(crate) fn predict(&self, x: f64) -> Estimate {
        let offset = (x - self.mean_x).powi(2) / self.sum_sq_x;
        let spread = (1.0 + 1.0 / self.points as f64 + offset).sqrt();
        let reach = t_quantile(self.freedom()) * self.residual_sd * spread;
        Estimate::around(self.slope.value * x + self.intercept, reach)
    }

    /// The `x` whose prediction interval has `y` on its border (Fieller's method): the roots of
    /// `(y - slope x - intercept)^2 = t^2 s^2 (1 + 1/n + (x - mean_x)^2 / Sxx)`.
    ///
    /// `None` where the slope's interval includes zero: the set of such `x` is unbounded.
    pub(crate) fn inverse_interval(&self, y: f64) -> Option<(f64, f64)> {
        let slope = self.slope.value;
        let t = t_quantile(self.freedom());
        let steepness = slope.powi(2) - (t * self.slope_error).powi(2);
        if self.slope.includes_zero() || steepness <= 0.0 {
            return None;
        }
        let rise = y - self.intercept - slope * self.mean_x;
        let noise = (t * self.residual_sd).powi(2) * (1.0 + 1.0 / self.points as f64);
        let root = ((t * self.slope_error * rise).powi(2) + noise * steepness).sqrt();
        let at = |root: f64| self.mean_x + (rise * slope + root) / steepness;
        Some((at(-root), at(root)))
    }
}

impl Moments {
    /// Deviations are taken from the first point before the mean: equal `y` give exactly zero.
    fn of(pairs: &[(f64, f64)]) -> Self {
        let n = pairs.len() as f64;
        let (x0, y0) = pairs.first().copied().unwrap_or_default();
        let mean_x = pairs.iter().map(|(x, _)| x - x0).sum::<f64>() / n;
        let mean_y = pairs.iter().map(|(_, y)| y - y0).sum::<f64>() / n;
        let mut sums =
            Self { mean_x: x0 + mean_x, mean_y: y0 + mean_y, sxx: 0.0, sxy: 0.0, syy: 0.0 };
        for (x, y) in pairs {
            let (dx, dy) = (x - x0 - mean_x, y - y0 - mean_y);
            sums.sxx += dx * dx;
            sums.sxy += dx * dy;
            sums.syy += dy * dy;
        }
        sums
    }
}

/// Slope alone; `None` unless there are two different `x`.
pub(crate) fn slope(pairs: &[(f64, f64)]) -> Option<f64> {
    let Moments { sxx, sxy, .. } = Moments::of(pairs);
    (sxx > 0.0).then(|| sxy / sxx)
}

/// The 97.5 % quantile of Student's t: `sqrt(f (1 - y) / y)`, where `I_y(f/2, 1/2) = 0.05`.
pub(crate) fn t_quantile(freedom: f64) -> f64 {
    let y = inv_beta_reg(freedom / 2.0, 0.5, 1.0 - LINE_LEVEL);
    (freedom * (1.0 - y) / y).sqrt()
}

/// Two-sided p of Student's t: `I_{f / (f + t^2)}(f/2, 1/2)`.
pub(crate) fn t_two_sided(t: f64, freedom: f64) -> f64 {
    beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(found: f64, expect: f64) {
        assert!((found - expect).abs() <= 1e-9 * expect.abs().max(1e-3), "{found} {expect}");
    }

    #[test]
    fn students_t_agrees_with_scipy() {
        let cases = [
            (1.0, 12.7062047362),
            (1.1797164714367936, 8.932652108449796),
            (2.0, 4.3026527299),
            (7.0, 2.3646242510102993),
            (43.0, 2.016692199227824),
            (2000.0, 1.9611508260994377),
        ];
        for (freedom, expect) in cases {
            check(t_quantile(freedom), expect);
            check(t_two_sided(t_quantile(freedom), freedom), 0.05);
        }
        check(t_two_sided(0.0, 3.0), 1.0);
        check(t_two_sided(1.0, 1.0), 0.5);
    }

    #[test]
    fn a_line_worked_by_hand() {
        // Means 2 and 3, Sxx = 10, Sxy = 9.2, Syy = 8.72, so SSE = 8.72 - 0.92 * 9.2.
        let pairs = [(0.0, 1.2), (1.0, 1.8), (2.0, 3.2), (3.0, 4.2), (4.0, 4.6)];
        let line = LineFit::new(&pairs).unwrap();
        check(line.slope.value, 0.92);
        check(line.intercept, 1.16);
        let sse = 8.72 - 0.92 * 9.2;
        check(line.residual_sd, (sse / 3.0_f64).sqrt());
        check(line.slope_error, (sse / 30.0_f64).sqrt());
        check(line.r2.unwrap(), 1.0 - sse / 8.72);
    }

    #[test]
    fn what_carries_no_line_gives_none() {
        assert_eq!(LineFit::new(&[]), None);
        assert_eq!(LineFit::new(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(LineFit::new(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0), (3.0, 2.0)]), Some(0.5));
    }

    #[test]
    fn equal_values_have_no_r2_and_no_slope() {
        let line = LineFit::new(&[(0.0, 0.1), (7.0, 0.1), (9.0, 0.1)]).unwrap();
        assert_eq!((line.r2, line.slope.value, line.residual_sd), (None, 0.0, 0.0));
    }

    proptest! {
        #[test]
        fn the_ends_of_the_inverse_lie_on_the_prediction_interval(
            ys in proptest::collection::vec(-1.0f64..1.0, 4..12), y in -3.0f64..20.0,
        ) {
            let pairs: Vec<_> =
                ys.iter().enumerate().map(|(i, y)| (i as f64, 2.0 * i as f64 + y)).collect();
            let line = LineFit::new(&pairs).unwrap();
            if let Some((low, high)) = line.inverse_interval(y) {
                prop_assert!(low <= high);
                prop_assert!((line.predict(low).high - y).abs() < 1e-6, "{low}");
                prop_assert!((line.predict(high).low - y).abs() < 1e-6, "{high}");
            } else {
                prop_assert!(line.slope.includes_zero());
            }
        }
    }
}
