//! Loss against size and tokens: `L = E + a N^-alpha + b D^-beta`.
//!
//! Without `E`: Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equation 2. With it: Hoffmann et al. 2022, [arXiv:2203.15556](https://arxiv.org/abs/2203.15556), equation 10.

use wide::f64x4;

use super::{Bounds, LANES, Law, Run};

/// Exponents of losses lie well inside.
const EXPONENT: (f64, f64) = (0.01, 2.0);
/// `a` and `b` from `1e-9` to `1e13`.
const LN_FACTOR: (f64, f64) = (-20.0, 30.0);
/// `E` from practically nothing to far above any loss.
const LN_IRREDUCIBLE: (f64, f64) = (-20.0, 5.0);

/// The densing law's loss, without an irreducible part. Parameters `[ln a, alpha, ln b, beta]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DensingLossLaw;

/// Chinchilla's loss. Parameters `[ln a, alpha, ln b, beta, ln E]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChinchillaLaw;

/// `exp(ln_factor - exponent x)`.
fn power(ln_factor: f64, exponent: f64, x: f64) -> f64 {
    (ln_factor - exponent * x).exp()
}

/// `exp(ln_factor - exponent x)` of four `x`, and its derivative by the exponent.
fn powers(ln_factor: f64, exponent: f64, x: [f64; LANES]) -> ([f64; LANES], [f64; LANES]) {
    let x = f64x4::from(x);
    let value = (f64x4::splat(ln_factor) - f64x4::splat(exponent) * x).exp();
    (value.to_array(), (-x * value).to_array())
}

/// Second derivatives of a power term with this value: twice `ln_factor`, mixed, twice the exponent.
fn block(value: f64, x: f64) -> [f64; 3] {
    [value, -x * value, x * x * value]
}

impl Law<4> for DensingLossLaw {
    type Input = Run;

    fn names(&self) -> [&'static str; 4] {
        ["ln_a", "alpha", "ln_b", "beta"]
    }

    fn bounds(&self) -> Bounds<4> {
        Bounds::new([LN_FACTOR, EXPONENT, LN_FACTOR, EXPONENT])
    }

    fn predict(&self, theta: &[f64; 4], run: Run) -> f64 {
        let (n, d) = run.logs();
        power(theta[0], theta[1], n) + power(theta[2], theta[3], d)
    }

    fn gradient(&self, theta: &[f64; 4], run: Run) -> (f64, [f64; 4]) {
        let (n, d) = run.logs();
        let (size, data) = (power(theta[0], theta[1], n), power(theta[2], theta[3], d));
        (size + data, [size, -n * size, data, -d * data])
    }

    fn gradients(&self, theta: &[f64; 4], runs: [Run; LANES]) -> ([f64; LANES], [[f64; 4]; LANES]) {
        let (size, by_alpha) = powers(theta[0], theta[1], runs.map(|run| run.logs().0));
        let (data, by_beta) = powers(theta[2], theta[3], runs.map(|run| run.logs().1));
        (
            std::array::from_fn(|i| size[i] + data[i]),
            std::array::from_fn(|i| [size[i], by_alpha[i], data[i], by_beta[i]]),
        )
    }

    fn curvature(&self, _: &[f64; 4], run: Run, gradient: &[f64; 4]) -> [[f64; 4]; 4] {
        let (n, d) = run.logs();
        let (size, data) = (block(gradient[0], n), block(gradient[2], d));
        [
            [size[0], size[1], 0.0, 0.0],
            [size[1], size[2], 0.0, 0.0],
            [0.0, 0.0, data[0], data[1]],
            [0.0, 0.0, data[1], data[2]],
        ]
    }
}

impl Law<5> for ChinchillaLaw {
    type Input = Run;

    fn names(&self) -> [&'static str; 5] {
        ["ln_a", "alpha", "ln_b", "beta", "ln_e"]
    }

    fn bounds(&self) -> Bounds<5> {
        Bounds::new([LN_FACTOR, EXPONENT, LN_FACTOR, EXPONENT, LN_IRREDUCIBLE])
    }

    fn predict(&self, theta: &[f64; 5], run: Run) -> f64 {
        let (n, d) = run.logs();
        power(theta[0], theta[1], n) + power(theta[2], theta[3], d) + theta[4].exp()
    }

    fn gradient(&self, theta: &[f64; 5], run: Run) -> (f64, [f64; 5]) {
        let (n, d) = run.logs();
        let (size, data) = (power(theta[0], theta[1], n), power(theta[2], theta[3], d));
        let irreducible = theta[4].exp();
        (size + data + irreducible, [size, -n * size, data, -d * data, irreducible])
    }

    fn gradients(&self, theta: &[f64; 5], runs: [Run; LANES]) -> ([f64; LANES], [[f64; 5]; LANES]) {
        let (size, by_alpha) = powers(theta[0], theta[1], runs.map(|run| run.logs().0));
        let (data, by_beta) = powers(theta[2], theta[3], runs.map(|run| run.logs().1));
        let irreducible = theta[4].exp();
        (
            std::array::from_fn(|i| size[i] + data[i] + irreducible),
            std::array::from_fn(|i| [size[i], by_alpha[i], data[i], by_beta[i], irreducible]),
        )
    }

    fn curvature(&self, _: &[f64; 5], run: Run, gradient: &[f64; 5]) -> [[f64; 5]; 5] {
        let (n, d) = run.logs();
        let (size, data) = (block(gradient[0], n), block(gradient[2], d));
        [
            [size[0], size[1], 0.0, 0.0, 0.0],
            [size[1], size[2], 0.0, 0.0, 0.0],
            [0.0, 0.0, data[0], data[1], 0.0],
            [0.0, 0.0, data[1], data[2], 0.0],
            [0.0, 0.0, 0.0, 0.0, gradient[4]],
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::checks::derivatives;

    fn run(params: f64, tokens: u64) -> Run {
        Run::new(ParamCount(params), TokenCount(tokens)).unwrap()
    }

    #[test]
    fn chinchilla_at_its_printed_constants() {
        let theta = [406.4f64.ln(), 0.34, 410.7f64.ln(), 0.28, 1.69f64.ln()];
        // 1.69 + 406.4 * (1e9)^-0.34 + 410.7 * (1e10)^-0.28, by hand: 1e9^-0.34 = 10^-3.06.
        let expect = 1.69 + 406.4 * 10f64.powf(-3.06) + 410.7 * 10f64.powf(-2.8);
        let found = ChinchillaLaw.predict(&theta, run(1e9, 10_000_000_000));
        assert!((found / expect - 1.0).abs() < 1e-14, "{found} {expect}");
    }

    #[test]
    fn the_published_average_constants_give_the_reference_losses() {
        let theta = [1.77434f64.ln(), 0.10784, 142.124f64.ln(), 0.30137];
        let found = DensingLossLaw.predict(&theta, run(1e9, 5_000_000_000_000));
        assert!((found - 0.2110420).abs() < 5e-8, "{found}");
        let found = DensingLossLaw.predict(&theta, run(1e10, 5_000_000_000_000));
        assert!((found - 0.1692910).abs() < 5e-8, "{found}");
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&DensingLossLaw, [0.6, 0.11, 4.9, 0.3], run(3e7, 600_000_000));
        derivatives(&ChinchillaLaw, [6.0, 0.34, 6.0, 0.28, 0.5], run(3e7, 600_000_000));
    }

    #[test]
    fn four_at_once_are_four_one_by_one() {
        let runs = [3e6, 2e7, 1e9, 7e11].map(|n| run(n, 40_000_000_000));
        let theta = [6.0, 0.34, 6.0, 0.28, 0.5];
        let (values, gradients) = ChinchillaLaw.gradients(&theta, runs);
        for (i, run) in runs.into_iter().enumerate() {
            let (value, gradient) = ChinchillaLaw.gradient(&theta, run);
            assert!((values[i] / value - 1.0).abs() < 1e-15 * 8.0, "{i}");
            let pairs = gradients[i].iter().zip(&gradient);
            assert!(pairs.fold(0.0f64, |most, (a, b)| most.max((a / b - 1.0).abs())) < 1e-14);
        }
    }

    proptest! {
        #[test]
        fn more_parameters_and_more_tokens_lower_the_loss(
            n in 1e6..1e12f64, d in 1_000_000u64..1_000_000_000_000, more in 1.01..100f64,
        ) {
            let theta = [0.6, 0.11, 4.9, 0.3];
            let loss = DensingLossLaw.predict(&theta, run(n, d));
            prop_assert!(DensingLossLaw.predict(&theta, run(n * more, d)) < loss);
            prop_assert!(DensingLossLaw.predict(&theta, run(n, d * 2)) < loss);
        }
    }
}
