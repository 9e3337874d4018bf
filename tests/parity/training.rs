//! Twenty steps of training against PyTorch in `f64`: losses by `make_losses.py`.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

use burn::tensor::Device;
use pycno_train::{LanguageModel, LearningRate, Phase, Share, TrainConfig, Training};
use pycno_units::{Seed, TokenCount};

use crate::fixture;

/// Ours are `f32`; what rounding does to a step, the next ones carry on.
const TOLERANCE: f64 = 1e-5;

fn config(batch: usize) -> TrainConfig {
    let batch = NonZeroUsize::new(batch).unwrap();
    let (warmup, decay) =
        (Phase::Share(Share::try_from(0.0).unwrap()), Phase::Share(Share::try_from(0.0).unwrap()));
    let learning_rate = LearningRate::try_from(1e-3).unwrap();
    let whole = TrainConfig::new(TokenCount(1 << 20));
    TrainConfig { batch, micro_batch: batch, warmup, decay, learning_rate, ..whole }
}

fn found(name: &str, steps: usize) -> Vec<f64> {
    let ids = fixture::expected(name).ids;
    let [batch, seq] = ids.dims();
    let ids: Vec<u32> = ids.into_data().iter::<u32>().collect();
    let data: Vec<Vec<u32>> = ids.chunks(seq).map(<[u32]>::to_vec).collect();
    let (config, objective) = (config(batch), LanguageModel::default());
    let place = (&Device::flex(), Seed(1));
    let mut training =
        Training::new(&fixture::checkpoint(name), &data, &objective, &config, place).unwrap();
    let mut losses = Vec::new();
    for _ in 0..steps {
        let event;
        (training, event) = training.step().unwrap();
        losses.push(event.loss);
    }
    losses
}

#[test]
fn losses_of_twenty_steps_are_those_of_torch() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/training/losses.json");
    let golden: BTreeMap<String, Vec<f64>> =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(golden.len(), 8);
    for (name, expect) in golden {
        for (step, (found, expect)) in found(&name, expect.len()).iter().zip(&expect).enumerate() {
            let error = (found / expect - 1.0).abs();
            assert!(error < TOLERANCE, "{name}, step {step}: {found}, not {expect}");
        }
    }
}
