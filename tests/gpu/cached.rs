//! Decoding with a cache against the whole sequence at once, on the device, and against flex.

use burn::tensor::{Device, Tensor};
use pycno_model::Decoder;

use crate::{
    decoder::{check_close, checkpoints, ids, logits},
    device::device_for,
};

/// The same sums in other shapes and on another device.
const TOLERANCE: f32 = 1e-5;

/// Logits of tokens fed `lengths` at a time.
fn decoded(decoder: &Decoder, lengths: &[u32], device: &Device) -> Vec<f32> {
    let ids = ids(lengths.iter().sum(), device);
    let mut cache = decoder.cache();
    let (mut parts, mut start) = (Vec::new(), 0);
    for length in lengths.iter().map(|length| *length as usize) {
        parts.push(decoder.step(ids.clone().narrow(1, start, length), &mut cache));
        start += length;
    }
    logits(decoder, Tensor::cat(parts, 1))
}

#[track_caller]
fn check(test: &str, lengths: &[u32]) {
    let Some(device) = device_for(test) else { return };
    for (name, checkpoint) in checkpoints() {
        let decoder = Decoder::new(&checkpoint, &device).unwrap();
        let found = decoded(&decoder, lengths, &device);
        let whole = logits(&decoder, decoder.hidden(ids(lengths.iter().sum(), &device)));
        check_close(&format!("{name}, against the whole"), &found, &whole, TOLERANCE);
        let flex = Decoder::new(&checkpoint, &Device::flex()).unwrap();
        let expect = decoded(&flex, lengths, &Device::flex());
        check_close(&format!("{name}, against flex"), &found, &expect, TOLERANCE);
    }
}

#[test]
fn a_prompt_then_token_by_token_is_the_full_forward() {
    check("a_prompt_then_token_by_token_is_the_full_forward", &[6, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn chunk_by_chunk_is_the_full_forward() {
    check("chunk_by_chunk_is_the_full_forward", &[3, 4, 2]);
}
