//! Loss of a pruned model after further training:
//! `L = L0 + (1 / rho)^gamma (1 / N0)^delta (N_C / N0^alpha + D_C / D^beta + E)`.
//!
//! Chen et al. 2024, "P2 law", [arXiv:2411.10272](https://arxiv.org/abs/2411.10272).

use super::{Bounds, Law, Run};

const EXPONENT: (f64, f64) = (0.01, 3.0);
const SIGNED: (f64, f64) = (-3.0, 3.0);
const LN_FACTOR: (f64, f64) = (-20.0, 40.0);

/// The law of training after pruning. Parameters
/// `[gamma, delta, ln N_C, alpha, ln D_C, beta, ln E]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct P2Law;

/// A pruned model trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrunedRun {
    /// Size before pruning (`N0`) and tokens after it (`D`).
    pub run: Run,
    /// Pruning rate `rho`, in (0, 1].
    pub rate: f64,
    /// Loss before pruning, `L0`.
    pub loss_before: f64,
}

impl Law<7> for P2Law {
    type Input = PrunedRun;

    fn names(&self) -> [&'static str; 7] {
        ["gamma", "delta", "ln_n_c", "alpha", "ln_d_c", "beta", "ln_e"]
    }

    fn bounds(&self) -> Bounds<7> {
        let (factor, exponent) = (LN_FACTOR, EXPONENT);
        Bounds::new([SIGNED, SIGNED, factor, exponent, factor, exponent, (-20.0, 5.0)])
    }

    fn predict(&self, theta: &[f64; 7], input: PrunedRun) -> f64 {
        self.gradient(theta, input).0
    }

    fn gradient(&self, theta: &[f64; 7], input: PrunedRun) -> (f64, [f64; 7]) {
        let [gamma, delta, ln_n_c, alpha, ln_d_c, beta, ln_e] = *theta;
        let (n, d) = input.run.logs();
        let ln_rate = input.rate.ln();
        let factor = (-gamma * ln_rate - delta * n).exp();
        let size = factor * (ln_n_c - alpha * n).exp();
        let data = factor * (ln_d_c - beta * d).exp();
        let floor = factor * ln_e.exp();
        let added = size + data + floor;
        let gradient = [-ln_rate * added, -n * added, size, -n * size, data, -d * data, floor];
        (input.loss_before + added, gradient)
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::checks::derivatives;

    const THETA: [f64; 7] = [-0.6, 0.05, 1.5, 0.1, 4.0, 0.25, -2.0];

    fn at(rate: f64) -> PrunedRun {
        let run = Run::new(ParamCount(1.24e9), TokenCount(1_000_000_000)).unwrap();
        PrunedRun { run, rate, loss_before: 2.4 }
    }

    #[test]
    fn at_rate_one_only_the_size_factor_remains() {
        let n = 1.24e9f64;
        let inner = 1.5f64.exp() * n.powf(-0.1) + 4f64.exp() * 1e9f64.powf(-0.25) + (-2f64).exp();
        let expect = 2.4 + n.powf(-0.05) * inner;
        assert!((P2Law.predict(&THETA, at(1.0)) / expect - 1.0).abs() < 1e-13);
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&P2Law, THETA, at(0.3));
        derivatives(&P2Law, [0.4, -0.02, 2.0, 0.3, 3.0, 0.2, -1.0], at(0.15));
    }
}
