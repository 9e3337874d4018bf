//! The forward pass on both backends.

use burn::tensor::Device;
use pycno_kernels::{attention::Segments, head::token_losses};
use pycno_model::Decoder;

use crate::{
    decoder::{TOKENS, VOCAB, check_close, checkpoints, host, ids, logits},
    device::device_for,
};

/// Sums in `f32` in another order, through two layers.
const TOLERANCE: f32 = 1e-5;

#[test]
fn logits_are_those_of_flex() {
    let Some(device) = device_for("logits_are_those_of_flex") else { return };
    for (name, checkpoint) in checkpoints() {
        for seq in [1, 9, 16] {
            let [expect, found] = [&Device::flex(), &device].map(|device| {
                let decoder = Decoder::new(&checkpoint, device).unwrap();
                logits(&decoder, decoder.hidden(ids(seq, device)))
            });
            assert_eq!(expect.len(), 2 * seq as usize * VOCAB);
            check_close(&format!("{name}, {seq} tokens"), &found, &expect, TOLERANCE);
        }
    }
}

#[test]
fn token_losses_are_those_of_flex() {
    let Some(device) = device_for("token_losses_are_those_of_flex") else { return };
    for (name, checkpoint) in checkpoints() {
        let [expect, found] = [&Device::flex(), &device].map(|device| {
            let decoder = Decoder::new(&checkpoint, device).unwrap();
            let hidden = decoder.hidden(ids(9, device)).reshape([18, 32]);
            let targets: Vec<u32> = (0..18).collect();
            token_losses(&hidden, &decoder.head(), &targets, 7)
        });
        for (found, expect) in found.iter().zip(&expect) {
            let off = (found.nats - expect.nats).abs() / expect.nats.max(1.0);
            assert!(off <= f64::from(TOLERANCE), "{name}: {} {}", found.nats, expect.nats);
            assert_eq!(found.greedy, expect.greedy, "{name}");
        }
    }
}

#[test]
fn sequences_that_share_a_beginning_are_those_of_flex() {
    let Some(device) = device_for("sequences_that_share_a_beginning_are_those_of_flex") else {
        return;
    };
    let mut segments = Segments::default();
    let beginning = segments.push(6, None);
    segments.push(2, Some(beginning));
    segments.push(3, Some(beginning));
    let ids: Vec<u32> = (0..11).map(|i| i * 7 % TOKENS).collect();
    for (name, checkpoint) in checkpoints() {
        let [expect, found] = [&Device::flex(), &device].map(|device| {
            let decoder = Decoder::new(&checkpoint, device).unwrap();
            host(decoder.tree_hidden(&ids, &segments))
        });
        check_close(name, &found, &expect, TOLERANCE);
    }
}
