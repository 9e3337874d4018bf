//! Sums of squares, for the global gradient norm.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    host::{on_host, read},
    simd::{LANES, vectorized},
};

/// Values summed by one thread; fixed, so that the sum does not depend on the number of threads.
const BLOCK: usize = 1 << 14;

/// Computes `sum x^2` in `f64`, and gives the tensor back (uncopied, if nobody else holds it).
///
/// Off the CPU the sum is the device's, in the tensor's type.
pub fn square_sum(x: Tensor<1>) -> (f64, Tensor<1>) {
    let device = x.device();
    if !on_host(&device) {
        let sum = x.clone().square().sum().into_scalar::<f32>();
        return (f64::from(sum), x);
    }
    let data = x.into_data();
    let sums: Vec<f64> =
        read(&data).par_chunks(BLOCK).map(|block| vectorized(|| block_sum(block))).collect();
    (sums.iter().sum(), Tensor::from_data(data, &device))
}

#[inline(always)]
fn block_sum(block: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for chunk in block.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            let x = f64::from(*x);
            *lane += x * x;
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn squares_add_up_over_blocks() {
        let n = 3 * BLOCK + 5;
        let x = TensorData::new(vec![-0.5f32; n], [n]);
        let (sum, back) = square_sum(Tensor::from_data(x.clone(), &Device::flex()));
        assert!((sum - 0.25 * n as f64).abs() < 1e-9, "{sum}");
        assert_eq!(back.into_data(), x);
    }

    #[test]
    fn what_is_not_finite_shows() {
        for bad in [f32::NAN, f32::INFINITY] {
            let x = Tensor::<1>::from_data([1.0, bad], &Device::flex());
            assert!(!square_sum(x).0.is_finite());
        }
    }

    #[test]
    fn large_values_do_not_overflow() {
        let x = Tensor::<1>::from_data([1e30, 1e30], &Device::flex());
        let (sum, _) = square_sum(x);
        assert!((sum / 2e60 - 1.0).abs() < 1e-6, "{sum}");
    }
}
