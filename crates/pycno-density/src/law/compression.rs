//! Loss of a model in a compressed representation: `L = a / (N eff)^b + c / D^d + e`.
//!
//! Frantar et al. 2025, [arXiv:2502.16440](https://arxiv.org/abs/2502.16440): a representation (a number
//! of bits, a sparsity) multiplies the size by one share, whatever the size and the token count.

use pycno_units::NatsPerToken;

use super::{Bounds, Law, Run};
use crate::DensityError;

const EXPONENT: (f64, f64) = (0.01, 2.0);
const LN_FACTOR: (f64, f64) = (-20.0, 30.0);

/// The compression law. Parameters `[ln a, b, ln c, d, ln e, ln eff]`; `eff` is 1 for `dense` runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressionLaw;

/// A run trained in full or in compressed representation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressedRun {
    /// Size and tokens.
    pub run: Run,
    /// Whether the weights are in the compressed representation.
    pub compressed: bool,
}

impl Law<6> for CompressionLaw {
    type Input = CompressedRun;

    fn names(&self) -> [&'static str; 6] {
        ["ln_a", "b", "ln_c", "d", "ln_e", "ln_eff"]
    }

    fn bounds(&self) -> Bounds<6> {
        Bounds::new([LN_FACTOR, EXPONENT, LN_FACTOR, EXPONENT, (-20.0, 5.0), (-6.0, 0.5)])
    }

    fn predict(&self, theta: &[f64; 6], input: CompressedRun) -> f64 {
        self.gradient(theta, input).0
    }

    fn gradient(&self, theta: &[f64; 6], input: CompressedRun) -> (f64, [f64; 6]) {
        let [ln_a, b, ln_c, d, ln_e, ln_eff] = *theta;
        let (n, tokens) = input.run.logs();
        let share = if input.compressed { ln_eff } else { 0.0 };
        let size = (ln_a - b * (n + share)).exp();
        let data = (ln_c - d * tokens).exp();
        let floor = ln_e.exp();
        let by_share = if input.compressed { -b * size } else { 0.0 };
        let gradient = [size, -(n + share) * size, data, -tokens * data, floor, by_share];
        (size + data + floor, gradient)
    }
}

/// Share of its size that a compressed model is worth: the dense size of equal loss over its own,
/// by a Chinchilla law `[ln a, alpha, ln b, beta, ln E]` and the run's own tokens.
///
/// # Errors
///
/// [`DensityError::UnreachableLoss`] if no size has that loss at these tokens.
pub fn effective_share(
    theta: &[f64; 5],
    run: Run,
    loss: NatsPerToken,
) -> Result<f64, DensityError> {
    let (n, tokens) = run.logs();
    let least = theta[4].exp() + (theta[2] - theta[3] * tokens).exp();
    let of_size = loss.0 - least;
    if of_size > 0.0 && of_size.is_finite() {
        Ok(((theta[0] - of_size.ln()) / theta[1] - n).exp())
    } else {
        Err(DensityError::UnreachableLoss { loss: loss.0, least })
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::{ChinchillaLaw, checks::derivatives};

    const THETA: [f64; 6] = [6.0, 0.34, 6.0, 0.28, 0.5, -0.2];

    fn at(params: f64, compressed: bool) -> CompressedRun {
        let run = Run::new(ParamCount(params), TokenCount(10_000_000_000)).unwrap();
        CompressedRun { run, compressed }
    }

    #[test]
    fn compression_is_a_smaller_model() {
        let worth = 1e8 * (-0.2f64).exp();
        let (a, b) = (at(1e8, true), at(worth, false));
        let near = CompressionLaw.predict(&THETA, a) / CompressionLaw.predict(&THETA, b) - 1.0;
        assert!(near.abs() < 1e-13);
    }

    #[test]
    fn the_share_is_read_back_from_a_loss() {
        let dense = [6.0, 0.34, 6.0, 0.28, 0.5];
        let input = at(1e8, true);
        let loss = NatsPerToken(CompressionLaw.predict(&THETA, input));
        let share = effective_share(&dense, input.run, loss).unwrap();
        assert!((share / (-0.2f64).exp() - 1.0).abs() < 1e-10, "{share}");
        let same = NatsPerToken(ChinchillaLaw.predict(&dense, input.run));
        assert!((effective_share(&dense, input.run, same).unwrap() - 1.0).abs() < 1e-10);
        let low = effective_share(&dense, input.run, NatsPerToken(1.0));
        assert!(matches!(low, Err(DensityError::UnreachableLoss { .. })));
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&CompressionLaw, THETA, at(1e8, true));
        derivatives(&CompressionLaw, THETA, at(1e8, false));
    }
}
