//! Blocks of 32 values under one scale `d`: `Q8_0`, `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `IQ4_NL`.
//!
//! Every function takes the bytes of one block and writes its 32 values. Numbers `q` below are without sign.

use super::{fill, half_at};

/// Values of a block.
const LEN: usize = 32;

/// The values that four bits stand for in `IQ4_NL`; close together near 0, where most weights are.
const NON_LINEAR: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0,
    89.0, 113.0,
];

/// `x = d q`, `q` a signed byte.
pub(super) fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (x, q) in out.iter_mut().zip(&block[2..]) {
        *x = d * f32::from(i8::from_le_bytes([*q]));
    }
}

/// `x = d (q - 8)`.
pub(super) fn q4_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    fill(out, nibbles(&block[2..]), |q| d * (q - 8.0));
}

/// `x = d q + m`.
pub(super) fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    fill(out, nibbles(&block[4..]), |q| d * q + m);
}

/// `x = d (q - 16)`.
pub(super) fn q5_0(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    fill(out, five_bits(&block[2..6], &block[6..]), |q| d * (q - 16.0));
}

/// `x = d q + m`.
pub(super) fn q5_1(block: &[u8], out: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    fill(out, five_bits(&block[4..8], &block[8..]), |q| d * q + m);
}

/// `x = d NON_LINEAR[q]`.
pub(super) fn iq4_nl(block: &[u8], out: &mut [f32]) {
    let d = half_at(block, 0);
    for (x, q) in out.iter_mut().zip(nibbles(&block[2..])) {
        *x = d * NON_LINEAR[usize::from(q)];
    }
}

/// Low nibbles are the first half of the block, high nibbles the second.
fn nibbles(packed: &[u8]) -> [u8; LEN] {
    let mut quants = [0; LEN];
    let (low, high) = quants.split_at_mut(LEN / 2);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(packed) {
        *low = byte & 15;
        *high = byte >> 4;
    }
    quants
}

/// [`nibbles`] with a fifth bit each, that of value `i` at bit `i` of `fifths`.
fn five_bits(fifths: &[u8], packed: &[u8]) -> [u8; LEN] {
    let mut quants = nibbles(packed);
    for (quants, fifths) in quants.chunks_exact_mut(8).zip(fifths) {
        for (i, q) in quants.iter_mut().enumerate() {
            *q |= (fifths >> i & 1) << 4;
        }
    }
    quants
}

#[cfg(test)]
mod tests {
    use crate::encoding::{Encoding, tests::check};

    /// Scale 0.5 (f16 0x3800), minimum -1 (0xbc00).
    const D: [u8; 2] = [0x00, 0x38];
    const M: [u8; 2] = [0x00, 0xbc];

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
    fn fifth_bits_stand_apart_and_q5_0_subtracts_16() {
        // Value 0: bit 0 of the first byte and a nibble of 1, so 17; value 31: no bit, nibble 15.
        let mut block = [&D[..], &[0x01, 0, 0, 0], &[0; 16]].concat();
        (block[6], block[21]) = (0x01, 0xf0);
        check(Encoding::Q5_0, &block, 0.5, -0.5);
        // Bit 7 of the last byte belongs to value 31.
        (block[2], block[5]) = (0x00, 0x80);
        check(Encoding::Q5_0, &block, -7.5, 7.5);
    }

    #[test]
    fn q5_1_adds_its_minimum() {
        let mut block = [&D[..], &M[..], &[0, 0, 0, 0x80], &[0; 16]].concat();
        (block[8], block[23]) = (0x03, 0xf0);
        check(Encoding::Q5_1, &block, 0.5, 14.5);
    }

    #[test]
    fn iq4_nl_looks_values_up() {
        let mut block = [&D[..], &[0x88; 16]].concat();
        (block[2], block[17]) = (0x80, 0xf0);
        check(Encoding::IQ4_NL, &block, -63.5, 56.5);
    }
}
