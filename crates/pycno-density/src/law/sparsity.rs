//! Loss against sparsity, non-zero size and tokens:
//! `L = (a_S (1 - S)^b_S + c_S) N^-b_N + (a_D / D)^b_D + c`.
//!
//! Frantar et al. 2023, [arXiv:2309.08520](https://arxiv.org/abs/2309.08520), equation 1.

use super::{Bounds, Law, Run};

const EXPONENT: (f64, f64) = (0.01, 2.0);
const LN_FACTOR: (f64, f64) = (-20.0, 60.0);

/// The sparsity law. Parameters `[ln a_S, b_S, ln c_S, b_N, ln a_D, b_D, ln c]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparsityLaw;

/// A sparse training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseRun {
    /// Non-zero parameters and tokens.
    pub run: Run,
    /// Share of weights that are zero, in `[0, 1)`.
    pub sparsity: f64,
}

impl Law<7> for SparsityLaw {
    type Input = SparseRun;

    fn names(&self) -> [&'static str; 7] {
        ["ln_a_s", "b_s", "ln_c_s", "b_n", "ln_a_d", "b_d", "ln_c"]
    }

    fn bounds(&self) -> Bounds<7> {
        let (factor, exponent) = (LN_FACTOR, EXPONENT);
        Bounds::new([factor, exponent, factor, exponent, factor, exponent, (-20.0, 5.0)])
    }

    fn predict(&self, theta: &[f64; 7], input: SparseRun) -> f64 {
        self.gradient(theta, input).0
    }

    fn gradient(&self, theta: &[f64; 7], input: SparseRun) -> (f64, [f64; 7]) {
        let [ln_a_s, b_s, ln_c_s, b_n, ln_a_d, b_d, ln_c] = *theta;
        let (n, d) = input.run.logs();
        let ln_dense = (-input.sparsity).ln_1p();
        let sparse = (ln_a_s + b_s * ln_dense - b_n * n).exp();
        let dense = (ln_c_s - b_n * n).exp();
        let data = (b_d * (ln_a_d - d)).exp();
        let floor = ln_c.exp();
        let size = sparse + dense;
        let gradient =
            [sparse, sparse * ln_dense, dense, -n * size, b_d * data, (ln_a_d - d) * data, floor];
        (size + data + floor, gradient)
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::checks::derivatives;

    fn at(sparsity: f64) -> SparseRun {
        let run = Run::new(ParamCount(1e8), TokenCount(10_000_000_000)).unwrap();
        SparseRun { run, sparsity }
    }

    const THETA: [f64; 7] = [2.8, 0.72, -0.4, 0.245, 19.0, 0.2, 0.4];

    #[test]
    fn without_zeros_it_is_a_power_law_in_size() {
        let size = (2.8f64.exp() + (-0.4f64).exp()) * 1e8f64.powf(-0.245);
        let expect = size + (0.2 * (19.0 - 1e10f64.ln())).exp() + 0.4f64.exp();
        assert!((SparsityLaw.predict(&THETA, at(0.0)) / expect - 1.0).abs() < 1e-13);
    }

    #[test]
    fn at_equal_non_zero_size_a_sparser_model_has_less_loss() {
        assert!(SparsityLaw.predict(&THETA, at(0.75)) < SparsityLaw.predict(&THETA, at(0.5)));
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&SparsityLaw, THETA, at(0.5));
        derivatives(&SparsityLaw, THETA, at(0.875));
    }
}
