//! The gradient of a language-model loss on both backends: the body under autodiff, the head by its kernel.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use pycno_kernels::{
    head::{ForwardKl, HeadLoss, HeadPair, ReverseKl, Targets, cross_entropy_head, distill_head},
    surrogate,
};
use pycno_model::Decoder;

use crate::{
    decoder::{check_close, checkpoints, host, ids},
    device::device_for,
};

/// Sums in `f32` in another order, forward and backward, relative to a parameter's largest gradient.
const TOLERANCE: f32 = 2e-5;
/// Rows a chunk: neither one nor all of the 18.
const CHUNK: usize = 7;

/// Gradients on the host, by parameter path.
struct Collect {
    path: Vec<String>,
    gradients: GradientsParams,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id).unwrap();
        self.found.insert(self.path.join("."), host(gradient));
    }
}

/// Loss and gradients, those of the head beside the body's.
fn gradients(decoder: &Decoder, device: &Device) -> (f64, BTreeMap<String, Vec<f32>>) {
    let tracked = decoder.clone().train();
    let hidden = tracked.hidden(ids(9, device));
    let plain = hidden.clone().inner().reshape([18, 32]);
    let targets: Vec<u32> = (3..21).collect();
    let found = cross_entropy_head(&plain, &decoder.head(), Targets::plain(&targets), CHUNK);
    let mut tape = surrogate(hidden, found.grad_hidden.reshape([2, 9, 32])).backward();
    let mut gradients = GradientsParams::from_module(&mut tape, &tracked);
    let (id, grad_head) = decoder.head_gradient(found.grad_head);
    let grad_head = match gradients.remove::<2>(id) {
        Some(grad_embedding) => grad_embedding + grad_head,
        None => grad_head,
    };
    gradients.register(id, grad_head);
    let mut collect = Collect { path: Vec::new(), gradients, found: BTreeMap::new() };
    decoder.visit(&mut collect);
    (found.loss, collect.found)
}

#[test]
fn gradients_are_those_of_flex() {
    let Some(device) = device_for("gradients_are_those_of_flex") else { return };
    for (name, checkpoint) in checkpoints() {
        let [(expect_loss, expect), (loss, found)] = [&Device::flex(), &device]
            .map(|device| gradients(&Decoder::new(&checkpoint, device).unwrap(), device));
        assert!((loss - expect_loss).abs() < 1e-5 * expect_loss, "{name}: {loss} {expect_loss}");
        assert_eq!(found.len(), expect.len());
        for (path, expect) in &expect {
            check_close(&format!("{name}, {path}"), &found[path], expect, TOLERANCE);
        }
    }
}

#[test]
fn distillation_has_the_loss_and_gradients_of_flex() {
    let Some(device) = device_for("distillation_has_the_loss_and_gradients_of_flex") else {
        return;
    };
    let [(_, teacher), (_, student), _] = checkpoints();
    let [expect, found] = [&Device::flex(), &device].map(|device| {
        let [teacher, student] = [&teacher, &student].map(|x| Decoder::new(x, device).unwrap());
        let hidden = |model: &Decoder| model.hidden(ids(9, device)).reshape([18, 32]);
        let pair = HeadPair {
            student_hidden: hidden(&student),
            student_head: student.head(),
            teacher_hidden: hidden(&teacher),
            teacher_head: teacher.head(),
            weights: None,
        };
        [
            distill_head(&pair, &ForwardKl::at(2.0), CHUNK),
            distill_head(&pair, &ReverseKl::at(2.0), CHUNK),
        ]
    });
    for (found, expect) in found.into_iter().zip(expect) {
        check_loss(found, expect);
    }
}

#[track_caller]
fn check_loss(found: HeadLoss, expect: HeadLoss) {
    let error = (found.loss - expect.loss).abs();
    assert!(error < 1e-5 * expect.loss, "{} {}", found.loss, expect.loss);
    check_close("hidden", &host(found.grad_hidden), &host(expect.grad_hidden), TOLERANCE);
    check_close("head", &host(found.grad_head), &host(expect.grad_head), TOLERANCE);
}
