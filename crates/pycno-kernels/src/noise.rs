//! Repeatable noise for tests. Burn's generator is one for the whole process, and tests run side by side.

use burn::tensor::{Device, Tensor, TensorData};

/// A stream of nearly normal numbers; the same seed gives the same stream.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A tensor of mean 0 and the given standard deviation.
    pub(crate) fn tensor<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Tensor<D> {
        let values = self.scaled(shape.iter().product(), std);
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// So many values of mean 0 and standard deviation 1.
    pub(crate) fn values(&mut self, n: usize) -> Vec<f32> {
        self.scaled(n, 1.0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
    fn scaled(&mut self, n: usize, std: f64) -> Vec<f32> {
        (0..n).map(|_| (self.normal() * std) as f32).collect()
    }

    /// The sum of twelve uniform numbers less 6 has variance 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// `SplitMix64`, its upper 53 bits.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
