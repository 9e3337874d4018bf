//! Steps of training on both backends, from the same weights over the same text.

use burn::tensor::Device;
use pycno_model::{Checkpoint, TensorId};
use pycno_train::{LanguageModel, TrainConfig, TrainContext, TrainedStudent, train};
use pycno_units::{Seed, TokenCount};

use crate::{
    decoder::{checkpoints, sequences},
    device::device_for,
};

/// Losses and norms of sums in another order.
const TOLERANCE: f64 = 2e-5;
/// How far the two steps may lie apart, relative to the length of the step. AdamW divides a gradient by
/// its own size at first, so where a gradient is all but 0 its rounding decides which way the weight
/// goes, by the full learning rate.
const STEP_TOLERANCE: f64 = 1e-2;

fn trained(student: &Checkpoint, steps: u64, device: Device) -> TrainedStudent {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        batch: 4.try_into().unwrap(),
        micro_batch: 2.try_into().unwrap(),
        ..TrainConfig::new(TokenCount(steps * 4 * 8))
    };
    let context = TrainContext {
        device,
        seed: Seed(1),
        checkpoint_dir: folder.path(),
        held_out: None,
        on_step: &mut |_| {},
    };
    train(student, &sequences(8, 9), &LanguageModel { chunk_rows: 5 }, &config, context).unwrap()
}

/// The Euclidean distance of all weights.
fn distance(a: &Checkpoint, b: &Checkpoint) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    let tensor = |id: &TensorId| {
        let (a, b) = (a.tensors[id].values(), b.tensors[id].values());
        a.iter().zip(&*b).map(square).sum::<f64>()
    };
    a.tensors.keys().map(tensor).sum::<f64>().sqrt()
}

#[track_caller]
fn check(test: &str, steps: u64) {
    let Some(device) = device_for(test) else { return };
    for (name, student) in checkpoints() {
        let expect = trained(&student, steps, Device::flex());
        let found = trained(&student, steps, device.clone());
        assert_eq!(found.steps.len() as u64, steps);
        for (found, expect) in found.steps.iter().zip(&expect.steps) {
            for (a, b) in [(found.loss, expect.loss), (found.gradient_norm, expect.gradient_norm)] {
                assert!((a - b).abs() <= TOLERANCE * b, "{name}, step {}: {a} {b}", expect.step);
            }
        }
        let moved = distance(&expect.student, &student);
        let apart = distance(&found.student, &expect.student);
        assert!(apart <= STEP_TOLERANCE * moved, "{name}: {apart} apart after {moved}");
    }
}

#[test]
fn one_step_moves_the_weights_as_on_flex() {
    check("one_step_moves_the_weights_as_on_flex", 1);
}

#[test]
fn three_steps_have_the_losses_of_flex() {
    check("three_steps_have_the_losses_of_flex", 3);
}
