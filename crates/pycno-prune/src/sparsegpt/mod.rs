//! SparseGPT: prunes one linear layer column by column and moves the weights that stay so that its
//! outputs change least (Frantar and Alistarh 2023, [arXiv:2301.00774](https://arxiv.org/abs/2301.00774),
//! algorithm 1).

mod choose;
mod factor;
mod sweep;

use crate::{Gram, Pattern, PruneError, Sparsity};
use factor::Factor;
use sweep::Sweep;

/// Which weights of a layer go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SparsityPattern<'a> {
    /// This share of each block of columns, over all rows, by the importance of each weight.
    ///
    /// DIFFERENCE: exactly `floor(share * weights)` of a block go; the authors' code takes all up to
    /// and with the entry of that index, which is one too many, and more where importances are equal.
    Sparsity(Sparsity),
    /// In each row all but so many of every so many inputs in a row, as the paper's 2:4.
    KeepOf(Pattern),
    /// All that are not marked in this mask, `[d_output, d_input]`; the weights that stay still move.
    Mask(&'a [bool]),
}

/// How SparseGPT solves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseGptOptions {
    /// What is added to the diagonal of the Hessian, as a share of its mean.
    pub damping: f64,
    /// Columns that share one choice of [`SparsityPattern::Sparsity`], and whose errors reach the columns
    /// beyond them in one product. With other patterns the result does not depend on it.
    pub block: usize,
}

/// A layer after pruning.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseLayer {
    /// `[d_output, d_input]`; zero where not kept.
    pub weight: Vec<f32>,
    /// `[d_output, d_input]`, whether each weight was kept.
    pub kept: Vec<bool>,
    /// `tr((W - W') H (W - W')^T)`, with `H = X^T X` after damping: the squared change of the outputs,
    /// summed over outputs and tokens, and what the damping adds. Weights of dead inputs do not count.
    pub squared_error: f64,
    /// The damping it took: as asked, or larger by powers of ten where the Hessian could not be factored.
    pub damping: f64,
    /// Inputs that were zero on every token; all their weights are zero now.
    pub dead_inputs: usize,
}

impl Default for SparseGptOptions {
    /// Damping 0.01 and blocks of 128, as in the paper.
    fn default() -> Self {
        Self { damping: 0.01, block: 128 }
    }
}

/// Prunes a layer's weights by their effect on its outputs over the calibration tokens (SparseGPT,
/// [arXiv:2301.00774](https://arxiv.org/abs/2301.00774), algorithm 1).
///
/// With `H = X^T X + damping * mean(diag(X^T X)) * I` and upper triangular `U`, `U^T U = H^-1`, it goes
/// over the columns `j` from left to right. A weight `w_j` that goes leaves the error `e = w_j / U_jj`,
/// and the columns to the right move by `-e U_j,:`. What goes is chosen by `(w_j / U_jj)^2` as the
/// weights are when a block (or a group) begins.
///
/// The sums run in `f64`, since at this damping the condition of `H` may reach `100 n` and `f32` would
/// leave few digits; only the result is rounded. The number of threads changes no bit.
///
/// DIFFERENCE: inputs that are zero on every token count neither in the mean of the damping nor with a
/// diagonal of 1, as in the authors' code: that made the result depend on the scale of the inputs.
/// Their weights become zero, as there.
///
/// DIFFERENCE: where `H` cannot be factored, damping rises tenfold and the result says so; the authors'
/// code fails.
///
/// DIFFERENCE: nothing is inverted but the corners of a block. From `H = R R^T` with upper triangular `R`
/// follows `U = R^-1`, and the finished columns tell a block by `R` what they would by `U`. It is the same
/// result for a quarter of the work on the Hessian.
///
/// # Shapes
///
/// - `weight`: `[d_output, d_input]`, as checkpoints store it (Burn's `Linear` holds the transpose)
/// - `inputs`: of width `d_input`
///
/// # Errors
///
/// [`PruneError::Group`] for groups that do not tile the inputs, [`PruneError::Weight`] for a
/// weight that is not finite, before or after, [`PruneError::Damping`], [`PruneError::DeadInputs`] if no input ever differed from zero,
/// [`PruneError::Indefinite`] if no damping helped.
///
/// # Panics
///
/// If `weight` is no multiple of `d_input`, a mask has another length or `block` is 0.
pub fn sparsegpt(
    weight: &[f32],
    inputs: &Gram,
    pattern: SparsityPattern<'_>,
    options: &SparseGptOptions,
) -> Result<SparseLayer, PruneError> {
    let n = inputs.width();
    assert!(weight.len().is_multiple_of(n), "whole rows of {n}");
    assert!(options.block > 0, "a block has columns");
    pattern.check(weight.len(), n)?;
    finite(weight, n)?;
    let factor = Factor::of(inputs, options.damping)?;
    let weight = without(&factor.dead, weight);
    let swept = Sweep::over(&weight, &factor, pattern, options.block);
    let weight = subtract(&weight, &swept.moved);
    finite(&weight, n)?;
    Ok(SparseLayer {
        weight,
        kept: swept.kept,
        squared_error: swept.error,
        damping: factor.damping,
        dead_inputs: factor.dead.iter().filter(|dead| **dead).count(),
    })
}

impl SparsityPattern<'_> {
    /// So many columns, rounded up to whole groups.
    fn whole_groups(self, columns: usize) -> usize {
        match self {
            Self::KeepOf(pattern) => columns.next_multiple_of(pattern.of()),
            Self::Sparsity(_) | Self::Mask(_) => columns,
        }
    }

    fn check(self, weights: usize, d_input: usize) -> Result<(), PruneError> {
        match self {
            Self::Sparsity(_) => Ok(()),
            Self::Mask(mask) => {
                assert_eq!(mask.len(), weights, "a mask marks every weight");
                Ok(())
            }
            Self::KeepOf(pattern) => pattern.check(d_input),
        }
    }
}

fn finite(weight: &[f32], d_input: usize) -> Result<(), PruneError> {
    match weight.iter().position(|w| !w.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let (output, input) = (i / d_input, i % d_input);
            Err(PruneError::Weight { output, input, value: weight[i] })
        }
    }
}

/// The weights, those of dead inputs zero.
fn without(dead: &[bool], weight: &[f32]) -> Vec<f32> {
    let inputs = dead.iter().cycle();
    weight.iter().zip(inputs).map(|(w, dead)| if *dead { 0.0 } else { *w }).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the result is stored in f32")]
fn subtract(weight: &[f32], moved: &[f64]) -> Vec<f32> {
    weight.iter().zip(moved).map(|(w, moved)| (f64::from(*w) - moved) as f32).collect()
}

#[cfg(test)]
mod tests;
