//! K-quants: blocks of 256 values in sub-blocks that have scales of their own, themselves quantized.
//!
//! Every function takes the bytes of one block and writes its 256 values. `d` and `d_min` are the block's, `s` and `m`
//! those of sub-block `i`; numbers `q` are without sign.

use super::{fill, half_at};

/// `x = d s q - d_min m`, sub-blocks of 16, `q` of two bits.
pub(super) fn q2_k(block: &[u8], out: &mut [f32]) {
    let (scales, packed) = (&block[..16], &block[16..80]);
    let (d, d_min) = (half_at(block, 80), half_at(block, 82));
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[i] & 15);
        let min = d_min * f32::from(scales[i] >> 4);
        fill(out, two_bits(packed, i), |q| scale * q - min);
    }
}

/// `x = d (s - 32) (q - 4)`, sub-blocks of 16, `q` of two bits and a third that stands apart.
pub(super) fn q3_k(block: &[u8], out: &mut [f32]) {
    let (thirds, packed, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * (f32::from(six_bits(scales, i)) - 32.0);
        let thirds = thirds[16 * (i % 2)..].iter().map(|byte| byte >> (i / 2) & 1);
        let quants = two_bits(packed, i).zip(thirds).map(|(low, third)| low | third << 2);
        fill(out, quants, |q| scale * (q - 4.0));
    }
}

/// `x = d s q - d_min m`, sub-blocks of 32, `q` of four bits.
pub(super) fn q4_k(block: &[u8], out: &mut [f32]) {
    let (d, d_min) = (half_at(block, 0), half_at(block, 2));
    let (scales, packed) = (&block[4..16], &block[16..]);
    for (i, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_min(scales, i);
        let (scale, min) = (d * f32::from(s), d_min * f32::from(m));
        fill(out, four_bits(packed, i), |q| scale * q - min);
    }
}

/// As [`q4_k`], with a fifth bit of `q` that stands apart.
pub(super) fn q5_k(block: &[u8], out: &mut [f32]) {
    let (d, d_min) = (half_at(block, 0), half_at(block, 2));
    let (scales, fifths, packed) = (&block[4..16], &block[16..48], &block[48..]);
    for (i, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_min(scales, i);
        let (scale, min) = (d * f32::from(s), d_min * f32::from(m));
        let fifths = fifths.iter().map(|byte| byte >> i & 1);
        let quants = four_bits(packed, i).zip(fifths).map(|(low, fifth)| low | fifth << 4);
        fill(out, quants, |q| scale * q - min);
    }
}

/// `x = d s (q - 32)`, sub-blocks of 16, `s` a signed byte, `q` of four bits and two that stand apart.
pub(super) fn q6_k(block: &[u8], out: &mut [f32]) {
    let (lows, highs, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (i, out) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(i8::from_le_bytes([scales[i]]));
        // A half of the block is 64 bytes of nibbles: their low ones first, then their high ones.
        let (half, quarter) = (i / 8, i % 8 / 4);
        let lows = lows[64 * half + 16 * (i % 4)..].iter().map(|byte| byte >> (4 * quarter) & 15);
        let quants = lows.zip(two_bits(highs, i)).map(|(low, high)| low | high << 4);
        fill(out, quants, |q| scale * (q - 32.0));
    }
}

/// The two-bit numbers of sub-block `i` of 16: the bytes are two halves of 32, and pairs of sub-blocks take their
/// half's lowest bits first.
fn two_bits(packed: &[u8], i: usize) -> impl Iterator<Item = u8> {
    let (half, pair) = (i / 8, i % 8 / 2);
    packed[32 * half + 16 * (i % 2)..][..16].iter().map(move |byte| byte >> (2 * pair) & 3)
}

/// The four-bit numbers of sub-block `i` of 32: a pair of sub-blocks shares 32 bytes, low nibbles first.
fn four_bits(packed: &[u8], i: usize) -> impl Iterator<Item = u8> {
    packed[32 * (i / 2)..][..32].iter().map(move |byte| byte >> (4 * (i % 2)) & 15)
}

/// The six-bit number `i` of 16 in 12 bytes: low nibbles of bytes 0 to 7, then their high nibbles; the upper two bits
/// in bytes 8 to 11, four numbers after the other.
fn six_bits(packed: &[u8], i: usize) -> u8 {
    let low = packed[i % 8] >> (4 * (i / 8)) & 15;
    let high = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
    low | high << 4
}

/// The six-bit scale and minimum of sub-block `i` of 8 in 12 bytes. The first four scales are bytes 0 to 3, their
/// minima bytes 4 to 7; the upper two bits of these bytes belong to the last four, whose nibbles are in bytes 8 to 11.
fn scale_and_min(packed: &[u8], i: usize) -> (u8, u8) {
    if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        let nibbles = packed[i + 4];
        (nibbles & 15 | packed[i - 4] >> 6 << 4, nibbles >> 4 | packed[i] >> 6 << 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Encoding, dequantize, tests::check};

    /// 0.5 and 0.25 as f16.
    const D: [u8; 2] = [0x00, 0x38];
    const D_MIN: [u8; 2] = [0x00, 0x34];
    /// Scales 1 to 8, minima 63 to 56, by [`scale_and_min`]'s rule.
    const SCALES: [u8; 12] = [1, 2, 3, 4, 0xff, 0xfe, 0xfd, 0xfc, 0xb5, 0xa6, 0x97, 0x88];

    #[test]
    fn scales_and_minima_are_put_together_from_their_pieces() {
        let expect = [1, 2, 3, 4, 5, 6, 7, 8].map(|scale| (scale, 64 - scale));
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(|i| scale_and_min(&SCALES, i)), expect);
        // Upper bits of the last scales are in the bytes of the first: 5 + 16 x 2 and 8 + 16 x 3.
        let mut scales = SCALES;
        (scales[0], scales[3]) = (0x81, 0xc4);
        assert_eq!([0, 3, 4, 7].map(|i| scale_and_min(&scales, i).0), [1, 4, 37, 56]);
    }

    #[test]
    fn six_bit_scales_take_their_upper_bits_from_the_last_bytes() {
        let mut packed = [0; 12];
        (packed[0], packed[8]) = (0x5a, 0b_11_10_01_00);
        assert_eq!([0, 4, 8, 12].map(|i| six_bits(&packed, i)), [10, 16, 37, 48]);
    }

    #[test]
    fn a_block_of_q4_k_by_hand() {
        // Nibbles 3 low and 10 high: sub-block i is 0.5 (i + 1) 3 - 0.25 (63 - i), or 10 where i is odd.
        let block = [&D[..], &D_MIN, &SCALES, &[0xa3; 128]].concat();
        let values = dequantize(Encoding::Q4_K, &block);
        let expect = [-14.25, -5.5, -10.75, 5.0, -7.25, 15.5, -3.75, 26.0];
        for (i, (values, expect)) in values.chunks(32).zip(expect).enumerate() {
            assert_eq!(values, [expect; 32], "sub-block {i}");
        }
    }

    #[test]
    fn fifth_bits_of_q5_k_go_by_sub_block() {
        // Bit 0 of every byte is sub-block 0's, bit 7 sub-block 7's: 16 more than in Q4_K.
        let block = [&D[..], &D_MIN, &SCALES, &[0x81; 32], &[0xa3; 128]].concat();
        check(Encoding::Q5_K, &block, -14.25 + 8.0, 26.0 + 64.0);
    }

    #[test]
    fn a_block_of_q6_k_by_hand() {
        // q = 3 or 10 from the nibbles and 16 x (0, 1, 2, 3) from the bits apart, less 32.
        let scales: Vec<u8> = (0..16_i8).map(|i| (i - 8).to_le_bytes()[0]).collect();
        let block = [&[0xa3; 128][..], &[0b_11_10_01_00; 64], &scales, &D].concat();
        let values = dequantize(Encoding::Q6_K, &block);
        let quants = [-29.0, -29.0, -13.0, -13.0, 10.0, 10.0, 26.0, 26.0];
        for (i, values) in values.chunks(16).enumerate() {
            let expect = 0.5 * (i as f32 - 8.0) * quants[i % 8];
            assert_eq!(values, [expect; 16], "sub-block {i}");
        }
    }

    #[test]
    fn minima_of_q2_k_are_high_nibbles() {
        let mut block = [&[0x21; 16][..], &[0; 64], &D, &D_MIN].concat();
        // Value 0 is the lowest bits of the first byte, value 255 the highest of the last.
        (block[16], block[79]) = (0x03, 0x80);
        check(Encoding::Q2_K, &block, 1.0, 0.5);
    }

    #[test]
    fn the_third_bit_of_q3_k_keeps_4_from_being_subtracted() {
        let mut block = [&[0; 32][..], &[0; 64], &[0; 12], &D].concat();
        // All scales are 0 less 32; value 0 is 1 - 4, value 255 with its bit 2.
        (block[32], block[31], block[95]) = (0x01, 0x80, 0x80);
        check(Encoding::Q3_K, &block, 48.0, -32.0);
    }
}
