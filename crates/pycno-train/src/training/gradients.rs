//! Gradients of a batch: the body under autodiff, the head by the objective.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    optim::{GradientsAccumulator, GradientsParams},
    tensor::{Int, Tensor},
};
use pycno_data::Batch;
use pycno_kernels::surrogate;
use pycno_model::Decoder;

use crate::{Gradients, Objective, StudentOutputs, Tap, TrainConfig, TrainError, parameters};

/// Loss and gradients of a batch, by parameter path.
pub(crate) struct BatchGradients {
    pub(crate) loss: f64,
    pub(crate) gradients: BTreeMap<String, Tensor<1>>,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Goes through a batch in micro-batches and adds up their shares; one without a token that counts is left out.
pub(crate) fn batch_gradients(
    student: &Decoder,
    batch: &Batch,
    objective: &dyn Objective,
    config: &TrainConfig,
) -> Result<BatchGradients, TrainError> {
    let mut sum = GradientsAccumulator::new();
    let (mut loss, mut metrics) = (0.0, BTreeMap::new());
    let whole = batch.weight();
    for part in batch.parts(config.micro_batch.get()) {
        let share = part.weight() / whole;
        if share <= 0.0 {
            continue;
        }
        let (found, gradients) = micro_gradients(student, &part, objective, share)?;
        loss += share * found.loss;
        for (name, value) in found.metrics {
            *metrics.entry(name).or_insert(0.0) += share * value;
        }
        sum.accumulate(student, gradients);
    }
    Ok(BatchGradients { loss, gradients: parameters::gradients(student, sum.grads()), metrics })
}

/// What a micro-batch measured, beside its gradients.
pub(super) struct Measured {
    pub(super) loss: f64,
    metrics: BTreeMap<String, f64>,
}

/// One forward and backward pass: the body under autodiff, the head by the objective.
pub(super) fn micro_gradients(
    student: &Decoder,
    batch: &Batch,
    objective: &dyn Objective,
    share: f64,
) -> Result<(Measured, GradientsParams), TrainError> {
    let head = student.head();
    let device = head.device();
    let tracked = student.clone().train();
    let (hidden, taps) = forward(&tracked, batch.inputs(&device), &objective.taps());
    let outputs = StudentOutputs {
        hidden: plain_rows(&hidden),
        head,
        taps: taps.iter().map(plain_rows).collect(),
        batch,
    };
    let Gradients { loss, grad_hidden, grad_head, grad_taps, metrics } =
        objective.gradients(outputs)?;
    check_taps(objective, &taps, &grad_taps)?;
    let pairs = taps.into_iter().zip(grad_taps);
    let end = inject(hidden, grad_hidden, share);
    // A tape runs backward once.
    let all = pairs.fold(end, |sum, (tap, gradient)| sum + inject(tap, gradient, share));
    let mut tape = all.backward();
    let mut gradients = GradientsParams::from_module(&mut tape, &tracked);
    let (id, grad_head) = student.head_gradient(scaled(grad_head, share));
    // A tied head is the embedding, which has a gradient already.
    let grad_head = match gradients.remove::<2>(id) {
        Some(grad_embedding) => grad_embedding + grad_head,
        None => grad_head,
    };
    gradients.register(id, grad_head);
    Ok((Measured { loss, metrics }, gradients))
}

/// The final hidden states, and the activations at some taps.
fn forward(tracked: &Decoder, ids: Tensor<2, Int>, taps: &[Tap]) -> (Tensor<3>, Vec<Tensor<3>>) {
    let mut seen = vec![None; taps.len()];
    let hidden = tracked.observed(ids, &mut |layer_idx, site, x| {
        let wanted = Tap { layer_idx, site };
        for (tap, place) in taps.iter().zip(&mut seen).filter(|(tap, _)| **tap == wanted) {
            debug_assert!(place.is_none(), "{tap} is seen once");
            *place = Some(x.clone());
        }
    });
    (hidden, seen.into_iter().flatten().collect())
}

/// The values of an activation, without its tape: `[batch * seq, width]`.
fn plain_rows(x: &Tensor<3>) -> Tensor<2> {
    let [batch, seq, width] = x.dims();
    x.clone().inner().reshape([batch * seq, width])
}

/// A scalar through which a gradient by an activation, times the micro-batch's share, goes back into the tape.
fn inject(x: Tensor<3>, gradient: Tensor<2>, share: f64) -> Tensor<1> {
    let gradient = scaled(gradient, share).reshape(x.dims());
    surrogate(x, gradient)
}

fn check_taps(
    objective: &dyn Objective,
    taps: &[Tensor<3>],
    gradients: &[Tensor<2>],
) -> Result<(), TrainError> {
    let rows = |[batch, seq, width]: [usize; 3]| [batch * seq, width];
    let expected: Vec<[usize; 2]> = taps.iter().map(|tap| rows(tap.dims())).collect();
    let found: Vec<[usize; 2]> = gradients.iter().map(Tensor::dims).collect();
    if found == expected {
        return Ok(());
    }
    let reason = format!("expected gradients by its taps of {expected:?}, found {found:?}");
    Err(TrainError::Objective { objective: objective.name().to_owned(), reason })
}

/// A whole batch needs no pass over its gradients.
fn scaled(x: Tensor<2>, share: f64) -> Tensor<2> {
    if share < 1.0 { x * share } else { x }
}
