//! Loops over eight floats at a time, compiled for the vector units that the processor has.
//!
//! Rust's baseline for x86-64 has vectors of four and no fused multiplication. [`vectorized`] compiles the
//! loop in its closure for wider units too and picks at run time; results are the same bits either way,
//! since sums run in [`LANES`] lanes whatever the hardware's width; only [`dot`] follows the hardware.

use pulp::{Simd, WithSimd};

/// Floats handled together.
pub(crate) const LANES: usize = 8;
/// Sums carried side by side in [`dot`], enough to hide the latency of one addition.
const SUMS: usize = 4;

/// Below this `exp` is 0: `f32` would turn denormal.
pub(crate) const SMALLEST: f32 = -87.0;
/// Above this `exp` is infinite; `f32` itself could go on to 88.72.
const LARGEST: f32 = 88.0;
/// Square below which the series of `tanh` is exact to a unit in the last place: its next term, `17 x^6 / 315`, is
/// below 6e-8 there.
const TANH_NEAR: f32 = 0.01;
/// Adding and subtracting it rounds a small float to a whole number.
const ROUND: f32 = 12_582_912.0;
/// `ln 2` in two parts; the first has few bits, so that `n * LN2_HIGH` is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Minimax coefficients of `(e^r - 1 - r) / r^2` on `|r| <= ln 2 / 2`, highest power first.
const POLYNOMIAL: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// The widest vector extension that this build uses on this processor, of those on which sums round differently:
/// `avx512`, `avx2`, or the architecture's baseline. The same computation gives the same bits only where this is the
/// same.
pub fn vector_extension() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if cfg!(feature = "avx512") && std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
        {
            return "avx2";
        }
    }
    std::env::consts::ARCH
}

/// Runs a loop with the widest vector unit at hand. What it calls must be `#[inline(always)]`, else
/// that part stays at the baseline.
#[inline]
pub(crate) fn vectorized<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}

/// `e^x` of each lane (`-inf` gives 0, `NaN` stays); two units in the last place.
///
/// Cephes' `expf`: `e^x = 2^n e^r` with `n = round(x / ln 2)` and a polynomial in `r`.
#[inline(always)]
pub(crate) fn exp(x: [f32; LANES]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // Not `map`: on arrays it is a call, which leaves the vector unit.
    for i in 0..LANES {
        let normal = exp_normal(x[i]);
        let large = if x[i] > LARGEST { f32::INFINITY } else { normal };
        out[i] = if x[i] < SMALLEST { 0.0 } else { large };
    }
    out
}

#[inline(always)]
fn exp_normal(x: f32) -> f32 {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let [a, b, c, d, e, f] = POLYNOMIAL;
    let polynomial = ((((a * r + b) * r + c) * r + d) * r + e) * r + f;
    let power = polynomial * r * r + r + 1.0;
    // The low bits of `shifted` are `n`; 127 is the bias of the exponent.
    power * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// `1 / (1 + e^-x)` of each lane.
#[inline(always)]
pub(crate) fn sigmoid(x: [f32; LANES]) -> [f32; LANES] {
    let mut e = x;
    for e in &mut e {
        *e = -e.abs();
    }
    let mut e = exp(e);
    for (e, x) in e.iter_mut().zip(x) {
        // With e = exp(-|x|) neither branch overflows.
        *e = if x < 0.0 { *e } else { 1.0 } / (1.0 + *e);
    }
    e
}

/// `tanh x` of each lane, `2 sigmoid(2 x) - 1`; near 0, where that cancels, the series.
#[inline(always)]
pub(crate) fn tanh(x: [f32; LANES]) -> [f32; LANES] {
    let mut out = sigmoid(times(x, 2.0));
    for i in 0..LANES {
        let square = x[i] * x[i];
        let series = x[i] * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
        let far = 2.0 * out[i] - 1.0;
        out[i] = if square < TANH_NEAR { series } else { far };
    }
    out
}

/// `x - by` of each lane.
#[inline(always)]
pub(crate) fn subtract(mut x: [f32; LANES], by: f32) -> [f32; LANES] {
    for x in &mut x {
        *x -= by;
    }
    x
}

/// `x * by` of each lane.
#[inline(always)]
pub(crate) fn times(mut x: [f32; LANES], by: f32) -> [f32; LANES] {
    for x in &mut x {
        *x *= by;
    }
    x
}

/// `sum a b`, in as many lanes as the vector unit has.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    pulp::Arch::new().dispatch(Dot { a, b })
}

struct Dot<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        dot_with(simd, self.a, self.b)
    }
}

/// As [`dot`], inside a loop that runs on a vector unit already.
///
/// Written with that unit's own vectors: of sums in an array the compiler makes one scalar each.
#[inline(always)]
pub(crate) fn dot_with<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(&a[..n]), S::as_simd_f32s(&b[..n]));
    let (a_wide, a) = a.as_chunks::<SUMS>();
    let (b_wide, b) = b.as_chunks::<SUMS>();
    let zero = simd.splat_f32s(0.0);
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    for (a, b) in a_wide.iter().zip(b_wide) {
        s0 = simd.mul_add_f32s(a[0], b[0], s0);
        s1 = simd.mul_add_f32s(a[1], b[1], s1);
        s2 = simd.mul_add_f32s(a[2], b[2], s2);
        s3 = simd.mul_add_f32s(a[3], b[3], s3);
    }
    for (a, b) in a.iter().zip(b) {
        s0 = simd.mul_add_f32s(*a, *b, s0);
    }
    let sums = simd.add_f32s(simd.add_f32s(s0, s1), simd.add_f32s(s2, s3));
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    simd.reduce_sum_f32s(sums) + rest
}

/// The lanes added up, halves first.
#[inline(always)]
pub(crate) fn sum(x: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = x;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// Up to eight values, the rest filled.
#[inline(always)]
pub(crate) fn load(chunk: &[f32], fill: f32) -> [f32; LANES] {
    if let Ok(lanes) = chunk.try_into() {
        return lanes;
    }
    let mut lanes = [fill; LANES];
    lanes[..chunk.len()].copy_from_slice(chunk);
    lanes
}

/// As many lanes as the chunk has room for.
#[inline(always)]
pub(crate) fn store(chunk: &mut [f32], lanes: [f32; LANES]) {
    let n = chunk.len();
    if n == LANES {
        chunk.copy_from_slice(&lanes);
    } else {
        chunk.copy_from_slice(&lanes[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: f32, expect: f64) {
        let error = (f64::from(found) / expect - 1.0).abs();
        assert!(error < 2.5e-7, "{found}, not {expect}");
    }

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in 0..174_900 {
            let x = (i as f32 - 86_950.0) * 1e-3;
            check(exp([x; LANES])[0], f64::from(x).exp());
        }
    }

    #[test]
    fn exp_is_exact_at_its_ends() {
        let found = exp([0.0, -0.0, -87.1, -1e4, f32::NEG_INFINITY, f32::NAN, f32::MIN, 89.0]);
        assert_eq!(found[..5], [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!(found[5].is_nan());
        assert_eq!(found[6..], [0.0, f32::INFINITY]);
        assert!(exp([f32::INFINITY; LANES])[0].is_infinite());
    }

    #[test]
    fn sigmoid_and_tanh_agree_with_their_definitions() {
        for i in -400..=400 {
            let x = i as f32 * 0.2;
            let expect = 1.0 / (1.0 + (-f64::from(x)).exp());
            let found = f64::from(sigmoid([x; LANES])[0]);
            assert!((found - expect).abs() < 3e-7 * expect, "{x}: {found} {expect}");
            let found = f64::from(tanh([x; LANES])[0]);
            assert!((found - f64::from(x).tanh()).abs() < 2e-7, "{x}: {found}");
        }
    }

    #[test]
    fn the_vector_unit_gives_the_same_bits() {
        let x = [-3.0, 0.1, 2.5, -80.0, 7.0, -0.3, 33.0, 1e-5];
        let wide = vectorized(|| exp(x));
        assert_eq!(wide.map(f32::to_bits), exp(x).map(f32::to_bits));
    }

    #[test]
    fn dot_products_of_every_length_are_those_of_f64() {
        for n in [0, 1, 7, 8, 31, 32, 33, 100, 576] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).cos()).collect();
            let expect: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let found = vectorized(|| dot(&a, &b));
            assert!((f64::from(found) - expect).abs() < 1e-5, "{n}: {found} {expect}");
        }
    }
}
