//! Gated linear units: `act(x gate^T) * (x up^T)` (Shazeer 2020,
//! [arXiv:2002.05202](https://arxiv.org/abs/2002.05202), eq. 6).

use burn::{
    backend::flex::FlexTensor,
    tensor::{Tensor, activation},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    extension::{HostOp, run_1},
    host::{dense, dims, flex, fusable, slice, slice_mut},
    linear::{self, add_bias},
    simd::{LANES, load, sigmoid, store, tanh, vectorized},
};

/// Floats handled by one thread at a time.
const BLOCK: usize = 1 << 13;
/// `sqrt(2 / pi)`
const GELU_SCALE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

/// What the gate goes through.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `z / (1 + e^-z)`
    #[default]
    Silu,
    /// `z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) / 2` (Hendrycks and Gimpel 2016,
    /// [arXiv:1606.08415](https://arxiv.org/abs/1606.08415), section 2), as Gemma has it.
    GeluTanh,
}

/// The projections of a gated unit.
#[derive(Clone, Debug)]
pub struct GateAndUp {
    /// Gate and up, `[d_ffn, d_model]` each.
    pub weights: [Tensor<2>; 2],
    /// Their biases, `[d_ffn]` each, if there are any.
    pub biases: Option<[Tensor<1>; 2]>,
}

/// Computes `act(gate(x)) * up(x)`.
///
/// # Shapes
///
/// - `x`: `[batch, seq, d_model]`
/// - output: `[batch, seq, d_ffn]`
pub fn gated(x: Tensor<3>, projections: GateAndUp, activation: Activation) -> Tensor<3> {
    if !fusable(&x) {
        return composed_unit(&x, projections, activation);
    }
    let packed = linear::project_2(x, projections.weights);
    let packed = match projections.biases {
        Some(biases) => add_bias(packed, Tensor::cat(biases.to_vec(), 0)),
        None => packed,
    };
    run_1(Gated { activation }, packed)
}

/// [`gated`] in Burn's operations.
pub fn composed_unit(x: &Tensor<3>, projections: GateAndUp, activation: Activation) -> Tensor<3> {
    let [gate, up] = linear::separate(x, projections.weights, projections.biases);
    composed(gate, up, activation)
}

/// `act(gate) * up`
fn composed(gate: Tensor<3>, up: Tensor<3>, activation: Activation) -> Tensor<3> {
    match activation {
        Activation::Silu => activation::silu(gate) * up,
        Activation::GeluTanh => {
            let inner = (gate.clone().powi_scalar(3) * f64::from(GELU_CUBE) + gate.clone())
                * f64::from(GELU_SCALE);
            gate * (inner.tanh() + 1.0) * 0.5 * up
        }
    }
}

impl Activation {
    /// The value and its slope, lane by lane.
    #[inline(always)]
    fn value_and_slope(self, z: [f32; LANES]) -> [[f32; LANES]; 2] {
        match self {
            Self::Silu => silu(z),
            Self::GeluTanh => gelu_tanh(z),
        }
    }
}

#[inline(always)]
fn silu(z: [f32; LANES]) -> [[f32; LANES]; 2] {
    let s = sigmoid(z);
    let (mut value, mut slope) = (s, s);
    for i in 0..LANES {
        value[i] = z[i] * s[i];
        slope[i] = s[i] + value[i] * (1.0 - s[i]);
    }
    [value, slope]
}

#[inline(always)]
fn gelu_tanh(z: [f32; LANES]) -> [[f32; LANES]; 2] {
    let mut inner = z;
    for (inner, z) in inner.iter_mut().zip(z) {
        *inner = GELU_SCALE * (z + GELU_CUBE * z * z * z);
    }
    let t = tanh(inner);
    let (mut value, mut slope) = (t, t);
    for i in 0..LANES {
        let half = 0.5 * (1.0 + t[i]);
        let inner_slope = GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * z[i] * z[i]);
        value[i] = z[i] * half;
        slope[i] = half + 0.5 * z[i] * (1.0 - t[i] * t[i]) * inner_slope;
    }
    [value, slope]
}

/// Input: gate and up side by side, `[batch, seq, 2 * d_ffn]`.
#[derive(Debug)]
struct Gated {
    activation: Activation,
}

impl Gated {
    #[inline(always)]
    fn row(&self, [gate, up]: [&[f32]; 2], out: &mut [f32]) {
        let chunks = gate.chunks(LANES).zip(up.chunks(LANES)).zip(out.chunks_mut(LANES));
        for ((gate, up), out) in chunks {
            let [mut value, _] = self.activation.value_and_slope(load(gate, 0.0));
            for (value, up) in value.iter_mut().zip(load(up, 0.0)) {
                *value *= up;
            }
            store(out, value);
        }
    }

    #[inline(always)]
    fn rows(&self, x: &[f32], out: &mut [f32], width: usize) {
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(2 * width)) {
            let (gate, up) = x.split_at(width);
            self.row([gate, up], out);
        }
    }

    #[inline(always)]
    fn backward_rows(&self, x: &mut [f32], dy: &[f32], width: usize) {
        for (x, dy) in x.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)) {
            let (gate, up) = x.split_at_mut(width);
            self.backward_row([gate, up], dy);
        }
    }

    /// Writes the gradients over gate and up.
    #[inline(always)]
    fn backward_row(&self, [gate, up]: [&mut [f32]; 2], gradient: &[f32]) {
        let chunks = gate.chunks_mut(LANES).zip(up.chunks_mut(LANES)).zip(gradient.chunks(LANES));
        for ((gate, up), dy) in chunks {
            let [mut value, mut slope] = self.activation.value_and_slope(load(gate, 0.0));
            let (factor, dy) = (load(up, 0.0), load(dy, 0.0));
            for i in 0..LANES {
                value[i] *= dy[i];
                slope[i] *= dy[i] * factor[i];
            }
            store(gate, slope);
            store(up, value);
        }
    }
}

impl HostOp<1> for Gated {
    fn forward(&self, [x]: [FlexTensor; 1], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let x = dense(x);
        let mut shape = dims(&x);
        let width = shape.pop().unwrap_or(0) / 2;
        shape.push(width);
        let values = slice(&x);
        let mut out = vec![0.0; values.len() / 2];
        let rows = BLOCK.div_ceil(width.max(1));
        let pairs = out.par_chunks_mut(rows * width.max(1));
        pairs.zip(values.par_chunks(2 * rows * width.max(1))).for_each(|(out, x)| {
            vectorized(
                #[inline(always)]
                || self.rows(x, out, width),
            );
        });
        (flex(out, shape), if tracked { vec![x] } else { Vec::new() })
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = dense(gradient);
        let width = dims(&gradient).pop().unwrap_or(0).max(1);
        let rows = BLOCK.div_ceil(width);
        let found = kept.into_iter().next().map(|mut x| {
            let pairs = slice_mut(&mut x).par_chunks_mut(2 * rows * width);
            pairs.zip(slice(&gradient).par_chunks(rows * width)).for_each(|(x, dy)| {
                vectorized(
                    #[inline(always)]
                    || self.backward_rows(x, dy, width),
                );
            });
            x
        });
        [found]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn fused(x: Tensor<3>, activation: Activation) -> Tensor<3> {
        run_1(Gated { activation }, x)
    }

    fn plain(x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let width = x.dims()[2] / 2;
        composed(x.clone().narrow(2, 0, width), x.narrow(2, width, width), activation)
    }

    #[test]
    fn outputs_and_gradients_are_those_of_burn() {
        let shapes = [[1, 1, 2], [1, 3, 26], [2, 9, 1400]];
        let cases = shapes.into_iter().flat_map(|shape| [1.0, 30.0].map(|size| (shape, size)));
        for (shape, size) in cases {
            for activation in [Activation::Silu, Activation::GeluTanh] {
                check::twins_1(shape, size, |x| fused(x, activation), |x| plain(x, activation));
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes() {
        for activation in [Activation::Silu, Activation::GeluTanh] {
            check::slopes_1([1, 2, 6], |x| fused(x, activation));
        }
    }

    #[test]
    fn the_whole_unit_is_that_of_burn() {
        let mut noise = crate::noise::Noise::new(1);
        let x = noise.tensor([2, 3, 4], 1.0);
        let [gate, up] = [noise.tensor([5, 4], 1.0), noise.tensor([5, 4], 1.0)];
        let [b_gate, b_up] = [noise.tensor([5], 1.0), noise.tensor([5], 1.0)];
        let map = |weight: &Tensor<2>, bias: &Tensor<1>| {
            linear::composed(x.clone(), weight.clone()) + bias.clone().unsqueeze()
        };
        let plain = composed(map(&gate, &b_gate), map(&up, &b_up), Activation::Silu);
        let projections = GateAndUp { weights: [gate, up], biases: Some([b_gate, b_up]) };
        check::near(gated(x, projections, Activation::Silu), plain, 1e-5);
    }

    #[test]
    fn hand_checked_values() {
        let [value, slope] = silu([0.0, 1.0, -1.0, 100.0, -100.0, 2.0, 3.0, 4.0]);
        assert!((value[1] - 0.731_058_6).abs() < 1e-6 && (slope[0] - 0.5).abs() < 1e-7);
        assert_eq!((value[3], slope[3]), (100.0, 1.0));
        assert!(value[4].abs() < 1e-30);
        let [value, _] = gelu_tanh([1.0; LANES]);
        assert!((value[0] - 0.841_192).abs() < 1e-6, "{}", value[0]);
    }
}
