//! Stored tensor types and their values in `f32`, as GGML defines the blocks
//! ([ggml-common.h](https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h)).

use half::{bf16, f16};
use rayon::prelude::*;

/// Blocks one task of the thread pool unpacks.
const BLOCKS_PER_TASK: usize = 256;

/// A tensor type that is read. All are sequences of blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    F32,
    F16,
    BF16,
    /// A scale and 32 signed bytes.
    Q8_0,
    /// A scale and 32 four-bit numbers less 8.
    Q4_0,
    /// A scale, a minimum and 32 four-bit numbers.
    Q4_1,
}

/// GGML's types by number, for messages.
const TYPE_NAMES: [(u32, &str); 32] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl Encoding {
    const ALL: [Self; 6] = [Self::F32, Self::F16, Self::BF16, Self::Q8_0, Self::Q4_0, Self::Q4_1];

    /// The type with GGML's number, if it is read.
    pub(super) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| format!("{encoding:?}") == Self::name_of(id))
    }

    /// GGML's name of a type.
    pub(super) fn name_of(id: u32) -> String {
        let known = TYPE_NAMES.iter().find(|(known, _)| *known == id);
        known.map_or_else(|| format!("number {id}"), |(_, name)| (*name).to_owned())
    }

    /// The types that are read, as a list.
    pub(super) fn supported() -> String {
        Self::ALL.map(|encoding| format!("{encoding:?}")).join(", ")
    }

    /// Values of a block.
    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
        }
    }

    /// Bytes of a block.
    pub(super) const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
        }
    }

    const fn unpack(self) -> fn(&[u8], &mut [f32]) {
        match self {
            Self::F32 => {
                |block, out| out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]])
            }
            Self::F16 => |block, out| out[0] = half_at(block, 0),
            Self::BF16 => |block, out| out[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            Self::Q8_0 => q8_0,
            Self::Q4_0 => q4_0,
            Self::Q4_1 => q4_1,
        }
    }
}

/// Unpacks whole blocks, in parallel.
///
/// # Panics
///
/// If `bytes` are not whole blocks.
pub(super) fn dequantize(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
    let (len, size) = (encoding.block_len(), encoding.block_bytes());
    assert_eq!(bytes.len() % size, 0, "{} bytes are not whole blocks of {size}", bytes.len());
    let mut values = vec![0.0; bytes.len() / size * len];
    let unpack = encoding.unpack();
    let tasks = values.par_chunks_mut(BLOCKS_PER_TASK * len);
    tasks.zip(bytes.par_chunks(BLOCKS_PER_TASK * size)).for_each(|(values, bytes)| {
        for (block, out) in bytes.chunks_exact(size).zip(values.chunks_exact_mut(len)) {
            unpack(block, out);
        }
    });
    values
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// `x = d q`.
fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (x, q) in out.iter_mut().zip(&block[2..]) {
        *x = d * f32::from(i8::from_le_bytes([*q]));
    }
}

/// `x = d (q - 8)`.
fn q4_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    nibbles(&block[2..], out, |q| d * (q - 8.0));
}

/// `x = d q + m`.
fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    nibbles(&block[4..], out, |q| d * q + m);
}

/// Low nibbles are the first half of the block, high nibbles the second.
fn nibbles(quants: &[u8], out: &mut [f32], value: impl Fn(f32) -> f32) {
    let (low, high) = out.split_at_mut(quants.len());
    for ((low, high), q) in low.iter_mut().zip(high).zip(quants) {
        *low = value(f32::from(q & 15));
        *high = value(f32::from(q >> 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scale 0.5 (f16 0x3800), minimum -1 (0xbc00).
    const D: [u8; 2] = [0x00, 0x38];
    const M: [u8; 2] = [0x00, 0xbc];

    /// Checks the first value and the last.
    #[track_caller]
    fn check(encoding: Encoding, block: &[u8], first: f32, last: f32) {
        let two_blocks = [block, block].concat();
        let values = dequantize(encoding, &two_blocks);
        assert_eq!(values.len(), 2 * encoding.block_len());
        assert_eq!(values.first().copied(), Some(first));
        assert_eq!(values.last().copied(), Some(last));
    }

    #[test]
    fn plain_types_widen() {
        check(Encoding::F32, &1.5_f32.to_le_bytes(), 1.5, 1.5);
        check(Encoding::F16, &M, -1.0, -1.0);
        check(Encoding::BF16, &[0x80, 0xbf], -1.0, -1.0);
    }

    #[test]
    fn q8_0_bytes_are_signed() {
        let mut block = [&D[..], &[0; 32]].concat();
        (block[2], block[33]) = (0x80, 0x7f);
        check(Encoding::Q8_0, &block, -64.0, 63.5);
    }

    #[test]
    fn low_nibbles_come_first_and_q4_0_subtracts_8() {
        let mut block = [&D[..], &[0x88; 16]].concat();
        (block[2], block[17]) = (0x8f, 0x08);
        check(Encoding::Q4_0, &block, 3.5, -4.0);
    }

    #[test]
    fn q4_1_adds_its_minimum() {
        let mut block = [&D[..], &M[..], &[0; 16]].concat();
        (block[4], block[19]) = (0x03, 0xf0);
        check(Encoding::Q4_1, &block, 0.5, 6.5);
    }

    #[test]
    fn types_go_by_ggml_numbers() {
        let ids = [0, 1, 30, 8, 2, 3];
        assert_eq!(ids.map(Encoding::from_id), Encoding::ALL.map(Some));
        assert_eq!(Encoding::from_id(14), None);
        assert_eq!(Encoding::name_of(14), "Q6_K");
    }
}
