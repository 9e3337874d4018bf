//! Losses of single rows of logits on host slices, each turning the logits into their gradient in place.

use crate::{
    host::narrow,
    simd::{LANES, exp, load, store, subtract, times},
};

/// What a row's divergence needs to know beside its logits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Softening {
    /// `1 / T`
    pub(super) inverse_temperature: f32,
    /// Factor on `q - p`.
    pub(super) gradient_scale: f32,
}

/// `KL(p || q)` in nats of a row, `p = softmax(teacher / T)`, `q = softmax(student / T)`.
///
/// Leaves `gradient_scale * (q - p)` in `student` and scratch values in `teacher`. A token with `p = 0`
/// counts nothing, so that both rows may hold `-inf` at the same place.
#[inline(always)]
pub(super) fn forward_kl(student: &mut [f32], teacher: &mut [f32], how: Softening) -> f64 {
    let t = f64::from(how.inverse_temperature);
    let (student_max, teacher_max) = (max(student), max(teacher));
    let mut sums = KlSums::default();
    let pairs = student.chunks_mut(LANES).zip(teacher.chunks_mut(LANES));
    for (student, teacher) in pairs {
        let q = subtract(load(student, f32::NEG_INFINITY), student_max);
        let p = subtract(load(teacher, f32::NEG_INFINITY), teacher_max);
        let q_exp = exp(times(q, how.inverse_temperature));
        let p_exp = exp(times(p, how.inverse_temperature));
        sums.add([p, q], [p_exp, q_exp]);
        store(student, q_exp);
        store(teacher, p_exp);
    }
    let [p_sum, q_sum, cross] = sums.total();
    let (to_q, to_p) = (how.gradient_scale / narrow(q_sum), how.gradient_scale / narrow(p_sum));
    for (q, p) in student.iter_mut().zip(teacher) {
        *q = *q * to_q - *p * to_p;
    }
    cross * t / p_sum - p_sum.ln() + q_sum.ln()
}

/// `-ln softmax(logits)[target]` in nats; leaves `scale * (softmax(logits) - onehot(target))`.
#[inline(always)]
pub(super) fn cross_entropy(logits: &mut [f32], target: usize, scale: f32) -> f64 {
    let top = max(logits);
    let gold = f64::from(logits[target]) - f64::from(top);
    let mut sums = [0.0; LANES];
    for chunk in logits.chunks_mut(LANES) {
        let e = exp(subtract(load(chunk, f32::NEG_INFINITY), top));
        sums = add(sums, e);
        store(chunk, e);
    }
    let sum: f64 = sums.iter().sum();
    let to_softmax = scale / narrow(sum);
    for x in logits.iter_mut() {
        *x *= to_softmax;
    }
    logits[target] -= scale;
    sum.ln() - gold
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

/// Running sums of a divergence, eight at a time.
#[derive(Default)]
struct KlSums {
    /// `sum exp(p)`
    p: [f64; LANES],
    /// `sum exp(q)`
    q: [f64; LANES],
    /// `sum exp(p) (p - q)`
    cross: [f64; LANES],
}

impl KlSums {
    #[inline(always)]
    fn add(&mut self, [p, q]: [[f32; LANES]; 2], [p_exp, q_exp]: [[f32; LANES]; 2]) {
        self.p = add(self.p, p_exp);
        self.q = add(self.q, q_exp);
        for i in 0..LANES {
            // 0 * (-inf - -inf) must not count.
            let term = f64::from(p_exp[i]) * (f64::from(p[i]) - f64::from(q[i]));
            self.cross[i] += if p_exp[i] == 0.0 { 0.0 } else { term };
        }
    }

    fn total(&self) -> [f64; 3] {
        [self.p.iter().sum(), self.q.iter().sum(), self.cross.iter().sum()]
    }
}

#[inline(always)]
fn add(sums: [f64; LANES], x: [f32; LANES]) -> [f64; LANES] {
    let mut sums = sums;
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum += f64::from(x);
    }
    sums
}

#[inline(always)]
fn max(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in row.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(load(chunk, f32::NEG_INFINITY)) {
            // `NaN` compares false and shows up in the sum instead.
            *lane = if x > *lane { x } else { *lane };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}
