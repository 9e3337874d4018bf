//! What divergences do at their limits: equal models, impossible tokens, large logits, no numbers.

use proptest::prelude::*;

use super::*;

fn equal_models(rows: usize, vocab: usize) -> HeadPair {
    let mut noise = Noise::new(rows as u64);
    let hidden = noise.tensor([rows, 6], 1.0);
    let head = Head::plain(noise.tensor([6, vocab], 1.0));
    HeadPair {
        student_hidden: hidden.clone(),
        student_head: head.clone(),
        teacher_hidden: hidden,
        teacher_head: head,
        weights: None,
    }
}

#[track_caller]
fn check_equal_models<L: RowLoss<Logits>>(loss: &L) {
    for cap in [None, Some(0.7)] {
        let found = distill_head(&capped(equal_models(7, 45), [cap; 2]), loss, 3);
        assert_eq!(found.loss.to_bits(), 0);
        assert!(host(&found.grad_hidden).iter().chain(&host(&found.grad_head)).all(|x| *x == 0.0));
    }
}

#[test]
fn equal_models_lose_nothing_and_have_no_gradient() {
    check_equal_models(&ForwardKl::at(1.5));
    check_equal_models(&ReverseKl::at(1.5));
}

/// Gives every hidden state a last feature of 1 and the head a last row: a bias of the logits.
fn with_bias(pair: &HeadPair, student: &[f32], teacher: &[f32]) -> HeadPair {
    let one = |x: &Tensor<2>| {
        Tensor::cat(vec![x.clone(), Tensor::ones([x.dims()[0], 1], &Device::flex())], 1)
    };
    let row = |head: &Head, bias: &[f32]| {
        let bias = TensorData::new(bias.to_vec(), [1, bias.len()]);
        let bias = Tensor::from_data(bias, &Device::flex());
        reweighted(head, |weight| Tensor::cat(vec![weight, bias], 0))
    };
    HeadPair {
        student_hidden: one(&pair.student_hidden),
        student_head: row(&pair.student_head, student),
        teacher_hidden: one(&pair.teacher_hidden),
        teacher_head: row(&pair.teacher_head, teacher),
        weights: None,
    }
}

#[track_caller]
fn check_impossible_tokens<L: RowLoss<Logits>>(loss: &L) {
    let pair = pair([6, 5, 4, 20]);
    let zeros = Tensor::<2>::zeros([5, 3], &Device::flex());
    let wider = |head: &Head, zeros| reweighted(head, |weight| Tensor::cat(vec![weight, zeros], 1));
    let wider = HeadPair {
        student_head: wider(&pair.student_head, zeros.clone()),
        teacher_head: wider(&pair.teacher_head, zeros.narrow(0, 0, 4)),
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
        student_head: reweighted(&pair.student_head, |weight| weight * 1e4),
        teacher_head: reweighted(&pair.teacher_head, |weight| weight * -1e4),
        ..pair
    };
    check_finite(&large, &ForwardKl::at(1.0), 1e3);
    check_finite(&large, &ReverseKl::at(1.0), 80.0);
    let targets = [0, 18, 4, 4];
    let found =
        cross_entropy_head(&large.student_hidden, &large.student_head, Targets::plain(&targets), 3);
    assert!(found.loss.is_finite(), "{}", found.loss);
}

#[test]
fn what_is_not_a_number_shows_in_the_loss() {
    let mut pair = pair([2, 2, 2, 9]);
    pair.student_head =
        reweighted(&pair.student_head, |weight| weight.slice_fill([0..1, 3..4], f32::NAN));
    let swapped = HeadPair {
        student_hidden: pair.teacher_hidden.clone(),
        student_head: pair.teacher_head.clone(),
        teacher_hidden: pair.student_hidden.clone(),
        teacher_head: pair.student_head.clone(),
        weights: None,
    };
    let both = [&pair, &swapped].map(Clone::clone);
    for pair in both.clone().iter().chain(&both.map(|pair| capped(pair, [Some(2.0); 2]))) {
        assert!(distill_head(pair, &ForwardKl::at(1.0), 2).loss.is_nan());
        assert!(distill_head(pair, &ReverseKl::at(1.0), 2).loss.is_nan());
    }
    let (hidden, head) = (&pair.student_hidden, &pair.student_head);
    assert!(cross_entropy_head(hidden, head, Targets::plain(&[0, 1]), 2).loss.is_nan());
    assert!(token_losses(hidden, head, &[0, 1], 2)[0].nats.is_nan());
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
            student_head: Head::plain(Tensor::zeros([1, 13], &Device::flex())),
            teacher_hidden: Tensor::zeros([1, 1], &Device::flex()),
            teacher_head: Head::plain(Tensor::zeros([1, 13], &Device::flex())),
            weights: None,
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
