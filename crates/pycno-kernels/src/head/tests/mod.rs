//! Checks of the head's losses: against `f64` formulas, finite differences and autodiff.

use burn::tensor::{Device, TensorData, activation::log_softmax};

use super::{
    check::{TOLERANCE, log_softmax as log_softmax_f64, near},
    *,
};
use crate::noise::Noise;

mod limits;

/// A mean of `f32` logits' losses against the same in `f64`.
const LOSS_TOLERANCE: f64 = 2e-6;

pub(super) fn pair([rows, d_student, d_teacher, vocab]: [usize; 4]) -> HeadPair {
    let mut noise = Noise::new((rows * 31 + d_student * 7 + vocab) as u64);
    HeadPair {
        student_hidden: noise.tensor([rows, d_student], 1.0),
        student_head: Head::plain(noise.tensor([d_student, vocab], 0.7)),
        teacher_hidden: noise.tensor([rows, d_teacher], 1.0),
        teacher_head: Head::plain(noise.tensor([d_teacher, vocab], 0.7)),
        weights: None,
    }
}

/// Softcaps of student and teacher: none, both, one of them, two that differ.
const CAPS: [[Option<f64>; 2]; 4] =
    [[None, None], [Some(1.5), Some(1.5)], [Some(0.8), None], [Some(2.0), Some(0.5)]];

fn capped(pair: HeadPair, [student, teacher]: [Option<f64>; 2]) -> HeadPair {
    HeadPair {
        student_head: pair.student_head.capped(student),
        teacher_head: pair.teacher_head.capped(teacher),
        ..pair
    }
}

/// The head with other weights and the same softcap.
fn reweighted(head: &Head, change: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Head {
    Head { weight: change(head.weight.clone()), softcap: head.softcap }
}

pub(super) fn host(x: &Tensor<2>) -> Vec<f64> {
    x.clone().into_data().iter::<f64>().collect()
}

/// `f64` logits of row `r`, capped if there is a cap.
fn logits([hidden, head]: [&[f64]; 2], [r, rows, vocab]: [usize; 3], cap: Option<f64>) -> Vec<f64> {
    let d = hidden.len() / rows;
    let dot = |j: usize| (0..d).map(|i| hidden[r * d + i] * head[i * vocab + j]).sum();
    let capped = |x: f64| cap.map_or(x, |c| c * (x / c).tanh());
    (0..vocab).map(|j| capped(dot(j))).collect()
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
    (dims, chunk_rows, caps): ([usize; 4], usize, [Option<f64>; 2]),
    formula: impl Fn(&[f64], &[f64]) -> f64,
) {
    let (pair, [rows, _, _, vocab]) = (capped(pair(dims), caps), dims);
    let heads = [pair.student_head.weight(), pair.teacher_head.weight()];
    let values = [&pair.student_hidden, heads[0], &pair.teacher_hidden, heads[1]].map(host);
    let mean = |[hidden, head, teacher_hidden, teacher_head]: &[Vec<f64>; 4]| {
        let row = |r| {
            let at = [r, rows, vocab];
            let student = logits([hidden, head], at, caps[0]);
            formula(&student, &logits([teacher_hidden, teacher_head], at, caps[1]))
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
    for (t, (dims, chunk_rows), caps) in [
        (1.0, ([3, 4, 5, 11], 2), CAPS[0]),
        (2.0, ([5, 3, 3, 17], 5), CAPS[0]),
        (0.5, ([1, 1, 2, 8], 64), CAPS[0]),
        (1.0, ([2, 2, 2, 1], 1), CAPS[0]),
        (1.0, ([3, 4, 5, 11], 2), CAPS[1]),
        (2.0, ([5, 3, 3, 17], 5), CAPS[2]),
        (0.5, ([3, 2, 2, 9], 2), CAPS[3]),
    ] {
        let place = (dims, chunk_rows, caps);
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
    head: &Head,
    loss: impl Fn(Tensor<2>) -> Tensor<1>,
) -> [Vec<f64>; 3] {
    let hidden = hidden.clone().autodiff().require_grad();
    let weight = head.weight.clone().autodiff().require_grad();
    let tracked = Head { weight: weight.clone(), softcap: head.softcap };
    let loss = loss(tracked.logits(hidden.clone()));
    let value: f64 = loss.clone().into_data().iter::<f64>().sum();
    let mut gradients = loss.backward();
    let grad_hidden = hidden.grad_remove(&mut gradients).unwrap();
    let grad_head = weight.grad_remove(&mut gradients).unwrap();
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
    let cases = [([64, 16, 24, 501], 1.0, 17), ([33, 8, 8, 64], 3.0, 33)];
    for ((dims, t, chunk_rows), caps) in
        cases.into_iter().flat_map(|case| CAPS.map(|caps| (case, caps)))
    {
        let pair = capped(pair(dims), caps);
        let teacher = pair.teacher_head.logits(pair.teacher_hidden.clone());
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
    for ([rows, d, vocab], chunk_rows, cap) in [
        ([64, 16, 501], 17, None),
        ([1, 3, 9], 4, None),
        ([8, 5, 2], 8, None),
        ([64, 16, 501], 17, Some(1.5)),
        ([8, 5, 2], 3, Some(0.5)),
    ] {
        let mut noise = Noise::new(rows as u64);
        let hidden = noise.tensor([rows, d], 1.0);
        let head = Head::plain(noise.tensor([d, vocab], 0.7)).capped(cap);
        let targets: Vec<u32> = (0..rows).map(|i| u32::try_from(i * 7 % vocab).unwrap()).collect();
        let index: Vec<i64> = targets.iter().map(|x| i64::from(*x)).collect();
        let index = TensorData::new(index, [rows, 1]);
        let expect = by_autodiff(&hidden, &head, |logits| {
            let index = Tensor::from_data(index.clone(), &Device::flex());
            -log_softmax(logits, 1).gather(1, index).mean()
        });
        check_same(
            &cross_entropy_head(&hidden, &head, Targets::plain(&targets), chunk_rows),
            &expect,
        );
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
    let cases = [([9, 6, 4, 37], 4), ([1, 1, 1, 1], 1), ([5, 300, 8, 700], 9)];
    for ((dims, chunk_rows), caps) in
        cases.into_iter().flat_map(|case| CAPS.map(|caps| (case, caps)))
    {
        let (pair, targets) = (capped(pair(dims), caps), [3, 0, 36, 5, 5, 9, 11, 20, 1]);
        check_divergence_twins(&pair, &ForwardKl::at(2.0), chunk_rows);
        check_divergence_twins(&pair, &ReverseKl::at(2.0), chunk_rows);
        let both = Mixture { first: (0.5, ReverseKl::at(1.0)), second: (2.0, ForwardKl::at(3.0)) };
        check_divergence_twins(&pair, &both, chunk_rows);
        let vocab = u32::try_from(dims[3]).unwrap();
        let targets: Vec<u32> = targets[..dims[0]].iter().map(|x| x % vocab).collect();
        let plain = Targets::plain(&targets);
        let head = (&pair.student_hidden, &pair.student_head);
        check_twins(
            &cross_entropy_head(head.0, head.1, plain, chunk_rows),
            &composed::cross_entropy(head, plain, chunk_rows),
        );
        let found = token_losses(head.0, head.1, &targets, chunk_rows);
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
    pair.student_head = reweighted(&pair.student_head, |weight| weight * 1e3);
    let head = (&pair.student_hidden, &pair.student_head);
    let found = cross_entropy_head(head.0, head.1, Targets::plain(&[0, 1, 32, 5]), 3);
    assert!(found.loss.is_finite() && found.loss > 100.0);
    check_twins(&found, &composed::cross_entropy(head, Targets::plain(&[0, 1, 32, 5]), 3));
}

#[track_caller]
fn check_chunks<L: RowLoss<Logits>>(loss: &L) {
    let pair = capped(pair([21, 8, 8, 50]), [None, Some(1.0)]);
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

#[track_caller]
fn check_threads<L: RowLoss<Logits>>(loss: &L) {
    let pair = capped(pair([40, 32, 32, 600]), [Some(2.0), None]);
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
    let head = Head::plain(Tensor::from_data([[0.0, 5f32.ln(), 2f32.ln()]], &device));
    let found = token_losses(&hidden, &head, &[0, 1, 2], 2);
    let expect = [(8f64.ln(), false), (1.6f64.ln(), true), (4f64.ln(), false)];
    for (found, expect) in found.iter().zip(expect) {
        assert!((found.nats - expect.0).abs() < 1e-6, "{found:?} {expect:?}");
        assert_eq!(found.greedy, expect.1);
    }
    let flat = Head::plain(Tensor::zeros([1, 3], &device));
    let tied = token_losses(&hidden, &flat, &[0, 1, 2], 9);
    assert_eq!(tied.iter().map(|x| x.greedy).collect::<Vec<_>>(), [true, false, false]);
    assert!(token_losses(&hidden, &flat, &[], 2).is_empty());
}
