//! Tests of two models on the same items, and their adjustment over several tasks.
//!
//! Right or wrong: `McNemar` 1947, [doi 10.1007/BF02295996](https://doi.org/10.1007/BF02295996),
//! in its exact form. Several tests: Holm 1979, [jstor 4615733](https://www.jstor.org/stable/4615733).

use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;

use crate::DensityError;

/// Items whose outcome differs between two models.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flips {
    /// `b`: the teacher is right, the student wrong.
    pub lost: u64,
    /// `c`: the teacher is wrong, the student right.
    pub gained: u64,
    /// `n`: all items, those of equal outcome too.
    pub items: u64,
}

/// A value of both models for each item, in one order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedItems<'a, T> {
    /// Of the teacher.
    pub teacher: &'a [T],
    /// Of the student.
    pub student: &'a [T],
}

/// Student minus teacher, the mean over items.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PairedDifference {
    /// Mean difference, in the unit of the items; right or wrong: a share in `[-1, 1]`.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Items.
    pub items: u64,
}

impl Flips {
    /// Counts the flips between two lists of outcomes.
    ///
    /// # Errors
    ///
    /// [`DensityError::NotPaired`] for lists of different lengths.
    pub fn count(right: PairedItems<'_, bool>) -> Result<Self, DensityError> {
        right.check()?;
        let pairs = || right.teacher.iter().zip(right.student);
        Ok(Self {
            lost: pairs().filter(|(teacher, student)| **teacher && !**student).count() as u64,
            gained: pairs().filter(|(teacher, student)| !**teacher && **student).count() as u64,
            items: right.teacher.len() as u64,
        })
    }

    /// Exact two-sided p of equal rates (`McNemar`):
    /// `min(1, 2 sum_{i <= min(b, c)} C(b + c, i) / 2^(b + c))`.
    ///
    /// 1 where nothing flips; 0 where the number is too small for floating point.
    ///
    /// # Errors
    ///
    /// [`DensityError::Flips`] for more flips than items.
    pub fn p_value(&self) -> Result<f64, DensityError> {
        let flips = self.flips()?;
        let fewer = self.lost.min(self.gained);
        let ln_coins = flips as f64 * std::f64::consts::LN_2;
        // From the largest term down, by C(n, i - 1) / C(n, i) = i / (n - i + 1), until nothing
        // is added.
        let mut term = (ln_binomial(flips, fewer) - ln_coins).exp();
        let mut tail = term;
        for i in (1..=fewer).rev() {
            term *= i as f64 / (flips - i + 1) as f64;
            if term <= f64::EPSILON * 1e-3 * tail {
                break;
            }
            tail += term;
        }
        Ok((2.0 * tail).min(1.0))
    }

    /// The difference `d = (c - b) / n` with standard error
    /// `sqrt(((b + c) - n d^2) / (n - 1) / n)`.
    ///
    /// # Errors
    ///
    /// [`DensityError::TooFew`] with under two items, [`DensityError::Flips`] for more flips
    /// than items.
    pub fn difference(&self) -> Result<PairedDifference, DensityError> {
        let n = enough(self.items)?;
        let flips = self.flips()? as f64;
        let value = (self.gained as f64 - self.lost as f64) / n;
        // All items flipped one way: rounding may leave less than the zero that is meant.
        let squares = (flips - n * value * value).max(0.0);
        let standard_error = (squares / (n - 1.0) / n).sqrt();
        Ok(PairedDifference { value, standard_error, items: self.items })
    }

    /// Share of items whose outcome differs: two models can match in score and differ in answers.
    ///
    /// # Errors
    ///
    /// [`DensityError::TooFew`] with under two items, [`DensityError::Flips`] for more flips
    /// than items.
    pub fn rate(&self) -> Result<f64, DensityError> {
        Ok(self.flips()? as f64 / enough(self.items)?)
    }

    fn flips(&self) -> Result<u64, DensityError> {
        let Self { lost, gained, items } = *self;
        let flips = lost.checked_add(gained).filter(|flips| *flips <= items);
        flips.ok_or(DensityError::Flips { items, lost, gained })
    }
}

impl<T> PairedItems<'_, T> {
    fn check(&self) -> Result<(), DensityError> {
        let (teacher, student) = (self.teacher.len(), self.student.len());
        if teacher == student {
            return Ok(());
        }
        let (teacher, student) = (teacher.to_string(), student.to_string());
        Err(DensityError::NotPaired { what: "number of items", teacher, student })
    }
}

impl PairedItems<'_, f64> {
    /// The mean difference with standard error `sd(differences) / sqrt(n)`.
    ///
    /// # Errors
    ///
    /// [`DensityError::NotPaired`] for lists of different lengths, [`DensityError::TooFew`]
    /// with under two items, [`DensityError::PairedValue`] for a value that is not finite.
    pub fn difference(&self) -> Result<PairedDifference, DensityError> {
        self.check()?;
        let items = self.teacher.len() as u64;
        let n = enough(items)?;
        finite("teacher", self.teacher)?;
        finite("student", self.student)?;
        let differences = || self.student.iter().zip(self.teacher).map(|(s, t)| s - t);
        let value = differences().sum::<f64>() / n;
        let squares: f64 = differences().map(|d| (d - value).powi(2)).sum();
        Ok(PairedDifference { value, standard_error: (squares / (n - 1.0) / n).sqrt(), items })
    }
}

fn enough(items: u64) -> Result<f64, DensityError> {
    if items >= 2 {
        Ok(items as f64)
    } else {
        Err(DensityError::TooFew {
            what: "a paired difference",
            needed: 2,
            found: usize::try_from(items).unwrap_or(usize::MAX),
        })
    }
}

fn finite(model: &'static str, values: &[f64]) -> Result<(), DensityError> {
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, found)) => Err(DensityError::PairedValue { model, index, found: *found }),
        None => Ok(()),
    }
}

/// Holm's step-down adjustment, in the order given: the `k`-th smallest of `m` p-values becomes
/// the largest of `(m - j + 1) p_j` over `j <= k`, at most 1.
///
/// A task is decided at level 0.05, whatever the others are, where its adjusted value is below it.
///
/// # Errors
///
/// [`DensityError::PValue`] outside `[0, 1]`.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, DensityError> {
    let outside = |(_, p): &(usize, &f64)| !(0.0..=1.0).contains(*p);
    if let Some((index, found)) = p_values.iter().enumerate().find(outside) {
        return Err(DensityError::PValue { index, found: *found });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        largest = largest.max(left * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flips(lost: u64, gained: u64, items: u64) -> Flips {
        Flips { lost, gained, items }
    }

    #[track_caller]
    fn check(found: f64, expect: f64, tolerance: f64) {
        assert!((found - expect).abs() <= tolerance, "{found}, expected {expect}");
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(found: Result<T, DensityError>, part: &str) {
        let message = found.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn mcnemar_agrees_with_the_reference() {
        let p = |lost, gained| flips(lost, gained, lost + gained).p_value().unwrap();
        check(p(10, 25), 0.01667384780, 5e-12);
        check(p(3, 3), 1.0, 0.0);
        check(p(0, 6), 0.03125, 1e-15);
        check(p(6, 0), 0.03125, 1e-15);
        check(p(0, 0), 1.0, 0.0);
        check(p(0, 1), 1.0, 1e-15);
        // SciPy 1.17, binomtest.
        check(p(4900, 5100), 0.04658552770494645, 1e-11);
        check(p(49_000, 51_000), 2.5887160383468943e-10, 1e-18);
    }

    #[test]
    fn the_difference_of_outcomes_agrees_with_the_reference() {
        let found = flips(10, 25, 200).difference().unwrap();
        check(found.value, 0.075, 1e-15);
        check(found.standard_error, 0.02917414, 5e-9);
        check(flips(10, 25, 200).rate().unwrap(), 0.175, 1e-15);
        let all = flips(0, 3, 3).difference().unwrap();
        assert_eq!((all.value, all.standard_error), (1.0, 0.0));
    }

    #[test]
    fn a_real_valued_difference_worked_by_hand() {
        // Differences 1, 2, 3: mean 2, sd 1.
        let (teacher, student) = ([0.5, 0.0, -1.0], [1.5, 2.0, 2.0]);
        let items = PairedItems { teacher: &teacher, student: &student };
        let found = items.difference().unwrap();
        check(found.value, 2.0, 1e-15);
        check(found.standard_error, 1.0 / 3.0_f64.sqrt(), 1e-15);
        assert_eq!(found.items, 3);
    }

    #[test]
    fn holm_adjusts_in_the_order_given() {
        let adjusts = |p: &[f64], expect: &[f64]| {
            let found = holm(p).unwrap();
            assert_eq!(found.len(), expect.len());
            found.iter().zip(expect).for_each(|(a, b)| check(*a, *b, 1e-15));
        };
        adjusts(&[0.01, 0.04, 0.03], &[0.03, 0.06, 0.06]);
        adjusts(&[0.04, 0.01, 0.03], &[0.06, 0.03, 0.06]);
        adjusts(&[0.02, 0.02, 0.5], &[0.06, 0.06, 0.5]);
        adjusts(&[0.6, 0.7], &[1.0, 1.0]);
        adjusts(&[0.2], &[0.2]);
        adjusts(&[], &[]);
        adjusts(&[0.0, 1.0], &[0.0, 1.0]);
    }

    #[test]
    fn what_is_not_paired_is_refused() {
        refused(flips(3, 3, 5).p_value(), "at most 5 items");
        refused(flips(u64::MAX, 1, u64::MAX).p_value(), "can have different outcomes");
        refused(flips(0, 1, 1).difference(), "at least 2 points, got 1");
        refused(flips(0, 0, 0).rate(), "at least 2 points, got 0");
        let items = |teacher, student| PairedItems { teacher, student };
        refused(items(&[1.0], &[1.0, 2.0]).difference(), "the same number of items");
        refused(items(&[1.0], &[1.0]).difference(), "at least 2 points, got 1");
        refused(items(&[1.0, 2.0], &[1.0, f64::NAN]).difference(), "item 1 of the student");
        refused(items(&[f64::INFINITY, 2.0], &[1.0, 2.0]).difference(), "item 0 of the teacher");
        let outcomes = PairedItems { teacher: &[true], student: &[] };
        refused(Flips::count(outcomes), "the same number of items");
        for p in [-0.1, 1.1, f64::NAN] {
            refused(holm(&[0.5, p]), "p-value 1 must lie in [0, 1]");
        }
    }

    proptest! {
        #[test]
        fn outcomes_and_their_shares_have_one_difference(
            outcomes in proptest::collection::vec((any::<bool>(), any::<bool>()), 2..60),
        ) {
            let (teacher, student): (Vec<bool>, Vec<bool>) = outcomes.into_iter().unzip();
            let share = |right: &[bool]| -> Vec<f64> {
                right.iter().map(|right| f64::from(u8::from(*right))).collect()
            };
            let (t, s) = (share(&teacher), share(&student));
            let real = PairedItems { teacher: &t, student: &s }.difference().unwrap();
            let items = PairedItems { teacher: &teacher, student: &student };
            let counted = Flips::count(items).unwrap().difference().unwrap();
            prop_assert!((real.value - counted.value).abs() < 1e-12);
            prop_assert!((real.standard_error - counted.standard_error).abs() < 1e-7);
        }

        #[test]
        fn mcnemar_is_symmetric_and_a_probability(b in 0u64..400, c in 0u64..400) {
            let p = flips(b, c, b + c).p_value().unwrap();
            prop_assert!(p > 0.0 && p <= 1.0);
            prop_assert_eq!(p.to_bits(), flips(c, b, b + c).p_value().unwrap().to_bits());
            if b >= c && b > 0 {
                prop_assert!(flips(b + 1, c, b + c + 1).p_value().unwrap() <= p * (1.0 + 1e-9));
            }
        }

        #[test]
        fn holm_raises_keeps_the_order_and_forgets_the_rows(
            p in proptest::collection::vec(0.0f64..=1.0, 1..12), turn in 0usize..12,
        ) {
            let found = holm(&p).unwrap();
            for i in 0..p.len() {
                prop_assert!(found[i] >= p[i] && found[i] <= 1.0);
                for j in 0..p.len() {
                    prop_assert!(p[i] > p[j] || found[i] <= found[j]);
                }
            }
            let (mut turned, mut expect) = (p.clone(), found);
            turned.rotate_left(turn % p.len());
            expect.rotate_left(turn % p.len());
            prop_assert_eq!(holm(&turned).unwrap(), expect);
        }
    }
}
