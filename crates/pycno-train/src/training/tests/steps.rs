//! Checks of single steps: rates, clipping, and Burn's own optimizer beside ours.

use super::*;

#[test]
fn clipping_and_rates_are_what_the_steps_say() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        warmup: Phase::Share(Share::try_from(0.5).unwrap()),
        decay: Phase::Share(Share::try_from(0.5).unwrap()),
        clip: NormLimit::try_from(1e-3).unwrap(),
        ..config(4 * 32, 4, 4)
    };
    let (_, events) =
        run(&model(false, 9), &LanguageModel::default(), &config, folder.path()).unwrap();
    let rates: Vec<f64> = events.iter().map(|event| event.learning_rate).collect();
    for (found, expect) in rates.iter().zip([0.005, 0.01, 0.01 * 2.0 / 3.0, 0.01 / 3.0]) {
        assert!((found - expect).abs() < 1e-12, "{found} {expect}");
    }
    assert!(events.iter().all(|event| event.gradient_norm > 1e-2));
}

/// Burn's optimizer as oracle: same betas, epsilon and decay groups.
#[test]
fn steps_are_those_of_burn() {
    use burn::{module::ParamGroup, optim::AdamWConfig};
    let start = decoder(&model(false, 10));
    let batch = Batch::plain(data(4, 9));
    let config = config(1, 4, 4);
    let settings = AdamWConfig::new().with_beta_2(0.95).with_epsilon(1e-8).with_weight_decay(0.1);
    let plain = settings.clone().with_weight_decay(0.0);
    let undecayed =
        ParamGroup::from_any_regexes(vec!["norm", "bias", "embedding", "head"]).unwrap();
    let mut burns = settings.init().with_group(undecayed, plain.build(), None);
    let (mut ours, mut optimizer, mut theirs) = (start.clone(), Optimizer::default(), start);
    for _ in 0..3 {
        let found = batch_gradients(&ours, &batch, &LanguageModel::default(), &config).unwrap();
        let weight_decay = config.weight_decay;
        let rates = Rates { learning_rate: 1e-2, weight_decay, gradient_scale: 1.0 };
        ours = optimizer.step(ours, found.gradients, rates);
        let (_, gradients) =
            micro_gradients(&theirs, &batch, &LanguageModel::default(), 1.0).unwrap();
        theirs = burns.step(1e-2, theirs.train(), gradients).valid();
    }
    let expect = parameters::values(&theirs);
    for (path, found) in parameters::values(&ours) {
        for (a, b) in found.iter::<f32>().zip(expect[&path].iter::<f32>()) {
            assert!((a - b).abs() < 2e-5, "{path}: {a}, not {b}");
        }
    }
}
