//! What every divergence is held to, row by row: its formula in `f64`, the slopes of that formula, and its limits.

use burn::tensor::{Device, Tensor, TensorData};

use super::{Logits, RowLoss};
use crate::{noise::Noise, simd::vectorized};

/// Losses and gradients in `f32` against the same in `f64`, relative to the largest value.
pub(super) const TOLERANCE: f64 = 1e-5;
/// Step of a central difference in `f64`: its own error is some 1e-10.
const STEP: f64 = 1e-5;

/// A loss of one row with its gradient by the student's logits.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) loss: f64,
    pub(super) gradient: Vec<f64>,
}

/// What the host's version of a loss says, and the composed one.
pub(super) fn versions<L: RowLoss<Logits>>(loss: &L, rows: [&[f32]; 2]) -> [Found; 2] {
    let [student, teacher] = rows;
    let mut row = student.to_vec();
    let value = vectorized(|| loss.row(&mut row, teacher, 1.0));
    let host = Found { loss: value, gradient: row.iter().map(|x| f64::from(*x)).collect() };
    let [student, teacher] = rows.map(|row| {
        Tensor::<2>::from_data(TensorData::new(row.to_vec(), [1, row.len()]), &Device::flex())
    });
    let found = loss.chunk(student, teacher, &[1.0]);
    let value = f64::from(found.losses.into_scalar::<f32>());
    [host, Found { loss: value, gradient: found.gradient.into_data().iter::<f64>().collect() }]
}

/// `ln softmax(logits / T)`
pub(super) fn log_softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| ((z - max) / temperature).exp()).sum();
    logits.iter().map(|z| (z - max) / temperature - sum.ln()).collect()
}

#[track_caller]
pub(super) fn near(found: &[f64], expect: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expect.len());
    let scale = expect.iter().fold(1e-3, |max: f64, x| max.max(x.abs()));
    for (i, (found, expect)) in found.iter().zip(expect).enumerate() {
        let error = (found - expect).abs() / scale;
        assert!(error <= tolerance, "entry {i}: {found}, not {expect}");
    }
}

/// Asserts that both versions have the value of a formula of the student's and the teacher's logits, and its
/// slopes by the student's, on rows of several lengths.
#[track_caller]
pub(super) fn formula<L: RowLoss<Logits>>(loss: &L, formula: impl Fn(&[f64], &[f64]) -> f64) {
    for vocab in [1, 2, 7, 8, 9, 61] {
        let mut noise = Noise::new(vocab as u64);
        let rows =
            [(); 2].map(|()| noise.values(vocab).iter().map(|x| 3.0 * x).collect::<Vec<_>>());
        let [student, teacher] =
            [0, 1].map(|i| rows[i].iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let slope = |i: usize| {
            let moved = |step: f64| {
                let mut student = student.clone();
                student[i] += step;
                formula(&student, &teacher)
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        };
        let slopes: Vec<f64> = (0..vocab).map(slope).collect();
        for found in versions(loss, [&rows[0], &rows[1]]) {
            near(&[found.loss], &[formula(&student, &teacher)], TOLERANCE);
            near(&found.gradient, &slopes, TOLERANCE);
        }
    }
}

/// Asserts that equal rows lose nothing and have no gradient, whatever constants are added to them.
#[track_caller]
pub(super) fn nothing_between_equals<L: RowLoss<Logits>>(loss: &L) {
    let row = Noise::new(3).values(45);
    let [host, composed] = versions(loss, [&row, &row]);
    assert_eq!(host.loss.to_bits(), 0);
    assert!(host.gradient.iter().all(|x| *x == 0.0));
    let shifted: Vec<f32> = row.iter().map(|x| x + 50.0).collect();
    let [host, shifted] = versions(loss, [&row, &shifted]);
    for found in [composed, host, shifted] {
        assert!(found.loss.abs() < 1e-6, "{}", found.loss);
        near(&found.gradient, &vec![0.0; row.len()], 5e-3);
    }
}

/// Asserts that at a high temperature the gradient is the difference of the centered logits over the
/// vocabulary, and the loss half its square.
#[track_caller]
pub(super) fn difference_of_logits_when_hot<L: RowLoss<Logits>>(at_200: &L) {
    let (student, teacher) = (Noise::new(4).values(20), Noise::new(5).values(20));
    let difference: Vec<f64> =
        student.iter().zip(&teacher).map(|(z, y)| f64::from(*z) - f64::from(*y)).collect();
    let mean = difference.iter().sum::<f64>() / 20.0;
    let expect: Vec<f64> = difference.iter().map(|x| (x - mean) / 20.0).collect();
    let loss: f64 = expect.iter().map(|x| 0.5 * 20.0 * x * x).sum();
    for found in versions(at_200, [&student, &teacher]) {
        near(&found.gradient, &expect, 0.02);
        // Some 1e-7 of `f32` log-probabilities, times T^2.
        near(&[found.loss], &[loss], 0.05);
    }
}

/// Asserts that tokens which neither model can say change nothing.
#[track_caller]
pub(super) fn impossible_tokens_count_nothing<L: RowLoss<Logits>>(loss: &L) {
    let rows = [Noise::new(6).values(20), Noise::new(7).values(20)];
    let [expect, _] = versions(loss, [&rows[0], &rows[1]]);
    for masked in [-1e9, f32::MIN, f32::NEG_INFINITY] {
        let wider = rows.clone().map(|row| [row, vec![masked; 5]].concat());
        let [host, composed] = versions(loss, [&wider[0], &wider[1]]);
        near(&[host.loss, composed.loss], &[expect.loss; 2], TOLERANCE);
        for found in [host, composed] {
            near(&found.gradient[..20], &expect.gradient, TOLERANCE);
            assert!(found.gradient[20..].iter().all(|x| *x == 0.0), "{:?}", found.gradient);
        }
    }
}
