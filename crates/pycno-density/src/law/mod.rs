//! Laws as functions of parameters and inputs: what a fit needs to know of them, and nothing else.
//!
//! One file per law. Parameters that are positive by nature enter as logarithms, so that a step of a
//! fit is a relative step and the Hessian is conditioned about a hundred thousand times better.

mod compression;
mod distillation;
mod kaplan;
mod p2;
mod power;
mod sigmoid;
mod size_sigmoid;
mod sparsity;

pub use compression::{CompressedRun, CompressionLaw, effective_share};
pub use distillation::{DistillationLaw, DistilledRun};
pub use kaplan::KaplanLaw;
pub use p2::{P2Law, PrunedRun};
pub use power::{ChinchillaLaw, DensingLossLaw};
pub use sigmoid::SigmoidLaw;
pub use size_sigmoid::SizeSigmoidLaw;
pub use sparsity::{SparseRun, SparsityLaw};

use pycno_units::{ParamCount, TokenCount};

use crate::DensityError;

/// Inputs that a law may take at once.
pub const LANES: usize = 4;

/// A law with `P` parameters.
pub trait Law<const P: usize>: Sync {
    /// What a prediction is made from: a size and a token count, a loss, ...
    type Input: Copy + Send + Sync;

    /// Names of the parameters as reported, such as `ln_a`.
    fn names(&self) -> [&'static str; P];

    /// Lower and upper limit of each parameter in a fit; equal where a parameter is fixed.
    fn bounds(&self) -> Bounds<P>;

    /// The predicted value.
    fn predict(&self, theta: &[f64; P], input: Self::Input) -> f64;

    /// The predicted value and its derivatives by the parameters.
    fn gradient(&self, theta: &[f64; P], input: Self::Input) -> (f64, [f64; P]);

    /// [`gradient`](Self::gradient) of four inputs, for laws that gain by doing four at once.
    fn gradients(
        &self,
        theta: &[f64; P],
        inputs: [Self::Input; LANES],
    ) -> ([f64; LANES], [[f64; P]; LANES]) {
        let each = inputs.map(|input| self.gradient(theta, input));
        (each.map(|(value, _)| value), each.map(|(_, gradient)| gradient))
    }

    /// Second derivatives, given the first ones at the same place.
    ///
    /// By default differences of [`gradient`](Self::gradient); laws on a hot path write them out.
    fn curvature(
        &self,
        theta: &[f64; P],
        input: Self::Input,
        gradient: &[f64; P],
    ) -> [[f64; P]; P] {
        let _ = gradient;
        differences(self, theta, input)
    }
}

/// Lower and upper limit of each parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<const P: usize> {
    /// Least values allowed.
    pub lower: [f64; P],
    /// Largest values allowed.
    pub upper: [f64; P],
}

/// A training run as loss laws see it: a size and a token count, both positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    ln_params: f64,
    ln_tokens: f64,
}

impl Run {
    /// A run of a model of this size, by the convention of whoever fits, on so many tokens.
    ///
    /// # Errors
    ///
    /// [`DensityError::Size`] and [`DensityError::Quantity`] unless both are positive and finite.
    pub fn new(params: ParamCount, tokens: TokenCount) -> Result<Self, DensityError> {
        if tokens.0 == 0 {
            return Err(DensityError::Quantity {
                what: "a token count",
                allowed: "positive",
                found: 0.0,
            });
        }
        let ln_params = checked_size(params)?.0.ln();
        Ok(Self { ln_params, ln_tokens: (tokens.0 as f64).ln() })
    }

    /// The run with both counts divided by those of these logarithms.
    pub(crate) fn scaled_down(self, (ln_params, ln_tokens): (f64, f64)) -> Self {
        Self { ln_params: self.ln_params - ln_params, ln_tokens: self.ln_tokens - ln_tokens }
    }

    /// `ln N` and `ln D`.
    pub const fn logs(self) -> (f64, f64) {
        (self.ln_params, self.ln_tokens)
    }
}

impl<const P: usize> Bounds<P> {
    /// Bounds from `(lower, upper)` pairs.
    pub const fn new(pairs: [(f64, f64); P]) -> Self {
        let mut bounds = Self { lower: [0.0; P], upper: [0.0; P] };
        let mut i = 0;
        while i < P {
            bounds.lower[i] = pairs[i].0;
            bounds.upper[i] = pairs[i].1;
            i += 1;
        }
        bounds
    }

    /// The nearest point within the bounds.
    #[must_use]
    pub fn clamp(&self, point: [f64; P]) -> [f64; P] {
        std::array::from_fn(|i| point[i].clamp(self.lower[i], self.upper[i]))
    }

    /// Whether parameter `i` may move at all.
    pub fn is_free(&self, i: usize) -> bool {
        self.lower[i] < self.upper[i]
    }
}

/// A size that is positive and finite.
pub(crate) fn checked_size(params: ParamCount) -> Result<ParamCount, DensityError> {
    if params.0.is_finite() && params.0 > 0.0 {
        Ok(params)
    } else {
        Err(DensityError::Size { params: params.0 })
    }
}

/// Central differences of the gradient, made symmetric.
fn differences<const P: usize, L: Law<P> + ?Sized>(
    law: &L,
    theta: &[f64; P],
    input: L::Input,
) -> [[f64; P]; P] {
    let mut hessian = [[0.0; P]; P];
    for i in 0..P {
        let step = 1e-5 * theta[i].abs().max(1.0);
        let (mut up, mut down) = (*theta, *theta);
        up[i] += step;
        down[i] -= step;
        let (high, low) = (law.gradient(&up, input).1, law.gradient(&down, input).1);
        for j in 0..P {
            let slope = (high[j] - low[j]) / (2.0 * step);
            hessian[i][j] += slope / 2.0;
            hessian[j][i] += slope / 2.0;
        }
    }
    hessian
}

/// Checks of a law's derivatives, for the tests of all laws.
#[cfg(test)]
pub(crate) mod checks {
    use super::*;

    /// Gradient and curvature against central differences, relative to the largest entry.
    #[track_caller]
    pub(crate) fn derivatives<const P: usize, L: Law<P>>(
        law: &L,
        theta: [f64; P],
        input: L::Input,
    ) {
        let (value, gradient) = law.gradient(&theta, input);
        assert!((value - law.predict(&theta, input)).abs() <= 1e-14 * value.abs(), "{value}");
        let numeric: [f64; P] = std::array::from_fn(|i| {
            let step = 1e-6 * theta[i].abs().max(1.0);
            let (mut up, mut down) = (theta, theta);
            up[i] += step;
            down[i] -= step;
            (law.predict(&up, input) - law.predict(&down, input)) / (2.0 * step)
        });
        near(&gradient, &numeric, 1e-7);
        let curvature = law.curvature(&theta, input, &gradient);
        let numeric = differences(law, &theta, input);
        for (row, expect) in curvature.iter().zip(&numeric) {
            near(row, expect, 1e-6);
        }
    }

    #[track_caller]
    fn near<const P: usize>(found: &[f64; P], expect: &[f64; P], tolerance: f64) {
        let scale = expect.iter().fold(1e-9f64, |most, x| most.max(x.abs()));
        let off = |(a, b): (&f64, &f64)| (a - b).abs() > tolerance * scale;
        assert!(!found.iter().zip(expect).any(off), "{found:?} against {expect:?}");
    }
}
