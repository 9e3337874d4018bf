//! Checks of the head's losses: against `f64` formulas, finite differences and autodiff.

use burn::tensor::{Device, TensorData, activation::log_softmax};
use proptest::prelude::*;

use super::{
    check::{TOLERANCE, log_softmax as log_softmax_f64, near},
    *,
};
use crate::noise::Noise;

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

/// `f64` logits of row `r`.
fn logits(hidden: &[f64], head: &[f64], [r, rows, vocab]: [usize; 3]) -> Vec<f64> {
    let d = hidden.len() / rows;
    let dot = |j: usize| (0..d).map(|i| hidden[r * d + i] * head[i * vocab + j]).sum();
    (0..vocab).map(dot).collect()
}

/// `T^2 KL(a || b)` of two rows of logits.
fn kl(temperature: f64, a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (log_softmax_f64(a, temperature), log_softmax_f64(b, temperature));
    temperature.powi(2) * a.iter().zip(b).map(|(a, b)| a.exp() * (a - b)).sum::<f64>()
}

/// Central difference of `f` at 0.
fn difference(f: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-5;
    (f(h) - f(-h)) / (2.0 * h)
}

/// Asserts that loss and gradients are those of a formula of the student's and the teacher's row, in `f64`.
#[track_caller]
fn check_divergence<L: RowLoss<Logits>>(
    loss: &L,
    (dims, chunk_rows): ([usize; 4], usize),
    formula: impl Fn(&[f64], &[f64]) -> f64,
) {
    let (pair, [rows, _, _, vocab]) = (pair(dims), dims);
    let values =
        [&pair.student_hidden, &pair.student_head, &pair.teacher_hidden, &pair.teacher_head]
            .map(host);
    let mean = |[hidden, head, teacher_hidden, teacher_head]: &[Vec<f64>; 4]| {
        let row = |r| {
            let at = [r, rows, vocab];
            formula(&logits(hidden, head, at), &logits(teacher_hidden, teacher_head, at))
        };
        (0..rows).map(row).sum::<f64>() / rows as f64
    };
    let (found, expect) = (distill_head(&pair, loss, chunk_rows), mean(&values));
    assert!((found.loss - expect).abs() < LOSS_TOLERANCE * expect.max(1.0), "{}", found.loss);
    for (which, gradient) in [&found.grad_hidden, &found.grad_head].into_iter().enumerate() {
        let slope = |i: usize| {
            difference(|h| {
                let mut values = values.clone();
                values[which][i] += h;
                mean(&values)
            })
        };
        let expect: Vec<f64> = (0..values[which].len()).map(slope).collect();
        near(&host(gradient), &expect, TOLERANCE);
    }
}

#[test]
fn gradients_of_divergences_are_finite_differences() {
    for (t, place) in [
        (1.0, ([3, 4, 5, 11], 2)),
        (2.0, ([5, 3, 3, 17], 5)),
        (0.5, ([1, 1, 2, 8], 64)),
        (1.0, ([2, 2, 2, 1], 1)),
    ] {
        check_divergence(&ForwardKl::at(t), place, |student, teacher| kl(t, teacher, student));
        check_divergence(&ReverseKl::at(t), place, |student, teacher| kl(t, student, teacher));
        let both = Mixture { first: (0.25, ForwardKl::at(t)), second: (0.5, ReverseKl::at(1.0)) };
        check_divergence(&both, place, |student, teacher| {
            0.25 * kl(t, teacher, student) + 0.5 * kl(1.0, student, teacher)
        });
    }
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
    near(&[found.loss], &expect[0], TOLERANCE);
    near(&host(&found.grad_hidden), &expect[1], TOLERANCE);
    near(&host(&found.grad_head), &expect[2], TOLERANCE);
}

#[test]
fn divergences_equal_autodiff_of_the_composed_form() {
    for (dims, t, chunk_rows) in [([64, 16, 24, 501], 1.0, 17), ([33, 8, 8, 64], 3.0, 33)] {
        let pair = pair(dims);
        let teacher = pair.teacher_hidden.clone().matmul(pair.teacher_head.clone());
        let by_autodiff = |formula: fn(Tensor<2>, Tensor<2>) -> Tensor<1>| {
            by_autodiff(&pair.student_hidden, &pair.student_head, |student| {
                let q = log_softmax(student / t, 1);
                let p = log_softmax(teacher.clone() / t, 1);
                formula(q, p) * (t * t / dims[0] as f64)
            })
        };
        let expect = by_autodiff(|q, p| (p.clone().exp() * (p - q)).sum());
        check_same(&distill_head(&pair, &ForwardKl::at(t), chunk_rows), &expect);
        let expect = by_autodiff(|q, p| (q.clone().exp() * (q - p)).sum());
        check_same(&distill_head(&pair, &ReverseKl::at(t), chunk_rows), &expect);
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
    near(&[found.loss], &[expect.loss], TOLERANCE);
    near(&host(&found.grad_hidden), &host(&expect.grad_hidden), TOLERANCE);
    near(&host(&found.grad_head), &host(&expect.grad_head), TOLERANCE);
}

#[track_caller]
fn check_divergence_twins<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, chunk_rows: usize) {
    check_twins(&distill_head(pair, loss, chunk_rows), &composed::distill(pair, loss, chunk_rows));
}

#[test]
fn both_versions_agree() {
    for (dims, chunk_rows) in [([9, 6, 4, 37], 4), ([1, 1, 1, 1], 1), ([5, 300, 8, 700], 9)] {
        let (pair, targets) = (pair(dims), [3, 0, 36, 5, 5, 9, 11, 20, 1]);
        check_divergence_twins(&pair, &ForwardKl::at(2.0), chunk_rows);
        check_divergence_twins(&pair, &ReverseKl::at(2.0), chunk_rows);
        let both = Mixture { first: (0.5, ReverseKl::at(1.0)), second: (2.0, ForwardKl::at(3.0)) };
        check_divergence_twins(&pair, &both, chunk_rows);
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

#[track_caller]
fn check_equal_models<L: RowLoss<Logits>>(loss: &L) {
    let found = distill_head(&equal_models(7, 45), loss, 3);
    assert_eq!(found.loss.to_bits(), 0);
    assert!(host(&found.grad_hidden).iter().chain(&host(&found.grad_head)).all(|x| *x == 0.0));
}

#[test]
fn equal_models_lose_nothing_and_have_no_gradient() {
    check_equal_models(&ForwardKl::at(1.5));
    check_equal_models(&ReverseKl::at(1.5));
}

#[track_caller]
fn check_chunks<L: RowLoss<Logits>>(loss: &L) {
    let pair = pair([21, 8, 8, 50]);
    let expect = distill_head(&pair, loss, 21);
    for chunk_rows in [1, 2, 20, 1000] {
        let found = distill_head(&pair, loss, chunk_rows);
        near(&[found.loss], &[expect.loss], 1e-6);
        near(&host(&found.grad_hidden), &host(&expect.grad_hidden), 1e-6);
        near(&host(&found.grad_head), &host(&expect.grad_head), 1e-6);
    }
}

#[test]
fn chunk_size_does_not_matter() {
    check_chunks(&ForwardKl::at(2.0));
    check_chunks(&ReverseKl::at(2.0));
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

#[track_caller]
fn check_impossible_tokens<L: RowLoss<Logits>>(loss: &L) {
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
        let expect = distill_head(&with_bias(&pair, &[0.0; 20], &[0.0; 20]), loss, 4);
        let found = distill_head(&with_bias(&wider, &padded, &padded), loss, 4);
        near(&[found.loss], &[expect.loss], 1e-9);
        let narrow = host(&found.grad_head.narrow(1, 0, 20));
        near(&narrow, &host(&expect.grad_head), 1e-6);
    }
}

#[test]
fn tokens_impossible_in_both_models_change_nothing() {
    check_impossible_tokens(&ForwardKl::at(1.0));
    check_impossible_tokens(&ReverseKl::at(1.0));
}

#[track_caller]
fn check_finite<L: RowLoss<Logits>>(pair: &HeadPair, loss: &L, least: f64) {
    let found = distill_head(pair, loss, 2);
    assert!(found.loss.is_finite() && found.loss > least, "{}", found.loss);
    assert!(host(&found.grad_hidden).iter().chain(&host(&found.grad_head)).all(|x| x.is_finite()));
}

#[test]
fn large_logits_stay_finite() {
    let pair = pair([4, 3, 3, 19]);
    let large = HeadPair {
        student_head: pair.student_head.clone() * 1e4,
        teacher_head: pair.teacher_head.clone() * -1e4,
        ..pair
    };
    check_finite(&large, &ForwardKl::at(1.0), 1e3);
    check_finite(&large, &ReverseKl::at(1.0), 80.0);
    let targets = [0, 18, 4, 4];
    let found = cross_entropy_head(&large.student_hidden, &large.student_head, &targets, 3);
    assert!(found.loss.is_finite(), "{}", found.loss);
}

#[test]
fn what_is_not_a_number_shows_in_the_loss() {
    let mut pair = pair([2, 2, 2, 9]);
    pair.student_head = pair.student_head.slice_fill([0..1, 3..4], f32::NAN);
    let swapped = HeadPair {
        student_hidden: pair.teacher_hidden.clone(),
        student_head: pair.teacher_head.clone(),
        teacher_hidden: pair.student_hidden.clone(),
        teacher_head: pair.student_head.clone(),
    };
    for pair in [&pair, &swapped] {
        assert!(distill_head(pair, &ForwardKl::at(1.0), 2).loss.is_nan());
        assert!(distill_head(pair, &ReverseKl::at(1.0), 2).loss.is_nan());
    }
    let (hidden, head) = (&pair.student_hidden, &pair.student_head);
    assert!(cross_entropy_head(hidden, head, &[0, 1], 2).loss.is_nan());
    assert!(token_losses(hidden, head, &[0, 1], 2)[0].nats.is_nan());
}

#[track_caller]
fn check_threads<L: RowLoss<Logits>>(loss: &L) {
    let pair = pair([40, 32, 32, 600]);
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| distill_head(&pair, loss, 16));
        let gradients = [host(&found.grad_hidden), host(&found.grad_head)].concat();
        (found.loss.to_bits(), gradients.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    let expect = bits(1);
    for threads in [2, 3, 7] {
        assert_eq!(bits(threads), expect);
    }
}

#[test]
fn threads_do_not_matter() {
    check_threads(&ForwardKl::at(1.0));
    check_threads(&ReverseKl::at(1.0));
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
    fn divergences_are_not_negative_and_ignore_shifts(
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
        let losses = |shift: f32| {
            let student: Vec<f32> = student.iter().map(|x| x + shift).collect();
            let pair = with_bias(&none, &student, &teacher);
            let forward = distill_head(&pair, &ForwardKl::at(temperature), 4).loss;
            [forward, distill_head(&pair, &ReverseKl::at(temperature), 4).loss]
        };
        for (loss, shifted) in losses(0.0).into_iter().zip(losses(shift)) {
            prop_assert!(loss >= -1e-6);
            prop_assert!((loss - shifted).abs() < 1e-3 * loss.max(0.1));
        }
    }
}
