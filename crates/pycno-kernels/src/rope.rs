//! Rotary position embedding, Hugging Face's rotate-half form (Su et al. 2021,
//! [arXiv:2104.09864](https://arxiv.org/abs/2104.09864), eq. 34).
//!
//! The pair of feature `j` is `j + d_head / 2`. Burn's `RotaryEncoding` pairs neighbors instead,
//! which is a different function of the same weights.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use crate::host::narrow;

/// Cosine and sine of every angle of some positions.
#[derive(Clone, Debug)]
pub struct RopeTable {
    /// `[positions, d_head / 2]`
    cos: Arc<[f32]>,
    sin: Arc<[f32]>,
    half: usize,
}

/// Which way to rotate: gradients go back by the opposite angle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

impl RopeTable {
    /// Tabulates some positions for the given inverse frequencies.
    ///
    /// Angles are formed in `f64`: position times frequency loses digits in `f32` early.
    ///
    /// # Shapes
    ///
    /// - `inverse_frequencies`: `d_head / 2` values
    pub fn new(inverse_frequencies: &[f64], positions: impl Iterator<Item = usize>) -> Self {
        let angles: Vec<f64> = positions
            .flat_map(|position| inverse_frequencies.iter().map(move |w| position as f64 * w))
            .collect();
        let table = |f: fn(f64) -> f64| angles.iter().map(|angle| narrow(f(*angle))).collect();
        Self { cos: table(f64::cos), sin: table(f64::sin), half: inverse_frequencies.len() }
    }

    /// Features of a head that are rotated.
    pub(crate) const fn width(&self) -> usize {
        2 * self.half
    }

    /// Positions in the table.
    pub fn len(&self) -> usize {
        self.cos.len() / self.half.max(1)
    }

    /// Whether there is no position.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rotates the heads in a row of a packed matrix, `d_head` floats each, by the angles of a position.
    #[inline(always)]
    pub(crate) fn rotate_row(&self, heads: &mut [f32], position: usize, direction: Direction) {
        let angles = position * self.half..(position + 1) * self.half;
        let (cos, sin) = (&self.cos[angles.clone()], &self.sin[angles]);
        let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
        for head in heads.chunks_exact_mut(2 * self.half) {
            let (first, second) = head.split_at_mut(self.half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                let sin = sign * sin;
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }

    /// Rotates queries or keys in Burn's operations: `x * cos + rotate_half(x) * sin`.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch, heads, seq, d_head]`, `seq` the table's positions
    pub fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let [cos, sin] = [&self.cos, &self.sin].map(|table| self.doubled(table, &x));
        let first = x.clone().narrow(3, 0, half);
        let second = x.clone().narrow(3, half, half);
        let rotated = Tensor::cat(vec![-second, first], 3);
        x * cos + rotated * sin
    }

    /// `[1, 1, seq, d_head]`, both halves alike.
    fn doubled(&self, table: &[f32], like: &Tensor<4>) -> Tensor<4> {
        let rows = table.chunks_exact(self.half.max(1));
        let values: Vec<f32> = rows.flat_map(|row| [row, row].concat()).collect();
        let data = TensorData::new(values, [1, 1, self.len(), 2 * self.half]);
        // Constants live on the plain device, else the tape would track them.
        let device: Device = like.device().inner();
        Tensor::<4>::from_data(data, &device).cast(like.dtype())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(position: usize) -> Vec<f32> {
        let x = Tensor::<4>::from_data([[[[1.0, 2.0, 3.0, 4.0]]]], &Device::flex());
        let table = RopeTable::new(&[1.0, 0.5], std::iter::once(position));
        table.rotate(x).into_data().try_to_vec().unwrap()
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

    #[test]
    fn the_host_turns_as_burn_does_and_back_again() {
        let table = RopeTable::new(&[1.0, 0.5], [0, 7].into_iter());
        let mut row = [1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.0, 2.0];
        let before = row;
        table.rotate_row(&mut row, 1, Direction::Forward);
        for (found, expect) in row[..4].iter().zip(rotated(7)) {
            assert!((found - expect).abs() < 1e-6, "{found} {expect}");
        }
        table.rotate_row(&mut row, 1, Direction::Back);
        for (found, expect) in row.iter().zip(before) {
            assert!((found - expect).abs() < 1e-6, "{found} {expect}");
        }
    }
}
