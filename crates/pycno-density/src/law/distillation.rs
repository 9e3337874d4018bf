//! Loss of a student distilled from a teacher:
//! `L_S = L_T + L_T^-c0 (1 + (L_T / (L~_S d1))^(1 / f1))^(-c1 f1) (A / N_S^alpha + B / D_S^beta)^gamma`,
//! with `L~_S` the loss that the student would reach on its own.
//!
//! Busbridge et al. 2025, [arXiv:2502.08606](https://arxiv.org/abs/2502.08606), equation 8.

use super::{Bounds, Law, Run};

const EXPONENT: (f64, f64) = (0.01, 2.0);
const LN_FACTOR: (f64, f64) = (-20.0, 40.0);
/// `c0` and `c1`: how strongly the teacher's loss acts.
const STRENGTH: (f64, f64) = (-10.0, 600.0);

/// The distillation law. Parameters
/// `[c0, c1, ln d1, ln f1, ln A, alpha, ln B, beta, gamma]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistillationLaw;

/// A distilled student.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistilledRun {
    /// Size of the student and tokens of distillation.
    pub run: Run,
    /// Loss of the teacher, `L_T`.
    pub teacher_loss: f64,
    /// Loss of the same student trained without a teacher on the same tokens, `L~_S`.
    pub own_loss: f64,
}

impl Law<9> for DistillationLaw {
    type Input = DistilledRun;

    fn names(&self) -> [&'static str; 9] {
        ["c0", "c1", "ln_d1", "ln_f1", "ln_a", "alpha", "ln_b", "beta", "gamma"]
    }

    fn bounds(&self) -> Bounds<9> {
        let (factor, exponent) = (LN_FACTOR, EXPONENT);
        Bounds::new([
            STRENGTH,
            STRENGTH,
            (-5.0, 5.0),
            (-5.0, 5.0),
            factor,
            exponent,
            factor,
            exponent,
            exponent,
        ])
    }

    fn predict(&self, theta: &[f64; 9], input: DistilledRun) -> f64 {
        self.gradient(theta, input).0
    }

    /// With `x = (ln L_T - ln L~_S - ln d1) / f1`, `p = ln(1 + e^x)` and `s` the inner sum, the
    /// added loss is `exp(-c0 ln L_T - c1 f1 p + gamma ln s)`; its derivatives are it times those of
    /// the exponent.
    fn gradient(&self, theta: &[f64; 9], input: DistilledRun) -> (f64, [f64; 9]) {
        let [c0, c1, ln_d1, ln_f1, ln_a, alpha, ln_b, beta, gamma] = *theta;
        let (n, d) = input.run.logs();
        let ln_teacher = input.teacher_loss.ln();
        let f1 = ln_f1.exp();
        let x = (ln_teacher - input.own_loss.ln() - ln_d1) / f1;
        let p = if x > 30.0 { x } else { x.exp().ln_1p() };
        let rise = 1.0 / (1.0 + (-x).exp());
        let (size, data) = ((ln_a - alpha * n).exp(), (ln_b - beta * d).exp());
        let sum = size + data;
        let added = (-c0 * ln_teacher - c1 * f1 * p + gamma * sum.ln()).exp();
        let inner = added * gamma / sum;
        let gradient = [
            -ln_teacher * added,
            -f1 * p * added,
            c1 * rise * added,
            -c1 * f1 * (p - x * rise) * added,
            inner * size,
            -inner * size * n,
            inner * data,
            -inner * data * d,
            added * sum.ln(),
        ];
        (input.teacher_loss + added, gradient)
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::checks::derivatives;

    const THETA: [f64; 9] = [2.5, 40.0, 0.25, -2.4, 7.0, 0.32, 10.0, 0.5, 0.8];

    fn at(teacher_loss: f64) -> DistilledRun {
        let run = Run::new(ParamCount(3e8), TokenCount(8_000_000_000)).unwrap();
        DistilledRun { run, teacher_loss, own_loss: 2.6 }
    }

    #[test]
    fn a_far_better_teacher_leaves_the_student_its_own_power_law() {
        // For L_T far below L~_S d1 the middle factor is 1.
        let sum = 7f64.exp() * 3e8f64.powf(-0.32) + 10f64.exp() * 8e9f64.powf(-0.5);
        let expect = 1.2 + 1.2f64.powf(-2.5) * sum.powf(0.8);
        assert!((DistillationLaw.predict(&THETA, at(1.2)) / expect - 1.0).abs() < 1e-3);
    }

    #[test]
    fn no_student_is_better_than_its_teacher_by_this_law() {
        for teacher in [1.2, 2.0, 2.6, 3.4] {
            assert!(DistillationLaw.predict(&THETA, at(teacher)) > teacher);
        }
    }

    #[test]
    fn derivatives_are_those_of_the_prediction() {
        derivatives(&DistillationLaw, THETA, at(2.1));
        derivatives(&DistillationLaw, THETA, at(3.2));
    }
}
