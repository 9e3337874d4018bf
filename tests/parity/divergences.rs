//! Divergences and their gradients against PyTorch in `f64`: values by `make_divergences.py`.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use pycno_kernels::head::{ForwardKl, Head, HeadLoss, HeadPair, ReverseKl, distill_head};
use serde::Deserialize;

/// Ours are products and exponentials in `f32`; relative to the loss and to a gradient's largest entry.
const TOLERANCE: f64 = 1e-5;
/// Rows per chunk: neither one nor all of the five.
const CHUNK: usize = 2;

#[derive(Deserialize)]
struct Golden {
    inputs: Inputs,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Inputs {
    student_hidden: Vec<Vec<f32>>,
    student_head: Vec<Vec<f32>>,
    teacher_hidden: Vec<Vec<f32>>,
    teacher_head: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    temperature: f64,
    loss: f64,
    grad_hidden: Vec<f64>,
    grad_head: Vec<f64>,
}

impl Inputs {
    fn pair(&self) -> HeadPair {
        let matrix = |rows: &[Vec<f32>]| {
            let shape = [rows.len(), rows[0].len()];
            Tensor::from_data(TensorData::new(rows.concat(), shape), &Device::flex())
        };
        HeadPair {
            student_hidden: matrix(&self.student_hidden),
            student_head: Head::plain(matrix(&self.student_head)),
            teacher_hidden: matrix(&self.teacher_hidden),
            teacher_head: Head::plain(matrix(&self.teacher_head)),
            weights: None,
        }
    }
}

fn found(case: &Case, pair: &HeadPair) -> HeadLoss {
    assert!(["forward-kl", "reverse-kl"].contains(&case.name.as_str()), "{}", case.name);
    if case.name == "forward-kl" {
        distill_head(pair, &ForwardKl::at(case.temperature), CHUNK)
    } else {
        distill_head(pair, &ReverseKl::at(case.temperature), CHUNK)
    }
}

#[track_caller]
fn check(what: &str, found: &[f64], expect: &[f64]) {
    assert_eq!(found.len(), expect.len(), "{what}");
    let scale = expect.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    for (i, (found, expect)) in found.iter().zip(expect).enumerate() {
        let error = (found - expect).abs() / scale;
        assert!(error < TOLERANCE, "{what}, entry {i}: {found}, not {expect}");
    }
}

#[test]
fn divergences_and_their_gradients_are_those_of_torch() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/distill/divergences.json");
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (pair, host) =
        (golden.inputs.pair(), |x: Tensor<2>| x.into_data().iter().collect::<Vec<_>>());
    assert_eq!(golden.cases.len(), 8);
    for case in &golden.cases {
        let (found, at) = (found(case, &pair), format!("{} at {}", case.name, case.temperature));
        check(&format!("{at}, loss"), &[found.loss], &[case.loss]);
        check(&format!("{at}, hidden"), &host(found.grad_hidden), &case.grad_hidden);
        check(&format!("{at}, head"), &host(found.grad_head), &case.grad_head);
    }
}
