//! Rotary position embedding, Hugging Face's rotate-half form (Su et al. 2021,
//! [arXiv:2104.09864](https://arxiv.org/abs/2104.09864), eq. 34).
//!
//! The pair of feature `j` is `j + d_head / 2`. Burn's `RotaryEncoding` pairs neighbors instead,
//! which is a different function of the same weights.

use burn::tensor::{Device, Tensor, TensorData};

/// Cosine and sine of every angle, `[1, 1, seq, d_head]` each.
#[derive(Clone, Debug)]
pub struct RopeTable {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl RopeTable {
    /// Tabulates positions `start .. start + seq` for the given inverse frequencies.
    ///
    /// Angles are formed in `f64`: position times frequency loses digits in `f32` early.
    ///
    /// # Shapes
    ///
    /// - `inverse_frequencies`: `d_head / 2` values
    pub fn new(inverse_frequencies: &[f64], start: usize, seq: usize, device: &Device) -> Self {
        let d_head = 2 * inverse_frequencies.len();
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = (start..start + seq)
                .flat_map(|position| {
                    let half = inverse_frequencies.iter().map(move |w| f(position as f64 * w));
                    half.clone().chain(half)
                })
                .map(narrow)
                .collect();
            Tensor::from_data(TensorData::new(values, [1, 1, seq, d_head]), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Rotates queries or keys: `x * cos + rotate_half(x) * sin`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch, heads, seq, d_head]`
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let dtype = x.dtype();
        let first = x.clone().narrow(3, 0, half);
        let second = x.clone().narrow(3, half, half);
        let turned = Tensor::cat(vec![-second, first], 3);
        x * self.cos.clone().cast(dtype) + turned * self.sin.clone().cast(dtype)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "tables are stored in f32")]
fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(position: usize) -> Vec<f32> {
        let device = Device::flex();
        let x = Tensor::<4>::from_data([[[[1.0, 2.0, 3.0, 4.0]]]], &device);
        RopeTable::new(&[1.0, 0.5], position, 1, &device)
            .rotate(x)
            .into_data()
            .try_to_vec()
            .unwrap()
    }

    #[test]
    fn position_zero_changes_nothing() {
        assert_eq!(rotated(0), [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn pairs_are_half_a_head_apart() {
        let (s, c) = 1f32.sin_cos();
        let (s2, c2) = 0.5f32.sin_cos();
        let expect = [c - 3.0 * s, 2.0 * c2 - 4.0 * s2, 3.0 * c + s, 4.0 * c2 + 2.0 * s2];
        for (found, expect) in rotated(1).iter().zip(expect) {
            assert!((found - expect).abs() < 1e-6, "{found} {expect}");
        }
    }
}
