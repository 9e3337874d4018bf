//! Loops over single rows of logits on host slices, eight tokens at a time, that the losses share.

use crate::{
    host::narrow,
    simd::{LANES, exp, load, subtract, times},
};

/// How a row of logits `z` is softened: to `exp((z - max z) / T)`, which cannot overflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softening {
    max: f32,
    /// `1 / T`
    pub(super) inverse_temperature: f32,
}

impl Softening {
    #[inline(always)]
    pub(super) fn of(row: &[f32], temperature: f64) -> Self {
        Self { max: max(row), inverse_temperature: narrow(1.0 / temperature) }
    }

    /// `z - max z` of up to eight tokens; those that are missing count as impossible.
    #[inline(always)]
    pub(super) fn centered(self, chunk: &[f32]) -> [f32; LANES] {
        subtract(load(chunk, f32::NEG_INFINITY), self.max)
    }

    /// `exp((z - max z) / T)` of what [`Self::centered`] gave.
    #[inline(always)]
    pub(super) fn exp(self, centered: [f32; LANES]) -> [f32; LANES] {
        exp(times(centered, self.inverse_temperature))
    }
}

/// Running sums of `KL(a || b)` over a row, eight at a time; `a` and `b` are centered logits.
#[derive(Default)]
pub(super) struct KlSums {
    /// `sum exp(a / T)`
    a: [f64; LANES],
    /// `sum exp(b / T)`
    b: [f64; LANES],
    /// `sum exp(a / T) (a - b)`
    cross: [f64; LANES],
}

impl KlSums {
    /// Adds eight tokens; `exps` are `exp(a / T)` and `exp(b / T)`.
    #[inline(always)]
    pub(super) fn add(&mut self, [a, b]: [[f32; LANES]; 2], exps: [[f32; LANES]; 2]) {
        let [a_exp, b_exp] = exps;
        self.a = add(self.a, a_exp);
        self.b = add(self.b, b_exp);
        for i in 0..LANES {
            // 0 * (-inf - -inf) must not count.
            let term = f64::from(a_exp[i]) * (f64::from(a[i]) - f64::from(b[i]));
            self.cross[i] += if a_exp[i] == 0.0 { 0.0 } else { term };
        }
    }

    /// The sums of `exp(a / T)` and `exp(b / T)`, and `KL(a || b)` in nats.
    #[inline(always)]
    pub(super) fn total(&self, inverse_temperature: f32) -> ([f64; 2], f64) {
        let [a, b, cross] = [self.a, self.b, self.cross].map(|lanes| lanes.iter().sum::<f64>());
        ([a, b], cross * f64::from(inverse_temperature) / a - a.ln() + b.ln())
    }
}

/// `-ln softmax(logits)[target]` in nats, and whether no other token is likelier.
///
/// Sums the exponentials in `f64`: evaluation adds many of these.
#[inline(always)]
pub(super) fn token_loss(logits: &[f32], target: usize) -> (f64, bool) {
    let top = max(logits);
    let gold = logits[target];
    let mut sums = [0.0; LANES];
    for chunk in logits.chunks(LANES) {
        sums = add(sums, exp(subtract(load(chunk, f32::NEG_INFINITY), top)));
    }
    let sum: f64 = sums.iter().sum();
    let first = logits[..target].iter().all(|z| *z < top);
    (sum.ln() - (f64::from(gold) - f64::from(top)), gold >= top && first)
}

#[inline(always)]
pub(super) fn add(sums: [f64; LANES], x: [f32; LANES]) -> [f64; LANES] {
    let mut sums = sums;
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum += f64::from(x);
    }
    sums
}

#[inline(always)]
pub(super) fn max(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in row.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(load(chunk, f32::NEG_INFINITY)) {
            // `NaN` compares false and shows up in the sum instead.
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}
