//! What every fused operation is held to: its twin in Burn's operations, and its own slopes.

use burn::tensor::{Tensor, TensorData};

use crate::noise::Noise;

/// Relative to the largest value; `f32` rounds at 6e-8, and sums of some hundred terms add up.
const TWIN: f64 = 1e-5;
/// Step of a finite difference.
const STEP: f32 = 1e-2;
/// Its error, relative to the largest slope.
const SLOPE: f64 = 1e-2;

/// Values of a tensor, as `f64`.
pub(crate) fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// Asserts that two tensors agree, relative to the largest value of the second.
#[track_caller]
pub(crate) fn near<const D: usize>(found: Tensor<D>, expect: Tensor<D>, tolerance: f64) {
    assert_eq!(found.dims(), expect.dims());
    near_values(&host(found), &host(expect), tolerance);
}

#[track_caller]
fn near_values(found: &[f64], expect: &[f64], tolerance: f64) {
    let largest = expect.iter().fold(1e-30, |most: f64, x| most.max(x.abs()));
    for (i, (found, expect)) in found.iter().zip(expect).enumerate() {
        let error = (found - expect).abs() / largest;
        assert!(error <= tolerance, "value {i}: {found}, not {expect}, of at most {largest}");
    }
}

/// Output and gradients by all inputs of `sum(op(x, y) * weights)`.
fn pass<const A: usize, const B: usize, const D: usize>(
    (x, y): (Tensor<A>, Tensor<B>),
    op: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D>,
) -> (Tensor<D>, Tensor<A>, Tensor<B>) {
    let (x, y) = (x.autodiff().require_grad(), y.autodiff().require_grad());
    let out = op(x.clone(), y.clone());
    let weights = Noise::new(99).tensor(out.dims(), 1.0);
    let mut tape = (out.clone() * Tensor::from_inner(weights)).sum().backward();
    (out.inner(), x.grad_remove(&mut tape).unwrap(), y.grad_remove(&mut tape).unwrap())
}

/// Asserts that an operation of two tensors and its twin agree, tracked and untracked, values and gradients.
#[track_caller]
pub(crate) fn twins_2<const A: usize, const B: usize, const D: usize>(
    (x, y): ([usize; A], [usize; B]),
    size: f64,
    fused: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D>,
    plain: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D>,
) {
    let mut noise = Noise::new(x.iter().sum::<usize>() as u64);
    let (x, y) = (noise.tensor(x, size), noise.tensor(y, 1.0));
    let untracked = fused(x.clone(), y.clone());
    let (found, d_x, d_y) = pass((x.clone(), y.clone()), fused);
    let (expect, d_x_expect, d_y_expect) = pass((x, y), plain);
    assert_eq!(host(untracked), host(found.clone()), "tracked and untracked");
    near(found, expect, TWIN);
    near(d_x, d_x_expect, TWIN);
    near(d_y, d_y_expect, TWIN);
}

/// As [`twins_2`], of one tensor.
#[track_caller]
pub(crate) fn twins_1<const A: usize, const D: usize>(
    x: [usize; A],
    size: f64,
    fused: impl Fn(Tensor<A>) -> Tensor<D>,
    plain: impl Fn(Tensor<A>) -> Tensor<D>,
) {
    // A scalar factor makes one tensor two; its own gradient is checked along the way.
    let fused = |x: Tensor<A>, y: Tensor<1>| fused(x) * y.unsqueeze();
    let plain = |x: Tensor<A>, y: Tensor<1>| plain(x) * y.unsqueeze();
    twins_2((x, [1]), size, fused, plain);
}

/// Asserts that gradients are the slopes, by central differences.
#[track_caller]
pub(crate) fn slopes_2<const A: usize, const B: usize, const D: usize>(
    (x, y): ([usize; A], [usize; B]),
    op: impl Fn(Tensor<A>, Tensor<B>) -> Tensor<D> + Copy,
) {
    let mut noise = Noise::new(7);
    let (x, y) = (noise.tensor(x, 1.0), noise.tensor(y, 1.0));
    let value = |x: &Tensor<A>, y: &Tensor<B>| {
        let out = op(x.clone(), y.clone());
        let weights = Noise::new(99).tensor(out.dims(), 1.0);
        host(out).iter().zip(host(weights)).map(|(a, b)| a * b).sum::<f64>()
    };
    let (_, d_x, d_y) = pass((x.clone(), y.clone()), op);
    near_values(&differences(&x, |x| value(x, &y)), &host(d_x), SLOPE);
    near_values(&differences(&y, |y| value(&x, y)), &host(d_y), SLOPE);
}

/// As [`slopes_2`], of one tensor.
#[track_caller]
pub(crate) fn slopes_1<const A: usize, const D: usize>(
    x: [usize; A],
    op: impl Fn(Tensor<A>) -> Tensor<D> + Copy,
) {
    slopes_2((x, [1]), |x: Tensor<A>, y: Tensor<1>| op(x) * y.unsqueeze());
}

fn differences<const D: usize>(x: &Tensor<D>, value: impl Fn(&Tensor<D>) -> f64) -> Vec<f64> {
    let values: Vec<f32> = x.clone().into_data().try_to_vec().unwrap();
    let moved = |i: usize, step: f32| {
        let mut values = values.clone();
        values[i] += step;
        value(&Tensor::from_data(TensorData::new(values, x.dims()), &x.device()))
    };
    let slope = |i| (moved(i, STEP) - moved(i, -STEP)) / (2.0 * f64::from(STEP));
    (0..values.len()).map(slope).collect()
}
