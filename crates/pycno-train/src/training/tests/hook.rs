//! Checks of what an objective may see and weigh: activations inside the student, weights of tokens.

use pycno_model::Site;

use super::*;
use crate::Tap;

/// What the hidden states of [`HiddenMse`] should be.
const GOAL: f64 = 0.3;
/// Step of a central difference in `f32`, and how far that may be off, relative to a tensor's largest gradient.
const STEP: f32 = 5e-3;
const SLOPE_TOLERANCE: f64 = 1e-2;

/// Cross-entropy of the text plus `1/2 |x - GOAL|^2` of the activations at some taps, its mean over rows by their
/// weights.
struct HiddenMse(Vec<Tap>);

impl Objective for HiddenMse {
    fn name(&self) -> &'static str {
        "hidden-mse"
    }

    fn taps(&self) -> Vec<Tap> {
        self.0.clone()
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let (shares, taps) = (shares(outputs.batch), outputs.taps.clone());
        let mut found = LanguageModel { chunk_rows: 5 }.gradients(outputs)?;
        for tap in taps {
            let error = tap - GOAL;
            let losses = error.clone().square().sum_dim(1) * 0.5;
            found.loss += (losses * shares.clone()).sum().into_data().iter::<f64>().sum::<f64>();
            found.grad_taps.push(error * shares.clone());
        }
        Ok(found)
    }
}

/// What each target counts in the mean, `[rows, 1]`.
fn shares(batch: &Batch) -> Tensor<2> {
    let n = batch.targets().len();
    let weights = batch.target_weights().unwrap_or_else(|| vec![1.0; n]);
    let weights = Tensor::from_data(TensorData::new(weights, [n, 1]), &Device::flex());
    weights / batch.weight()
}

/// [`HiddenMse`], all of it under autodiff and all logits at once.
fn whole(student: &Decoder, batch: &Batch, taps: &[Tap]) -> (f64, BTreeMap<String, Tensor<1>>) {
    let device = Device::flex();
    let tracked = student.clone().train();
    let shares = Tensor::from_inner(shares(batch));
    let mut loss = Tensor::<1>::from_inner(Tensor::zeros([1], &device));
    let hidden = tracked.observed(batch.inputs(&device), &mut |layer_idx, site, x| {
        for _ in taps.iter().filter(|tap| **tap == Tap { layer_idx, site }) {
            let [rows, seq, width] = x.dims();
            let error = x.clone().reshape([rows * seq, width]) - GOAL;
            let losses = error.square().sum_dim(1) * 0.5;
            loss = loss.clone() + (losses * shares.clone()).sum();
        }
    });
    let [rows, seq, d_model] = hidden.dims();
    let logits = hidden.reshape([rows * seq, d_model]).matmul(tracked.head().weight().clone());
    let targets: Vec<i64> = batch.targets().into_iter().map(i64::from).collect();
    let targets = TensorData::new(targets, [rows * seq, 1]);
    let targets = Tensor::<2, Int>::from_data(targets, &device);
    let loss = loss - (log_softmax(logits, 1).gather(1, targets) * shares).sum();
    let value = loss.clone().into_data().iter::<f64>().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &tracked);
    (value, parameters::gradients(student, gradients))
}

/// Several sites, one of them twice.
fn taps() -> Vec<Tap> {
    let tap = |layer_idx, site| Tap { layer_idx, site };
    vec![
        tap(1, Site::BlockInput),
        tap(0, Site::FfnChannels),
        tap(1, Site::AttentionContext),
        tap(1, Site::BlockOutput),
        tap(0, Site::FfnChannels),
    ]
}

/// Four sequences; the weights of one are 0, as are some of the others.
fn weighted() -> Batch {
    let weight = |i: usize, j: usize| [0.0, 1.0, 0.5, 2.0][(i * 3 + j * j) % 4];
    let row = |i| (0..9).map(|j| if i == 2 { 0.0 } else { weight(i, j) }).collect();
    Batch { weights: Some((0..4).map(row).collect()), ..Batch::plain(data(4, 9)) }
}

#[track_caller]
fn check(student: &Decoder, batch: &Batch, taps: &[Tap]) {
    let (loss, expect) = whole(student, batch, taps);
    for micro_batch in [4, 3, 1] {
        let (objective, config) = (HiddenMse(taps.to_vec()), config(1, 4, micro_batch));
        let found = batch_gradients(student, batch, &objective, &config).unwrap();
        assert!((found.loss - loss).abs() < 1e-5 * loss, "{} {loss}", found.loss);
        check_same(&found.gradients, &expect);
    }
}

#[test]
fn gradients_at_taps_go_back_with_those_of_the_final_hidden_states() {
    for tied in [true, false] {
        let student = decoder(&model(tied, 1));
        check(&student, &Batch::plain(data(4, 9)), &taps());
        check(&student, &weighted(), &taps());
    }
}

#[test]
fn gradients_at_taps_are_finite_differences() {
    let (student, batch) = (model(true, 2), weighted());
    let (objective, config) = (HiddenMse(taps()), config(1, 4, 4));
    let at = |student: &Checkpoint| {
        batch_gradients(&decoder(student), &batch, &objective, &config).unwrap()
    };
    for (path, gradient) in at(&student).gradients {
        let (id, gradient) = (Decoder::tensor_of(&path).unwrap(), host(&gradient));
        let scale = gradient.iter().fold(0.05, |max: f32, x| max.max(x.abs()));
        for i in [0, gradient.len() / 2, gradient.len() - 1] {
            let moved = |by: f32| {
                let mut moved = student.clone();
                let tensor = &student.tensors[&id];
                let mut values = tensor.values().to_vec();
                values[i] += by;
                moved.tensors.insert(id, HostTensor::new(tensor.shape().to_vec(), values));
                at(&moved).loss
            };
            let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let error = (f64::from(gradient[i]) - slope).abs();
            assert!(error < SLOPE_TOLERANCE * f64::from(scale), "{path}: {} {slope}", gradient[i]);
        }
    }
}

#[test]
fn tokens_count_by_their_weights() {
    for tied in [true, false] {
        check(&decoder(&model(tied, 5)), &weighted(), &[]);
    }
}

#[test]
fn a_token_of_weight_0_is_as_if_it_were_not_counted() {
    let student = decoder(&model(true, 5));
    let of = |batch: &Batch| {
        batch_gradients(&student, batch, &LanguageModel::default(), &config(1, 4, 4)).unwrap()
    };
    // The first four tokens count; what comes behind them can be anything, as no earlier token sees it.
    let short = Batch::plain(data(4, 9).iter().map(|row| row[..5].to_vec()).collect());
    let cut = |row: &Vec<u32>| [&row[..5], &[28, 0, 28, 0]].concat();
    let mask = vec![vec![1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]; 4];
    let long = Batch { ids: data(4, 9).iter().map(cut).collect(), weights: Some(mask) };
    let (found, expect) = (of(&long), of(&short));
    assert!((found.loss - expect.loss).abs() < 1e-6, "{} {}", found.loss, expect.loss);
    check_same(&found.gradients, &expect.gradients);
}

#[test]
fn weights_of_one_change_no_bit() {
    let student = decoder(&model(true, 5));
    let plain = Batch::plain(data(4, 9));
    let ones = Batch { weights: Some(vec![vec![1.0; 9]; 4]), ..plain.clone() };
    let bits = |batch: &Batch| {
        let config = config(1, 4, 3);
        let found = batch_gradients(&student, batch, &HiddenMse(vec![]), &config).unwrap();
        let gradients = found.gradients.values().flat_map(host).map(f32::to_bits);
        (found.loss.to_bits(), gradients.collect::<Vec<_>>())
    };
    assert_eq!(bits(&ones), bits(&plain));
}

#[test]
fn taps_that_a_student_has_not_are_refused_before_the_first_step() {
    let (student, text, config) = (model(true, 1), data(6, 9), config(64, 4, 4));
    let objective = HiddenMse(vec!["layers.2.block-output".parse().unwrap()]);
    let place = (&Device::flex(), Seed(1));
    let error = Training::new(&student, &text, &objective, &config, place).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "no tap layers.2.block-output: the student has 2 blocks");
    let mut spec = spec(true);
    (spec.layers[0].attention, spec.layers[1].ffn) = (None, None);
    for (text, there) in [
        ("layers.0.attention-context", false),
        ("layers.0.ffn-channels", true),
        ("layers.1.attention-context", true),
        ("layers.1.ffn-channels", false),
        ("layers.1.block-output", true),
    ] {
        assert_eq!(text.parse::<Tap>().unwrap().check(&spec).is_ok(), there, "{text}");
    }
}

/// Sees a tap and has no gradient for it.
struct Forgetful;

impl Objective for Forgetful {
    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn taps(&self) -> Vec<Tap> {
        taps()
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        LanguageModel::default().gradients(outputs)
    }
}

#[test]
fn every_tap_needs_its_gradient() {
    let (student, batch) = (decoder(&model(true, 1)), Batch::plain(data(4, 9)));
    let error = batch_gradients(&student, &batch, &Forgetful, &config(1, 4, 4)).map(drop);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("forgetful") && error.contains("found []"), "{error}");
}
