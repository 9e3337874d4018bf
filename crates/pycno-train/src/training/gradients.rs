//! Gradients of a batch: the body under autodiff, the head by the objective.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    optim::{GradientsAccumulator, GradientsParams},
    tensor::Tensor,
};
use pycno_data::Batch;
use pycno_kernels::surrogate;
use pycno_model::Decoder;

use crate::{Gradients, Objective, StudentOutputs, TrainConfig, TrainError, parameters};

/// Loss and gradients of a batch, by parameter path.
pub(crate) struct BatchGradients {
    pub(crate) loss: f64,
    pub(crate) gradients: BTreeMap<String, Tensor<1>>,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Goes through a batch in micro-batches and adds up their shares.
pub(crate) fn batch_gradients(
    student: &Decoder,
    batch: &Batch,
    objective: &dyn Objective,
    config: &TrainConfig,
) -> Result<BatchGradients, TrainError> {
    let mut sum = GradientsAccumulator::new();
    let (mut loss, mut metrics) = (0.0, BTreeMap::new());
    for ids in batch.ids.chunks(config.micro_batch.get()) {
        let share = ids.len() as f64 / batch.ids.len() as f64;
        let part = Batch { ids: ids.to_vec() };
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
    let hidden = tracked.hidden(batch.inputs(&device));
    let [rows, seq, d_model] = hidden.dims();
    let plain = hidden.clone().inner().reshape([rows * seq, d_model]);
    let outputs = StudentOutputs { hidden: plain, head, batch };
    let Gradients { loss, grad_hidden, grad_head, metrics } = objective.gradients(outputs)?;
    let grad_hidden = scaled(grad_hidden, share).reshape([rows, seq, d_model]);
    let mut tape = surrogate(hidden, grad_hidden).backward();
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

/// A whole batch needs no pass over its gradients.
fn scaled(x: Tensor<2>, share: f64) -> Tensor<2> {
    if share < 1.0 { x * share } else { x }
}
