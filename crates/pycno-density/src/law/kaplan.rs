//! Loss against size and tokens, one inside the other:
//! `L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D`.
//!
//! Kaplan et al. 2020, [arXiv:2001.08361](https://arxiv.org/abs/2001.08361), equation 1.5.

use super::{Bounds, Law, Run};

/// Exponents of losses lie well inside.
const EXPONENT: (f64, f64) = (0.01, 2.0);
/// `N_c` and `D_c` from one to far beyond anything trained.
const LN_SCALE: (f64, f64) = (0.0, 60.0);

/// Kaplan's joint loss. Parameters `[ln N_c, alpha_N, ln D_c, alpha_D]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KaplanLaw;

impl Law<4> for KaplanLaw {
    type Input = Run;

    fn names(&self) -> [&'static str; 4] {
        ["ln_n_c", "alpha_n", "ln_d_c", "alpha_d"]
    }

    fn bounds(&self) -> Bounds<4> {
        Bounds::new([LN_SCALE, EXPONENT, LN_SCALE, EXPONENT])
    }

    fn predict(&self, theta: &[f64; 4], run: Run) -> f64 {
        self.gradient(theta, run).0
    }

    /// With `x = (ln N_c - ln N) / alpha_D`, `u = exp(alpha_N x)`, `v = D_c / D` and `s = u + v`:
    /// `L = s^alpha_D`, so `dL = L (alpha_D ds / s + ln(s) d alpha_D)`.
    fn gradient(&self, theta: &[f64; 4], run: Run) -> (f64, [f64; 4]) {
        let [ln_n_c, alpha_n, ln_d_c, alpha_d] = *theta;
        let (n, d) = run.logs();
        let x = (ln_n_c - n) / alpha_d;
        let (u, v) = ((alpha_n * x).exp(), (ln_d_c - d).exp());
        let sum = u + v;
        let value = (alpha_d * sum.ln()).exp();
        let by_u = value * alpha_d * u / sum;
        let slope = value * sum.ln() - by_u * alpha_n * x / alpha_d;
        (value, [by_u * alpha_n / alpha_d, by_u * x, value * alpha_d * v / sum, slope])
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::checks::derivatives;

    #[test]
    fn it_falls_back_to_one_term_where_the_other_vanishes() {
        // Printed joint fit: alpha_N 0.076, alpha_D 0.103, N_c 6.4e13, D_c 1.8e13.
        let theta = [6.4e13f64.ln(), 0.076, 1.8e13f64.ln(), 0.103];
        let run = |n, d| Run::new(ParamCount(n), TokenCount(d)).unwrap();
        let sizes = KaplanLaw.predict(&theta, run(1e8, u64::MAX));
        assert!((sizes / (6.4e13f64 / 1e8).powf(0.076) - 1.0).abs() < 1e-6, "{sizes}");
        let tokens = KaplanLaw.predict(&theta, run(1e60, 10_000_000_000));
        assert!((tokens / (1.8e13f64 / 1e10).powf(0.103) - 1.0).abs() < 1e-6, "{tokens}");
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        let run = Run::new(ParamCount(3e8), TokenCount(20_000_000_000)).unwrap();
        derivatives(&KaplanLaw, [31.8, 0.076, 30.5, 0.103], run);
        derivatives(&KaplanLaw, [28.0, 0.2, 25.0, 0.4], run);
    }
}
