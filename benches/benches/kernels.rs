//! Each fused operation beside its twin of Burn's operations, forward and with its gradients, in the shapes
//! of a 7M-parameter Llama: 8 sequences of 256 tokens, width 256, FFN 688, vocabulary 4,096.

use std::hint::black_box;

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use pycno_kernels::{
    adamw::{AdamWStep, Slot, adamw},
    attention::{Arrangement, HeadLayout, Qkv, self_attention},
    composed,
    gated::{Activation, GateAndUp, gated},
    head::{
        CHUNK_ROWS, ForwardKl, Head, HeadPair, Logits, ReverseKl, RowLoss, Targets,
        cross_entropy_head, distill_head,
    },
    linear::linear,
    rms_norm::rms_norm,
    rope::RopeTable,
};

const BATCH: usize = 8;
const SEQ: usize = 256;
const WIDTH: usize = 256;
const FFN: usize = 688;
const VOCAB: usize = 4096;
const LAYOUT: HeadLayout = HeadLayout::plain(8, 8, 32);

/// Repeatable values around 0.
fn values<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let n = shape.iter().product();
    let data: Vec<f32> = (0..n).map(|i: usize| ((i * 7 + 3) as f32).sin() * 0.1).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

fn stream() -> Tensor<3> {
    values([BATCH, SEQ, WIDTH])
}

/// Benches one operation and its twin: forward, then forward and backward.
fn twins(
    c: &mut Criterion,
    name: &str,
    fused: &dyn Fn(Tensor<3>) -> Tensor<3>,
    plain: &dyn Fn(Tensor<3>) -> Tensor<3>,
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((BATCH * SEQ) as u64)).sample_size(10);
    let x = stream();
    for (twin, op) in [("fused", fused), ("composed", plain)] {
        group.bench_function(format!("{twin}, forward"), |b| {
            b.iter(|| op(black_box(x.clone())));
        });
        group.bench_function(format!("{twin}, with gradients"), |b| {
            b.iter(|| {
                let x = x.clone().autodiff().require_grad();
                op(black_box(x)).sum().backward()
            });
        });
    }
    group.finish();
}

/// A weight that asks for its gradient if `x` is on a tape.
fn weight<const D: usize>(x: &Tensor<3>, value: &Tensor<D>) -> Tensor<D> {
    if x.is_autodiff() { value.clone().autodiff().require_grad() } else { value.clone() }
}

fn layers(c: &mut Criterion) {
    let (gamma, square) = (values([WIDTH]), values([WIDTH, WIDTH]));
    twins(
        c,
        "rms_norm",
        &|x| {
            let gamma = weight(&x, &gamma);
            rms_norm(x, gamma, 1e-5)
        },
        &|x| {
            let gamma = weight(&x, &gamma);
            composed::rms_norm(x, gamma, 1e-5)
        },
    );
    twins(
        c,
        "linear",
        &|x| {
            let square = weight(&x, &square);
            linear(x, square)
        },
        &|x| {
            let square = weight(&x, &square);
            composed::linear(x, square)
        },
    );
    let up = values([FFN, WIDTH]);
    let projections =
        |x: &Tensor<3>| GateAndUp { weights: [weight(x, &up), weight(x, &up)], biases: None };
    twins(
        c,
        "gated",
        &|x| {
            let projections = projections(&x);
            gated(x, projections, Activation::Silu)
        },
        &|x| {
            let projections = projections(&x);
            composed::gated(&x, projections, Activation::Silu)
        },
    );
    let rope = RopeTable::new(&[0.1; 16], 0..SEQ);
    let qkv = |x: &Tensor<3>| Qkv {
        weights: [0; 3].map(|_| weight(x, &square)),
        biases: None,
        norms: None,
    };
    twins(
        c,
        "self_attention",
        &|x| {
            let qkv = qkv(&x);
            self_attention(x, qkv, LAYOUT, &rope, Arrangement::Batch)
        },
        &|x| {
            let qkv = qkv(&x);
            composed::self_attention(&x, qkv, LAYOUT, &rope, Arrangement::Batch)
        },
    );
}

fn heads(c: &mut Criterion) {
    let hidden = values([BATCH * SEQ, WIDTH]);
    let head = Head::plain(values([VOCAB, WIDTH]).transpose());
    let capped = head.clone().capped(Some(30.0));
    let targets: Vec<u32> = (0..2048).map(|i| i * 31 % 4096).collect();
    let targets = Targets::plain(&targets);
    let pair = HeadPair {
        student_hidden: hidden.clone(),
        student_head: head.clone(),
        teacher_hidden: hidden.clone() * 1.5,
        teacher_head: head.clone(),
        weights: None,
    };
    let mut group = c.benchmark_group("head");
    group.throughput(Throughput::Elements((BATCH * SEQ) as u64)).sample_size(10);
    group.bench_function("cross-entropy, fused", |b| {
        b.iter(|| cross_entropy_head(&hidden, &head, targets, CHUNK_ROWS));
    });
    group.bench_function("cross-entropy, composed", |b| {
        b.iter(|| composed::cross_entropy_head((&hidden, &head), targets, CHUNK_ROWS));
    });
    divergence(&mut group, "forward KL", &pair, &ForwardKl::at(1.0));
    divergence(&mut group, "reverse KL", &pair, &ReverseKl::at(1.0));
    let pair = HeadPair { student_head: capped.clone(), teacher_head: capped.clone(), ..pair };
    divergence(&mut group, "forward KL of capped logits", &pair, &ForwardKl::at(1.0));
    group.bench_function("cross-entropy of capped logits, fused", |b| {
        b.iter(|| cross_entropy_head(&hidden, &capped, targets, CHUNK_ROWS));
    });
    group.finish();
}

/// Benches the head with a divergence and its twin.
fn divergence<L: RowLoss<Logits>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pair: &HeadPair,
    loss: &L,
) {
    group.bench_function(format!("{name}, fused"), |b| {
        b.iter(|| distill_head(pair, loss, CHUNK_ROWS));
    });
    group.bench_function(format!("{name}, composed"), |b| {
        b.iter(|| composed::distill_head(pair, loss, CHUNK_ROWS));
    });
}

fn optimizer(c: &mut Criterion) {
    let n = 7_000_000;
    let how = AdamWStep {
        learning_rate: 1e-4,
        beta_1: 0.9,
        beta_2: 0.95,
        epsilon: 1e-8,
        weight_decay: 0.1,
        gradient_scale: 0.5,
        step: 10,
    };
    let gradient = values([n]);
    let start = Slot { weight: values([n]), first: values([n]), second: values([n]).abs() };
    let mut group = c.benchmark_group("adamw");
    group.throughput(Throughput::Elements(n as u64)).sample_size(10);
    let mut slot = Some(start);
    group.bench_function("fused", |b| {
        b.iter(|| slot = slot.take().map(|slot| adamw(slot, gradient.clone(), &how)));
    });
    group.bench_function("composed", |b| {
        b.iter(|| slot = slot.take().map(|slot| composed::adamw(slot, gradient.clone(), &how)));
    });
    group.finish();
}

criterion_group!(benches, layers, heads, optimizer);
criterion_main!(benches);
