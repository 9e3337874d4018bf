//! Bare products, through the kernel that every layer of a model uses: what the machine's ceiling is
//! measured with.

use std::{
    io::{BufRead, Write},
    time::Instant,
};

use burn::tensor::{Device, Tensor, TensorData};
use pycno_kernels::linear::linear;
use serde_json::json;

use crate::peer::{
    channel::{Channel, Done},
    work::{Product, Work},
};

/// Multiplies two fixed matrices whenever asked.
///
/// # Errors
///
/// As [`Channel::serve`].
pub fn serve<R: BufRead, W: Write>(
    work: &Work,
    shape: Product,
    channel: &mut Channel<R, W>,
) -> anyhow::Result<()> {
    let device = Device::flex();
    let matrix = |step, rows, columns| {
        let data = TensorData::new(values(step, rows * columns), [rows, columns]);
        Tensor::<2>::from_data(data, &device)
    };
    let a = matrix(7919, shape.m, shape.k).unsqueeze::<3>();
    // Shaped as a layer's weight, `[d_out, d_in]`, of which the product takes the transpose.
    let b = matrix(104_729, shape.k, shape.n).transpose();
    channel.serve(work.warm_up, &mut || {
        let start = Instant::now();
        // Flex computes at once: a product that is returned is done.
        let mut last = linear(a.clone(), b.clone());
        for _ in 1..shape.count {
            last = linear(a.clone(), b.clone());
        }
        let seconds = start.elapsed().as_secs_f64();
        let mean: f32 = last.abs().mean().into_scalar();
        Ok(Done { seconds, check: json!(mean) })
    })
}

/// `((i step) mod 257 - 128) / 128`: the same numbers on every side, without a file.
fn values(step: usize, n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * step % 257) as f32 - 128.0) / 128.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_other_sides() {
        // 7919 mod 257 is 209, twice that 161.
        assert_eq!(values(7919, 3), [-1.0, 81.0 / 128.0, 33.0 / 128.0]);
    }
}
