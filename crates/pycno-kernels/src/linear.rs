//! Linear projections, several of one input at once.

use burn::{backend::flex::FlexTensor, tensor::Tensor};
use rayon::prelude::*;

use crate::{
    extension::{HostOp, run_2, run_3, run_4},
    host::{dense, dims, flex, fusable, slice, slice_mut},
    matmul::{Output, View, multiply, product},
    tile::TileMut,
};

/// Rows whose gradients are summed by one thread; fixed, so that bits do not depend on the threads.
const BLOCK_ROWS: usize = 128;

/// Computes `x weight^T`.
///
/// # Shapes
///
/// - `x`: `[batch, seq, d_in]`
/// - `weight`: `[d_out, d_in]`, as checkpoints store it
/// - output: `[batch, seq, d_out]`
///
/// # Panics
///
/// If the shapes do not fit.
pub fn linear(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    if fusable(&x) { run_2(Project, x, weight) } else { composed(x, weight) }
}

/// Adds a bias to every row.
///
/// # Shapes
///
/// - `x`, output: `[batch, seq, d_out]`
/// - `bias`: `[d_out]`
pub fn add_bias(x: Tensor<3>, bias: Tensor<1>) -> Tensor<3> {
    if fusable(&x) { run_2(AddBias, x, bias) } else { x + bias.unsqueeze() }
}

/// `[x gate^T, x up^T]` side by side, `[batch, seq, 2 * d_ffn]`; on the host.
pub(crate) fn project_2(x: Tensor<3>, weights: [Tensor<2>; 2]) -> Tensor<3> {
    run_3(Project, x, weights)
}

/// As [`project_2`], for queries, keys and values.
pub(crate) fn project_3(x: Tensor<3>, weights: [Tensor<2>; 3]) -> Tensor<3> {
    run_4(Project, x, weights)
}

/// Several projections of one input in Burn's operations.
pub(crate) fn separate<const N: usize>(
    x: &Tensor<3>,
    weights: [Tensor<2>; N],
    biases: Option<[Tensor<1>; N]>,
) -> [Tensor<3>; N] {
    let mapped = weights.map(|weight| composed(x.clone(), weight));
    let Some(biases) = biases else { return mapped };
    let mut biases = biases.into_iter();
    mapped.map(|y| match biases.next() {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    })
}

/// [`linear`] in Burn's operations.
pub fn composed(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    let [batch, seq, d_in] = x.dims();
    let d_out = weight.dims()[0];
    let rows = x.reshape([batch * seq, d_in]).matmul(weight.transpose());
    rows.reshape([batch, seq, d_out])
}

/// Inputs: `x` and the weights; the output has their outputs side by side.
#[derive(Debug)]
struct Project;

impl<const N: usize> HostOp<N> for Project {
    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let [x, weights @ ..] = &inputs.map(dense_input)[..] else { return none() };
        let x_view = rows_of(x);
        let widths: Vec<usize> = weights.iter().map(|w| dims(w)[0]).collect();
        let width = widths.iter().sum();
        let out = TileMut::filled([x_view.dims()[0], width], |out| {
            for (tile, weight) in out.columns(widths).into_iter().zip(weights) {
                multiply(tile, [x_view, View::of(weight).t()], Output::Overwrite);
            }
        });
        let mut shape = dims(x);
        shape.pop();
        shape.push(width);
        let kept = if tracked { [std::slice::from_ref(x), weights].concat() } else { Vec::new() };
        (flex(out, shape), kept)
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let gradient = dense(gradient);
        let mut parts = Vec::new();
        let mut from = 0;
        for weight in &kept[1..] {
            let cols = dims(weight)[0];
            parts.push(rows_of(&gradient).cols(from, cols));
            from += cols;
        }
        std::array::from_fn(|i| match (wanted[i], i) {
            (false, _) => None,
            (true, 0) => Some(by_input(&kept, &parts)),
            (true, _) => {
                let found = product(parts[i - 1].t(), rows_of(&kept[0]));
                Some(flex(found, dims(&kept[i])))
            }
        })
    }
}

/// `sum_i gradient_i weight_i`.
fn by_input(kept: &[FlexTensor], parts: &[View<'_>]) -> FlexTensor {
    let [rows, d_in] = rows_of(&kept[0]).dims();
    let out = TileMut::filled([rows, d_in], |mut out| {
        for (i, (part, weight)) in parts.iter().zip(&kept[1..]).enumerate() {
            let output = if i == 0 { Output::Overwrite } else { Output::Accumulate };
            multiply(out.reborrow(), [*part, View::of(weight)], output);
        }
    });
    flex(out, dims(&kept[0]))
}

/// A matrix may lie in memory as it likes; activations are made dense.
fn dense_input(x: FlexTensor) -> FlexTensor {
    if dims(&x).len() == 2 { x } else { dense(x) }
}

/// All but the last extent as rows.
fn rows_of(x: &FlexTensor) -> View<'_> {
    let width = dims(x).pop().unwrap_or(0);
    let values = slice(x);
    View::dense(values, [values.len().checked_div(width).unwrap_or(0), width])
}

fn none() -> (FlexTensor, Vec<FlexTensor>) {
    (flex(Vec::new(), [0]), Vec::new())
}

/// Inputs: `x` and the bias.
#[derive(Debug)]
struct AddBias;

impl HostOp<2> for AddBias {
    fn forward(&self, [x, bias]: [FlexTensor; 2], _: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let (mut x, bias) = (dense(x), dense(bias));
        let bias = slice(&bias);
        slice_mut(&mut x).par_chunks_mut(bias.len().max(1)).with_min_len(16).for_each(|row| {
            row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
        });
        (x, Vec::new())
    }

    fn backward(
        &self,
        _: Vec<FlexTensor>,
        gradient: FlexTensor,
        [_, bias]: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let gradient = dense(gradient);
        let width = dims(&gradient).pop().unwrap_or(0);
        let sums = bias.then(|| flex(column_sums(slice(&gradient), width), [width]));
        [Some(gradient), sums]
    }
}

/// The sum of each column, block by block.
fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let block = |rows: &[f32]| {
        let mut sums = vec![0.0; width];
        for row in rows.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        sums
    };
    let blocks: Vec<Vec<f32>> = values.par_chunks((BLOCK_ROWS * width).max(1)).map(block).collect();
    added(blocks, width)
}

/// Vectors of one length added up in their order.
pub(crate) fn added(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn outputs_and_gradients_are_those_of_burn() {
        for [batch, seq, d_in, d_out] in
            [[1, 1, 1, 1], [2, 3, 5, 7], [1, 1, 40, 300], [3, 50, 33, 9]]
        {
            let shape = ([batch, seq, d_in], [d_out, d_in]);
            check::twins_2(shape, 1.0, linear, composed);
            check::twins_2(shape, 1e3, linear, composed);
        }
    }

    #[test]
    fn biases_and_their_gradients_are_those_of_burn() {
        let plain = |x: Tensor<3>, bias: Tensor<1>| x + bias.unsqueeze();
        check::twins_2(([2, 70, 3], [3]), 1.0, add_bias, plain);
        check::twins_2(([1, 1, 1], [1]), 1.0, add_bias, plain);
    }

    #[test]
    fn gradients_are_the_slopes() {
        check::slopes_2(([2, 2, 3], [4, 3]), linear);
        check::slopes_2(([2, 2, 3], [3]), add_bias);
    }

    #[test]
    fn a_transposed_weight_is_read_where_it_lies() {
        let mut noise = crate::noise::Noise::new(3);
        let (x, turned) = (noise.tensor([1, 2, 3], 1.0), noise.tensor([3, 5], 1.0));
        let found = linear(x.clone(), turned.clone().transpose());
        check::near(found, x.matmul(turned.unsqueeze()), 1e-5);
    }
}
