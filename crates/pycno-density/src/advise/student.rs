//! How good a student must be to be worth keeping: denser than its teacher, and better than a model
//! of its own size that was trained as such.
//!
//! A student is denser than its teacher where `N(S_s) / N_s > N(S_t) / N_t` (Xiao et al. 2025,
//! equation 1), `N(S)` the effective size of a score. Both bars are densities; the higher one binds.

use pycno_units::{ParamCount, Score};
use serde::{Deserialize, Serialize};
use time::Date;

use super::{
    Answer, DrawnLaw, Planned, SizeNeeded,
    drawn::{density, score},
    smallest_size,
};
use crate::{Constants, DensityError, Reach, Trend, law::checked_size, trend::rows::is_positive};

/// What the bars of a student take for granted, as sentences to print beside them.
pub const STUDENT_ASSUMPTIONS: [&str; 4] = [
    "A student is worth keeping if its density exceeds its teacher's and that of a model from scratch of its size.",
    "The model from scratch costs what the student costs; what compression saves in training is not counted.",
    "A density off a trend was weighed on this ruler; its interval is not in that of the score.",
    "The interval is that of the ruler's draws; the teacher's score is taken as exact.",
];

/// A teacher, as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Teacher {
    /// Actual size, by the ruler's convention.
    pub params: ParamCount,
    /// Score on the ruler's task or tasks.
    pub score: Score,
}

/// The density that a model of the student's size reaches when trained as such.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FromScratch {
    /// The density.
    pub density: f64,
    /// Lower end of its 95 % interval, where there is one.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval, where there is one.
    pub high: Option<f64>,
    /// How far the date lies outside the trend's data; `None` off the ruler.
    pub reach: Option<Reach>,
}

/// What a student must exceed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// The density to exceed.
    pub density: f64,
    /// The score at which it is reached; out of reach where that lies above 100.
    pub score: Answer<Planned<Score>>,
    /// How far its effective size lies outside the reference models; `None` within half to twice.
    pub outside: Option<f64>,
}

/// Which bar is the higher one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// The teacher's density, also where both are equal.
    Teacher,
    /// The from-scratch model's density.
    FromScratch,
}

/// What makes a student worth keeping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Worth {
    /// Density of the teacher.
    pub teacher_density: Planned<f64>,
    /// How far the teacher's effective size lies outside the reference models.
    pub teacher_outside: Option<f64>,
    /// The model from scratch compared with.
    pub from_scratch: FromScratch,
    /// To be denser than the teacher.
    pub denser_than_teacher: Bar,
    /// To be better than the model from scratch of the same size.
    pub better_than_from_scratch: Bar,
    /// Which of the two binds.
    pub binding: Binding,
}

impl FromScratch {
    /// A model trained as the ruler's own reference models were: density 1.
    pub const fn on_ruler() -> Self {
        Self { density: 1.0, low: None, high: None, reach: None }
    }

    /// A model at the trend's density of a date, with the trend's prediction interval.
    ///
    /// # Errors
    ///
    /// [`DensityError::BeyondNumbers`] for a date so far that the density is no number.
    pub fn on_trend(trend: &Trend, date: Date) -> Result<Self, DensityError> {
        // One effective parameter needs `1 / density` real ones.
        let size = trend.size_needed(ParamCount(1.0), date)?;
        let density = |params: ParamCount| 1.0 / params.0;
        let (low, high) = (size.high.map(density), size.low.map(density));
        Ok(Self { density: density(size.params), low, high, reach: Some(size.reach) })
    }
}

/// Lays both bars for a student of this size; a teacher off the law has no density to exceed.
///
/// # Errors
///
/// [`DensityError::Size`] for an impossible size, [`DensityError::Quantity`] for an impossible density
/// of the model from scratch, [`DensityError::BeyondCounts`] for an effective size that is no number.
pub fn worth_keeping(
    drawn: &DrawnLaw<'_>,
    teacher: Teacher,
    student: ParamCount,
    from_scratch: FromScratch,
) -> Result<Answer<Worth>, DensityError> {
    let ln_teacher = checked_size(teacher.params)?.0.ln();
    checked_size(student)?;
    positive("the density of a model from scratch", from_scratch.density)?;
    let (percent, ln_tokens) = (teacher.score.percent(), drawn.law().ln_tokens());
    // Below the floor this is minus infinity: any score above the floor is denser.
    let ln_density = |constants: &Constants| constants.ln_params(percent, ln_tokens) - ln_teacher;
    smallest_size(drawn, teacher.score, drawn.law().tokens())?.try_map(|effective| {
        let SizeNeeded { params, outside, .. } = effective;
        let value = positive("the density of a teacher", params.value.0 / teacher.params.0)?;
        let ln_from_scratch = from_scratch.density.ln();
        Ok(Worth {
            teacher_density: drawn.planned(value, |c| Some(ln_density(c)), density),
            teacher_outside: outside,
            from_scratch,
            denser_than_teacher: bar(drawn, student, value, ln_density),
            better_than_from_scratch: bar(drawn, student, from_scratch.density, |_| {
                ln_from_scratch
            }),
            binding: if from_scratch.density > value {
                Binding::FromScratch
            } else {
                Binding::Teacher
            },
        })
    })
}

fn positive(what: &'static str, found: f64) -> Result<f64, DensityError> {
    let refusal = DensityError::Quantity { what, allowed: "positive and finite", found };
    if is_positive(found) { Ok(found) } else { Err(refusal) }
}

/// The bar of a density, which the draws may see differently.
fn bar(
    drawn: &DrawnLaw<'_>,
    student: ParamCount,
    density: f64,
    ln_density: impl Fn(&Constants) -> f64,
) -> Bar {
    let (law, ln_student) = (drawn.law(), student.0.ln());
    let percent = |constants: &Constants, ln_density: f64| match ln_density {
        // Above a ceiling, or beyond any size: no student follows there.
        f64::INFINITY => f64::INFINITY,
        finite => constants.percent(ln_student + finite, law.ln_tokens()),
    };
    let log = |constants: &Constants| match percent(constants, ln_density(constants)) {
        above if above > 100.0 => f64::INFINITY,
        within => within.ln(),
    };
    let needed = percent(&law.constants(), density.ln());
    let score = match Score::from_percent(needed) {
        Ok(value) => Answer::Reached(drawn.planned(value, |c| Some(log(c)), score)),
        Err(_) => Answer::OutOfReach { limit: Score::FULL },
    };
    Bar { density, score, outside: law.range().outside(ParamCount(student.0 * density)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::{super::published::*, *};
    use crate::{Series, trend::tables::figure_1};

    fn published() -> DrawnLaw<'static> {
        DrawnLaw::alone(law(LOSS))
    }

    fn worth(teacher: (f64, f64), student: f64, from_scratch: FromScratch) -> Worth {
        let teacher = Teacher { params: ParamCount(teacher.0), score: percent(teacher.1) };
        reached(worth_keeping(&published(), teacher, ParamCount(student), from_scratch).unwrap())
    }

    #[track_caller]
    fn score_of(bar: Bar) -> f64 {
        reached(bar.score).value.percent()
    }

    #[test]
    fn break_even_scores_are_those_of_the_reference_table() {
        let table = [
            (40.0, [37.44, 33.94, 28.41]),
            (50.0, [47.40, 43.71, 37.48]),
            (60.0, [57.66, 54.22, 48.06]),
            (70.0, [68.14, 65.34, 60.09]),
        ];
        for (teacher, row) in table {
            for (share, expect) in [0.75, 0.5, 0.25].into_iter().zip(row) {
                let found = worth((8e9, teacher), 8e9 * share, FromScratch::on_ruler());
                let found = score_of(found.denser_than_teacher);
                assert!((found - expect).abs() < 0.01, "{teacher} {share}: {found}");
            }
        }
    }

    #[test]
    fn a_dense_teacher_binds_and_a_thin_one_does_not() {
        // N(60) = 24.0137e9.
        let found = worth((10e9, 60.0), 5e9, FromScratch::on_ruler());
        check(found.teacher_density.value, 2.40137, 1e-6);
        check(found.teacher_outside.unwrap(), 24.0137e9 / 828225024.0, 1e-6);
        check(score_of(found.denser_than_teacher), 54.21544, 1e-7);
        check(score_of(found.better_than_from_scratch), 46.39778, 1e-7);
        assert_eq!(found.binding, Binding::Teacher);
        let dense = FromScratch { density: 4.0, ..FromScratch::on_ruler() };
        let found = worth((10e9, 60.0), 5e9, dense);
        assert_eq!(
            (found.binding, found.better_than_from_scratch.density),
            (Binding::FromScratch, 4.0)
        );
        assert!(score_of(found.better_than_from_scratch) > score_of(found.denser_than_teacher));
    }

    #[test]
    fn the_model_from_scratch_may_be_that_of_a_trend() {
        let trend = Trend::fit(&figure_1(), Series::Envelope, None).unwrap();
        let from_scratch = FromScratch::on_trend(&trend, date!(2025 - 01 - 23)).unwrap();
        // exp(0.0065290 * 699 - 2.61128).
        check(from_scratch.density, 7.0445, 1e-3);
        assert!(
            from_scratch.low.unwrap() < from_scratch.density
                && from_scratch.density < from_scratch.high.unwrap()
        );
        assert_eq!(from_scratch.reach, Some(Reach::Within {}));
        let found = worth((10e9, 60.0), 5e9, from_scratch);
        assert_eq!((found.binding, found.from_scratch), (Binding::FromScratch, from_scratch));
    }

    #[test]
    fn intervals_are_those_of_the_draws() {
        let draws = draws();
        let drawn = DrawnLaw::with(law(LOSS), &draws);
        let teacher = Teacher { params: ParamCount(10e9), score: percent(60.0) };
        let answer = worth_keeping(&drawn, teacher, ParamCount(5e9), FromScratch::on_ruler());
        let found = reached(answer.unwrap());
        let ends = found.teacher_density.interval.unwrap();
        check(ends.low.unwrap(), 2.40137 * (-0.95f64).exp(), 1e-5);
        check(ends.high.unwrap(), 2.40137 * 0.95f64.exp(), 1e-5);
        // A factor of the ruler's sizes cancels between teacher and student ..
        let bar = reached(found.denser_than_teacher.score);
        let ends = bar.interval.unwrap();
        check(ends.low.unwrap().percent(), bar.value.percent(), 1e-9);
        check(ends.high.unwrap().percent(), bar.value.percent(), 1e-9);
        // .. and not against a model from scratch: a ruler of larger sizes gives it a lower score.
        let ends = reached(found.better_than_from_scratch.score).interval.unwrap();
        let at = |shift: f64| law(LOSS).predict(ParamCount(5e9 * shift.exp())).percent();
        check(ends.low.unwrap().percent(), at(-0.95), 1e-4);
        check(ends.high.unwrap().percent(), at(0.95), 1e-4);
    }

    #[test]
    fn draws_that_the_teacher_leaves_open_the_bar() {
        let mut draws = draws();
        let flat = crate::SigmoidConstants { c: 40.0, ..SCORE };
        for draw in draws.iter_mut().take(11) {
            *draw = Some(Constants::TwoStep { loss: LOSS, score: flat });
        }
        let drawn = DrawnLaw::with(law(LOSS), &draws);
        let teacher = Teacher { params: ParamCount(10e9), score: percent(60.0) };
        let answer = worth_keeping(&drawn, teacher, ParamCount(5e9), FromScratch::on_ruler());
        let ends = reached(reached(answer.unwrap()).denser_than_teacher.score).interval.unwrap();
        assert!(ends.low.is_some() && ends.high.is_none(), "{ends:?}");
        check(ends.undefined, 11.0 / 201.0, 1e-12);
    }

    #[test]
    fn a_bar_above_every_score_is_out_of_reach() {
        let steep = LOSS.b * 1e-9;
        let of = crate::LossConstants { b: steep, ..LOSS };
        let low = crate::SigmoidConstants { l: 0.3, ..SCORE };
        let constants = Constants::TwoStep { loss: of, score: low };
        let law = crate::ScoreLaw::new(constants, D0, law(LOSS).range()).unwrap();
        let teacher = Teacher { params: ParamCount(10e9), score: percent(60.0) };
        let dense = FromScratch { density: 1e12, ..FromScratch::on_ruler() };
        let answer = worth_keeping(&DrawnLaw::alone(law), teacher, ParamCount(5e9), dense);
        let score = reached(answer.unwrap()).better_than_from_scratch.score;
        assert_eq!(score, Answer::OutOfReach { limit: Score::FULL });
    }

    #[test]
    fn a_teacher_off_the_law_and_impossible_inputs_are_refused() {
        let ask = |params: f64, score: f64, student: f64, density: f64| {
            let teacher = Teacher { params: ParamCount(params), score: percent(score) };
            let from_scratch = FromScratch { density, ..FromScratch::on_ruler() };
            worth_keeping(&published(), teacher, ParamCount(student), from_scratch)
        };
        let floor = published().law().floor();
        assert_eq!(ask(1e9, 5.0, 5e8, 1.0).unwrap(), Answer::BelowFloor { floor });
        assert!(matches!(ask(1e9, 99.0, 5e8, 1.0).unwrap(), Answer::OutOfReach { .. }));
        let refused = |answer: Result<Answer<Worth>, DensityError>, part: &str| {
            let message = answer.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        refused(ask(0.0, 50.0, 5e8, 1.0), "positive finite count");
        refused(ask(1e9, 50.0, f64::NAN, 1.0), "positive finite count");
        refused(ask(1e9, 50.0, 5e8, 0.0), "the density of a model from scratch must be positive");
    }

    proptest! {
        #[test]
        fn at_the_bar_the_densities_are_equal(
            score in 15.0f64..95.0, ln_params in 15.0f64..26.0, share in 0.02f64..1.0,
        ) {
            let (params, law) = (ln_params.exp(), law(LOSS));
            let found = worth((params, score), params * share, FromScratch::on_ruler());
            let bar = score_of(found.denser_than_teacher);
            prop_assert!(bar <= score + 1e-9);
            let reached = law.effective(percent(bar)).params().unwrap().0 / (params * share);
            prop_assert!((reached / found.teacher_density.value - 1.0).abs() < 1e-6);
            let higher = score_of(found.denser_than_teacher) < score_of(found.better_than_from_scratch);
            prop_assert_eq!(higher, found.binding == Binding::FromScratch);
        }

        #[test]
        fn a_larger_student_must_score_more(share in 0.02f64..0.9, more in 1.01f64..1.1) {
            let bar = |share: f64| {
                let found = worth((8e9, 55.0), 8e9 * share, FromScratch::on_ruler());
                (score_of(found.denser_than_teacher), score_of(found.better_than_from_scratch))
            };
            let (small, large) = (bar(share), bar(share * more));
            prop_assert!(small.0 < large.0 && small.1 < large.1);
        }
    }
}
