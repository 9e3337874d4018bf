//! The softcap of logits, `c tanh(x / c)` (Gemma Team 2024, [arXiv:2408.00118](https://arxiv.org/abs/2408.00118),
//! section 2): on rows in host memory, and in Burn's operations.

use burn::tensor::Tensor;

use crate::{
    host::narrow,
    simd::{LANES, load, store, tanh, times},
};

/// `c tanh(x / c)` of logits `x`, which stay within `c` of 0. Its slope is `1 - tanh(x / c)^2`, read off what it gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softcap(f64);

impl Softcap {
    /// The cap `c`.
    ///
    /// # Panics
    ///
    /// Unless it is positive.
    pub(super) fn at(cap: f64) -> Self {
        assert!(cap > 0.0, "a softcap is positive, got {cap}");
        Self(cap)
    }

    /// Caps a row in place.
    #[inline(always)]
    pub(super) fn apply(self, row: &mut [f32]) {
        let (cap, inverse) = (narrow(self.0), narrow(1.0 / self.0));
        for chunk in row.chunks_mut(LANES) {
            let x = load(chunk, 0.0);
            store(chunk, times(tanh(times(x, inverse)), cap));
        }
    }

    /// Turns the gradient by a capped row into the gradient by the row itself.
    #[inline(always)]
    pub(super) fn chain(self, gradient: &mut [f32], capped: &[f32]) {
        let inverse = narrow(1.0 / self.0);
        for (chunk, capped) in gradient.chunks_mut(LANES).zip(capped.chunks(LANES)) {
            let tanh = times(load(capped, 0.0), inverse);
            let mut gradient = load(chunk, 0.0);
            for i in 0..LANES {
                gradient[i] *= 1.0 - tanh[i] * tanh[i];
            }
            store(chunk, gradient);
        }
    }

    /// [`Self::apply`] in Burn's operations.
    pub(super) fn apply_composed(self, logits: Tensor<2>) -> Tensor<2> {
        (logits * (1.0 / self.0)).tanh() * self.0
    }

    /// [`Self::chain`] in Burn's operations.
    pub(super) fn chain_composed(self, gradient: Tensor<2>, capped: Tensor<2>) -> Tensor<2> {
        gradient * (1.0 - (capped * (1.0 / self.0)).square())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::{super::check::near, *};
    use crate::{noise::Noise, simd::vectorized};

    /// The host's `tanh` is right to 2e-7, and the largest one of a row may be a tenth.
    const TOLERANCE: f64 = 3e-6;

    fn tensor(row: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(row.to_vec(), [1, row.len()]), &Device::flex())
    }

    fn wide(row: &[f32]) -> Vec<f64> {
        row.iter().map(|x| f64::from(*x)).collect()
    }

    /// Checks both versions on a row, and that a gradient of ones becomes the slopes.
    #[track_caller]
    fn check(cap: f64, row: &[f32]) {
        let at = |x: f64| cap * (x / cap).tanh();
        let slope = |x: f64| (at(x + 1e-6) - at(x - 1e-6)) / 2e-6;
        let x = wide(row);
        let (values, slopes): (Vec<f64>, Vec<f64>) = x.iter().map(|x| (at(*x), slope(*x))).unzip();
        let (softcap, mut capped, mut gradient) =
            (Softcap::at(cap), row.to_vec(), vec![1.0; row.len()]);
        vectorized(|| {
            softcap.apply(&mut capped);
            softcap.chain(&mut gradient, &capped);
        });
        near(&wide(&capped), &values, TOLERANCE);
        near(&wide(&gradient), &slopes, TOLERANCE);
        let capped = softcap.apply_composed(tensor(row));
        let ones = tensor(&vec![1.0; row.len()]);
        let gradient = softcap.chain_composed(ones, capped.clone());
        near(&capped.into_data().iter::<f64>().collect::<Vec<_>>(), &values, TOLERANCE);
        near(&gradient.into_data().iter::<f64>().collect::<Vec<_>>(), &slopes, TOLERANCE);
    }

    #[test]
    fn values_and_slopes_are_those_of_the_formula() {
        for n in [1_usize, 7, 8, 9, 61] {
            let mut row: Vec<f32> =
                Noise::new(n as u64).values(n).iter().map(|x| 5.0 * x).collect();
            // Where the slope is 1, as small ones are only right to the last place of 1.
            row[0] = 0.0;
            row.push(1.0);
            for cap in [0.5, 4.0, 30.0] {
                check(cap, &row);
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_are_the_cap_with_slope_0() {
        let softcap = Softcap::at(30.0);
        let mut row = [f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e9, f32::NAN, 0.0];
        let mut gradient = [1.0; 6];
        softcap.apply(&mut row);
        softcap.chain(&mut gradient, &row);
        assert_eq!(row[..4], [30.0, -30.0, 30.0, -30.0]);
        assert_eq!(gradient[..4], [0.0; 4]);
        assert!(row[4].is_nan() && gradient[4].is_nan());
        assert_eq!(row[5..], [0.0]);
        assert_eq!(gradient[5..], [1.0]);
    }
}
