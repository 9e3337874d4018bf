//! Decoding with a cache against the whole sequence at once.

use burn::tensor::{Device, Tensor};
use pycno_model::Decoder;

use crate::fixture::{NAMES, checkpoint, difference, expected, logits};

/// The same sums in other shapes, relative to logits up to 10.
const TOLERANCE: f32 = 1e-5;

/// Checks that feeding `lengths` tokens at a time gives the logits of one forward pass.
#[track_caller]
fn check(lengths: &[usize]) {
    for name in NAMES {
        let decoder = Decoder::new(&checkpoint(name), &Device::flex()).unwrap();
        let ids = expected(name).ids;
        assert_eq!(lengths.iter().sum::<usize>(), ids.dims()[1]);
        let whole = logits(&decoder, decoder.hidden(ids.clone()));
        let mut cache = decoder.cache();
        let mut start = 0;
        let mut parts = Vec::new();
        for length in lengths {
            parts.push(decoder.step(ids.clone().narrow(1, start, *length), &mut cache));
            start += length;
        }
        let found = logits(&decoder, Tensor::cat(parts, 1));
        let scale = whole.iter().fold(1f32, |scale, x| scale.max(x.abs()));
        let worst = difference(&found, &whole) / scale;
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}

#[test]
fn token_by_token_is_the_full_forward() {
    check(&[1; 12]);
}

#[test]
fn chunk_by_chunk_is_the_full_forward() {
    check(&[5, 1, 4, 2]);
    check(&[3, 9]);
}
