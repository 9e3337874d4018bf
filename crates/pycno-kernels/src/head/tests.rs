//! Checks of the head's losses: against `f64` formulas, finite differences and autodiff.

use burn::tensor::{Device, TensorData, activation::log_softmax};
use proptest::prelude::*;

use super::*;
use crate::noise::Noise;

/// Gradients in `f32` against the same in `f64`, relative to the largest entry.
const TOLERANCE: f64 = 1e-5;
/// A mean of `f32` logits' losses against the same in `f64`.
const LOSS_TOLERANCE: f64 = 2e-6;

fn pair([rows, d_student, d_teacher, vocab]: [usize; 4]) -> HeadPair {
    let mut noise = Noise::new((rows * 31 + d_student * 7 + vocab) as u64);
    HeadPair {
        student_hidden: noise.tensor([rows, d_student], 1.0),
        student_head: noise.tensor([d_student, vocab], 0.7),
        teacher_hidden: noise.tensor([rows, d_teacher], 1.0),
        teacher_head: noise.tensor([d_teacher, vocab], 0.7),
    }
}

fn host(x: &Tensor<2>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

/// `f64` logits of a row times `1 / T`, as log-probabilities.
fn log_probs(hidden: &[f64], head: &[f64], vocab: usize, temperature: f64) -> Vec<f64> {
    let logit = |j: usize| {
        let dot: f64 = hidden.iter().enumerate().map(|(i, h)| h * head[i * vocab + j]).sum();
        dot / temperature
    };
    let logits: Vec<f64> = (0..vocab).map(logit).collect();
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| (z - max).exp()).sum();
    logits.iter().map(|z| z - max - sum.ln()).collect()
}

/// The formula of [`forward_kl_head`] in `f64`.
fn forward_kl_reference(
    [student_hidden, student_head, teacher_hidden, teacher_head]: &[Vec<f64>; 4],
    [rows, vocab]: [usize; 2],
    temperature: f64,
) -> f64 {
    let row = |hidden: &[f64], r: usize| {
        let d = hidden.len() / rows;
        hidden[r * d..(r + 1) * d].to_vec()
    };
    let kl = |r| {
        let q = log_probs(&row(student_hidden, r), student_head, vocab, temperature);
        let p = log_probs(&row(teacher_hidden, r), teacher_head, vocab, temperature);
        p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>()
    };
    temperature.powi(2) * (0..rows).map(kl).sum::<f64>() / rows as f64
}

/// Central difference of `f` at 0.
fn difference(f: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-5;
    (f(h) - f(-h)) / (2.0 * h)
}

#[track_caller]
fn check_close(found: &[f64], expect: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expect.len());
    let scale = expect.iter().fold(1e-3, |max: f64, x| max.max(x.abs()));
    for (i, (found, expect)) in found.iter().zip(expect).enumerate() {
        let wrong = (found - expect).abs() / scale;
        assert!(wrong <= tolerance, "entry {i}: {found}, not {expect}");
    }
}

#[track_caller]
fn check_forward_kl(dims: [usize; 4], temperature: f64, chunk_rows: usize) {
    let pair = pair(dims);
    let size = [dims[0], dims[3]];
    let values =
        [&pair.student_hidden, &pair.student_head, &pair.teacher_hidden, &pair.teacher_head]
            .map(host);
    let found = forward_kl_head(&pair, temperature, chunk_rows);
    let expect = forward_kl_reference(&values, size, temperature);
    assert!((found.loss - expect).abs() < LOSS_TOLERANCE * expect.max(1.0), "{}", found.loss);
    for (which, gradient) in [&found.grad_hidden, &found.grad_head].into_iter().enumerate() {
        let expect: Vec<f64> = (0..values[which].len())
            .map(|i| {
                difference(|h| {
                    let mut values = values.clone();
                    values[which][i] += h;
                    forward_kl_reference(&values, size, temperature)
                })
            })
            .collect();
        check_close(&host(gradient), &expect, TOLERANCE);
    }
}

#[test]
fn forward_kl_gradients_are_finite_differences() {
    check_forward_kl([3, 4, 5, 11], 1.0, 2);
    check_forward_kl([5, 3, 3, 17], 2.0, 5);
    check_forward_kl([1, 1, 2, 8], 0.5, 64);
    check_forward_kl([2, 2, 2, 1], 1.0, 1);
}

/// The same loss by Burn's autodiff, all logits at once.
fn by_autodiff(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    loss: impl Fn(Tensor<2>) -> Tensor<1>,
) -> [Vec<f64>; 3] {
    let hidden = hidden.clone().autodiff().require_grad();
    let head = head.clone().autodiff().require_grad();
    let loss = loss(hidden.clone().matmul(head.clone()));
    let value: f64 = loss.clone().into_data().iter::<f64>().sum();
    let mut gradients = loss.backward();
    let grad_hidden = hidden.grad_remove(&mut gradients).unwrap();
    let grad_head = head.grad_remove(&mut gradients).unwrap();
    [vec![value], host(&grad_hidden), host(&grad_head)]
}

#[track_caller]
fn check_same(found: &HeadLoss, expect: &[Vec<f64>; 3]) {
    check_close(&[found.loss], &expect[0], TOLERANCE);
    check_close(&host(&found.grad_hidden), &expect[1], TOLERANCE);
    check_close(&host(&found.grad_head), &expect[2], TOLERANCE);
}

#[test]
fn forward_kl_equals_autodiff_of_the_composed_form() {
    for (dims, t, chunk_rows) in [([64, 16, 24, 501], 1.0, 17), ([33, 8, 8, 64], 3.0, 33)] {
        let pair = pair(dims);
        let teacher = pair.teacher_hidden.clone().matmul(pair.teacher_head.clone());
        let expect = by_autodiff(&pair.student_hidden, &pair.student_head, |student| {
            let q = log_softmax(student / t, 1);
            let p = log_softmax(teacher.clone() / t, 1);
            (p.clone().exp() * (p - q)).sum() * (t * t / dims[0] as f64)
        });
        check_same(&forward_kl_head(&pair, t, chunk_rows), &expect);
    }
}

#[test]
fn cross_entropy_equals_autodiff_of_the_composed_form() {
    for ([rows, d, vocab], chunk_rows) in [([64, 16, 501], 17), ([1, 3, 9], 4), ([8, 5, 2], 8)] {
        let mut noise = Noise::new(rows as u64);
        let (hidden, head) = (noise.tensor([rows, d], 1.0), noise.tensor([d, vocab], 0.7));
        let targets: Vec<u32> = (0..rows).map(|i| u32::try_from(i * 7 % vocab).unwrap()).collect();
        let index: Vec<i64> = targets.iter().map(|x| i64::from(*x)).collect();
        let index = TensorData::new(index, [rows, 1]);
        let expect = by_autodiff(&hidden, &head, |logits| {
            let index = Tensor::from_data(index.clone(), &Device::flex());
            -log_softmax(logits, 1).gather(1, index).mean()
        });
        check_same(&cross_entropy_head(&hidden, &head, &targets, chunk_rows), &expect);
    }
}

#[track_caller]
fn check_twins(found: &HeadLoss, expect: &HeadLoss) {
    check_close(&[found.loss], &[expect.loss], TOLERANCE);
    check_close(&host(&found.grad_hidden), &host(&expect.grad_hidden), TOLERANCE);
    check_close(&host(&found.grad_head), &host(&expect.grad_head), TOLERANCE);
}

#[test]
fn both_versions_agree() {
    for (dims, chunk_rows) in [([9, 6, 4, 37], 4), ([1, 1, 1, 1], 1), ([5, 300, 8, 700], 9)] {
        let (pair, targets) = (pair(dims), [3, 0, 36, 5, 5, 9, 11, 20, 1]);
        check_twins(
            &forward_kl_head(&pair, 2.0, chunk_rows),
            &composed::forward_kl(&pair, 2.0, chunk_rows),
        );
        let vocab = u32::try_from(dims[3]).unwrap();
        let targets: Vec<u32> = targets[..dims[0]].iter().map(|x| x % vocab).collect();
        let head = [&pair.student_hidden, &pair.student_head];
        check_twins(
            &cross_entropy_head(head[0], head[1], &targets, chunk_rows),
            &composed::cross_entropy(head, &targets, chunk_rows),
        );
        let found = token_losses(head[0], head[1], &targets, chunk_rows);
        for (found, expect) in found.iter().zip(composed::token_losses(head, &targets, chunk_rows))
        {
            assert!((found.nats - expect.0).abs() < 1e-5, "{found:?} {expect:?}");
            assert_eq!(found.greedy, expect.1);
        }
    }
}

#[test]
fn large_logits_neither_overflow_nor_lose_the_gradient() {
    let mut pair = pair([4, 6, 6, 33]);
    pair.student_head = pair.student_head * 1e3;
    let head = [&pair.student_hidden, &pair.student_head];
    let found = cross_entropy_head(head[0], head[1], &[0, 1, 32, 5], 3);
    assert!(found.loss.is_finite() && found.loss > 100.0);
    check_twins(&found, &composed::cross_entropy(head, &[0, 1, 32, 5], 3));
}

fn equal_models(rows: usize, vocab: usize) -> HeadPair {
    let mut noise = Noise::new(rows as u64);
    let (hidden, head) = (noise.tensor([rows, 6], 1.0), noise.tensor([6, vocab], 1.0));
    HeadPair {
        student_hidden: hidden.clone(),
        student_head: head.clone(),
        teacher_hidden: hidden,
        teacher_head: head,
    }
}

#[test]
fn equal_models_lose_nothing_and_have_no_gradient() {
    let found = forward_kl_head(&equal_models(7, 45), 1.5, 3);
    assert_eq!(found.loss.to_bits(), 0);
    assert!(host(&found.grad_hidden).iter().chain(&host(&found.grad_head)).all(|x| *x == 0.0));
}

#[test]
fn chunk_size_does_not_matter() {
    let pair = pair([21, 8, 8, 50]);
    let expect = forward_kl_head(&pair, 2.0, 21);
    for chunk_rows in [1, 2, 20, 1000] {
        let found = forward_kl_head(&pair, 2.0, chunk_rows);
        check_close(&[found.loss], &[expect.loss], 1e-6);
        check_close(&host(&found.grad_hidden), &host(&expect.grad_hidden), 1e-6);
        check_close(&host(&found.grad_head), &host(&expect.grad_head), 1e-6);
    }
}

/// Gives every hidden state a last feature of 1 and the head a last row: a bias of the logits.
fn with_bias(pair: &HeadPair, student: &[f32], teacher: &[f32]) -> HeadPair {
    let one = |x: &Tensor<2>| {
        Tensor::cat(vec![x.clone(), Tensor::ones([x.dims()[0], 1], &Device::flex())], 1)
    };
    let row = |head: &Tensor<2>, bias: &[f32]| {
        let bias = TensorData::new(bias.to_vec(), [1, bias.len()]);
        Tensor::cat(vec![head.clone(), Tensor::from_data(bias, &Device::flex())], 0)
    };
    HeadPair {
        student_hidden: one(&pair.student_hidden),
        student_head: row(&pair.student_head, student),
        teacher_hidden: one(&pair.teacher_hidden),
        teacher_head: row(&pair.teacher_head, teacher),
    }
}

#[test]
fn tokens_impossible_in_both_models_change_nothing() {
    let pair = pair([6, 5, 4, 20]);
    let zeros = Tensor::<2>::zeros([5, 3], &Device::flex());
    let wider = HeadPair {
        student_head: Tensor::cat(vec![pair.student_head.clone(), zeros.clone()], 1),
        teacher_head: Tensor::cat(vec![pair.teacher_head.clone(), zeros.narrow(0, 0, 4)], 1),
        ..pair.clone()
    };
    for bias in [-1e9, f32::NEG_INFINITY] {
        let mut padded = [0.0; 23];
        padded[20..].fill(bias);
        let expect = forward_kl_head(&with_bias(&pair, &[0.0; 20], &[0.0; 20]), 1.0, 4);
        let found = forward_kl_head(&with_bias(&wider, &padded, &padded), 1.0, 4);
        check_close(&[found.loss], &[expect.loss], 1e-9);
        let narrow = host(&found.grad_head.narrow(1, 0, 20));
        check_close(&narrow, &host(&expect.grad_head), 1e-6);
    }
}

#[test]
fn large_logits_stay_finite() {
    let pair = pair([4, 3, 3, 19]);
    let large = HeadPair {
        student_head: pair.student_head.clone() * 1e4,
        teacher_head: pair.teacher_head.clone() * -1e4,
        ..pair
    };
    let found = forward_kl_head(&large, 1.0, 2);
    assert!(found.loss.is_finite() && found.loss > 1e3, "{}", found.loss);
    assert!(host(&found.grad_hidden).iter().chain(&host(&found.grad_head)).all(|x| x.is_finite()));
    let targets = [0, 18, 4, 4];
    let found = cross_entropy_head(&large.student_hidden, &large.student_head, &targets, 3);
    assert!(found.loss.is_finite(), "{}", found.loss);
}

#[test]
fn what_is_not_a_number_shows_in_the_loss() {
    let mut pair = pair([2, 2, 2, 9]);
    pair.student_head = pair.student_head.slice_fill([0..1, 3..4], f32::NAN);
    assert!(forward_kl_head(&pair, 1.0, 2).loss.is_nan());
    let (hidden, head) = (&pair.student_hidden, &pair.student_head);
    assert!(cross_entropy_head(hidden, head, &[0, 1], 2).loss.is_nan());
    assert!(token_losses(hidden, head, &[0, 1], 2)[0].nats.is_nan());
}

#[test]
fn threads_do_not_matter() {
    let pair = pair([40, 32, 32, 600]);
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| forward_kl_head(&pair, 1.0, 16));
        let gradients = [host(&found.grad_hidden), host(&found.grad_head)].concat();
        (found.loss.to_bits(), gradients.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    let expect = bits(1);
    for threads in [2, 3, 7] {
        assert_eq!(bits(threads), expect);
    }
}

#[test]
fn token_losses_are_logs_of_shares_and_know_the_greedy_token() {
    let device = Device::flex();
    let hidden = Tensor::<2>::from_data([[1.0], [1.0], [1.0]], &device);
    // Shares 1/8, 5/8, 2/8.
    let head = Tensor::<2>::from_data([[0.0, 5f32.ln(), 2f32.ln()]], &device);
    let found = token_losses(&hidden, &head, &[0, 1, 2], 2);
    let expect = [(8f64.ln(), false), (1.6f64.ln(), true), (4f64.ln(), false)];
    for (found, expect) in found.iter().zip(expect) {
        assert!((found.nats - expect.0).abs() < 1e-6, "{found:?} {expect:?}");
        assert_eq!(found.greedy, expect.1);
    }
    let flat = Tensor::<2>::zeros([1, 3], &device);
    let tied = token_losses(&hidden, &flat, &[0, 1, 2], 9);
    assert_eq!(tied.iter().map(|x| x.greedy).collect::<Vec<_>>(), [true, false, false]);
    assert!(token_losses(&hidden, &flat, &[], 2).is_empty());
}

proptest! {
    #[test]
    fn forward_kl_is_not_negative_and_ignores_shifts(
        student in prop::collection::vec(-9f32..9.0, 13),
        teacher in prop::collection::vec(-9f32..9.0, 13),
        shift in -50f32..50.0,
        temperature in 0.3f64..4.0,
    ) {
        let none = HeadPair {
            student_hidden: Tensor::zeros([1, 1], &Device::flex()),
            student_head: Tensor::zeros([1, 13], &Device::flex()),
            teacher_hidden: Tensor::zeros([1, 1], &Device::flex()),
            teacher_head: Tensor::zeros([1, 13], &Device::flex()),
        };
        let loss = |shift: f32| {
            let student: Vec<f32> = student.iter().map(|x| x + shift).collect();
            forward_kl_head(&with_bias(&none, &student, &teacher), temperature, 4).loss
        };
        prop_assert!(loss(0.0) >= -1e-6);
        prop_assert!((loss(0.0) - loss(shift)).abs() < 1e-3 * loss(0.0).max(0.1));
    }
}
