//! Values of stored tensors in `f32`: of safetensors files the plain types, of GGUF files the blocks as GGML defines them
//! ([ggml-common.h](https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h)).
//!
//! Operations and their order are GGML's, so that the values are the same to the bit.

mod block32;
mod k_quants;
mod kinds;

use half::{bf16, f16};
use rayon::prelude::*;

pub(crate) use kinds::Encoding;

/// Values one task of the thread pool unpacks; whole blocks of every type.
const VALUES_PER_TASK: usize = 1 << 16;

/// Unpacks whole blocks, in parallel.
///
/// # Panics
///
/// If `bytes` are not whole blocks.
pub(crate) fn dequantize(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; bytes.len() / encoding.block_bytes() * encoding.block_len()];
    dequantize_into(encoding, bytes, &mut values);
    values
}

/// Unpacks whole blocks into as many values, in parallel.
///
/// # Panics
///
/// If `bytes` are not the blocks of so many values.
pub(crate) fn dequantize_into(encoding: Encoding, bytes: &[u8], values: &mut [f32]) {
    let (len, size) = (encoding.block_len(), encoding.block_bytes());
    let whole = values.len().is_multiple_of(len) && bytes.len() == values.len() / len * size;
    assert!(whole, "{} bytes are not blocks of {} values", bytes.len(), values.len());
    let tasks = values.par_chunks_mut(VALUES_PER_TASK);
    let tasks = tasks.zip(bytes.par_chunks(VALUES_PER_TASK / len * size));
    tasks.for_each(|(values, bytes)| match encoding {
        // A call per value would be most of the work of these.
        Encoding::F32 => widen(bytes, values, f32::from_le_bytes),
        Encoding::F16 => widen(bytes, values, |value| f16::from_le_bytes(value).to_f32()),
        Encoding::BF16 => widen(bytes, values, |value| bf16::from_le_bytes(value).to_f32()),
        _ => {
            let unpack = encoding.unpack();
            for (block, out) in bytes.chunks_exact(size).zip(values.chunks_exact_mut(len)) {
                unpack(block, out);
            }
        }
    });
}

fn widen<const N: usize>(bytes: &[u8], values: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    values.iter_mut().zip(bytes.as_chunks::<N>().0).for_each(|(x, bytes)| *x = value(*bytes));
}

/// The half-precision number that begins at byte `at`.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Writes the value of each number.
fn fill(out: &mut [f32], quants: impl IntoIterator<Item = u8>, value: impl Fn(f32) -> f32) {
    for (x, q) in out.iter_mut().zip(quants) {
        *x = value(f32::from(q));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks the first value and the last.
    #[track_caller]
    pub(super) fn check(encoding: Encoding, block: &[u8], first: f32, last: f32) {
        let two_blocks = [block, block].concat();
        let values = dequantize(encoding, &two_blocks);
        assert_eq!(values.len(), 2 * encoding.block_len());
        assert_eq!(values.first().copied(), Some(first));
        assert_eq!(values.last().copied(), Some(last));
    }

    #[test]
    fn plain_types_widen() {
        check(Encoding::F32, &1.5_f32.to_le_bytes(), 1.5, 1.5);
        check(Encoding::F16, &[0x00, 0xbc], -1.0, -1.0);
        check(Encoding::BF16, &[0x80, 0xbf], -1.0, -1.0);
    }

    #[test]
    fn tasks_are_whole_blocks_of_every_type() {
        for encoding in Encoding::ALL {
            assert_eq!(VALUES_PER_TASK % encoding.block_len(), 0, "{encoding:?}");
        }
    }

    #[test]
    fn tasks_keep_their_places() {
        let values: Vec<f32> = (0..3 * VALUES_PER_TASK / 2).map(|i| i as f32).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(dequantize(Encoding::F32, &bytes), values);
    }

    proptest! {
        /// No byte is forbidden anywhere in a block, so a damaged file gives wrong values at worst.
        #[test]
        fn any_bytes_are_a_block(
            bytes in prop::collection::vec(any::<u8>(), 2 * 210),
            type_idx in 0..Encoding::ALL.len(),
        ) {
            let encoding = Encoding::ALL[type_idx];
            let values = dequantize(encoding, &bytes[..2 * encoding.block_bytes()]);
            prop_assert_eq!(values.len(), 2 * encoding.block_len());
        }
    }
}
