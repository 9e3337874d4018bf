//! Dated rows, their order, and the running record among them.

use serde::{Deserialize, Serialize};
use time::{Date, Duration};

use crate::DensityError;

time::serde::format_description!(pub(crate) mod iso_date [Date] = "[year]-[month]-[day]");

/// A model's density with its release date.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dated {
    /// Name of the model.
    pub name: String,
    /// Release date, written `2023-02-24`.
    #[serde(with = "iso_date")]
    pub date: Date,
    /// Effective size over real size.
    pub density: f64,
}

/// What orders rows: the date, the value that may set a record, and the name.
pub(crate) struct Key<'a> {
    pub(crate) date: Date,
    pub(crate) value: f64,
    pub(crate) name: &'a str,
}

/// The strict running maximum of the density by date.
///
/// Of several models of one date only the densest can be on it; a model that merely equals the
/// maximum so far is not.
///
/// # Errors
///
/// [`DensityError::Row`] for a density that is not positive and finite.
pub fn envelope(rows: &[Dated]) -> Result<Vec<Dated>, DensityError> {
    Ok(records(&checked(rows)?, key))
}

/// All rows by date, each with a possible density.
pub(crate) fn checked(rows: &[Dated]) -> Result<Vec<Dated>, DensityError> {
    if let Some(row) = rows.iter().find(|row| !is_positive(row.density)) {
        return Err(DensityError::Row {
            what: "density",
            name: row.name.clone(),
            found: row.density,
        });
    }
    Ok(sorted(rows, key))
}

fn key(row: &Dated) -> Key<'_> {
    Key { date: row.date, value: row.density, name: &row.name }
}

/// By date, on one date the largest value first, then by name: row order changes nothing.
pub(crate) fn sorted<T: Clone>(rows: &[T], key: impl Fn(&T) -> Key<'_>) -> Vec<T> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        let by_value = b.value.total_cmp(&a.value);
        a.date.cmp(&b.date).then(by_value).then(a.name.cmp(b.name))
    });
    rows
}

/// The rows that exceed all earlier ones and all others of their date.
pub(crate) fn records<T: Clone>(rows: &[T], key: impl Fn(&T) -> Key<'_>) -> Vec<T> {
    let mut best = f64::NEG_INFINITY;
    let mut rows = sorted(rows, &key);
    rows.retain(|row| {
        let value = key(row).value;
        let is_record = value > best;
        best = best.max(value);
        is_record
    });
    rows
}

pub(crate) fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Days from the origin.
pub(crate) fn days_since(origin: Date, date: Date) -> f64 {
    (date - origin).whole_days() as f64
}

/// The day nearest to so many days after the origin; `None` outside the calendar's years.
pub(crate) fn date_after(origin: Date, days: f64) -> Option<Date> {
    // Twice the calendar's whole range: a duration of that many seconds still fits.
    const CALENDAR: f64 = 2e7;
    #[expect(clippy::cast_possible_truncation, reason = "within the calendar")]
    let whole = (days.abs() <= CALENDAR).then(|| days.round() as i64)?;
    origin.checked_add(Duration::days(whole))
}

/// `exp(logarithm)`; `None` where that is zero or infinite in floating point.
pub(crate) fn exp(logarithm: f64) -> Option<f64> {
    let number = logarithm.exp();
    is_positive(number).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;

    use super::*;

    fn row(name: &str, day: i64, density: f64) -> Dated {
        let date = date!(2023 - 02 - 24) + Duration::days(day);
        Dated { name: name.to_owned(), date, density }
    }

    #[track_caller]
    fn check(rows: &[(&str, i64, f64)], expect: &[&str]) {
        let rows: Vec<Dated> = rows.iter().map(|(n, d, v)| row(n, *d, *v)).collect();
        let found = envelope(&rows).unwrap();
        let names: Vec<&str> = found.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, expect);
    }

    #[test]
    fn the_envelope_is_a_strict_running_maximum() {
        check(&[("a", 0, 1.0), ("b", 1, 2.0), ("c", 2, 1.5), ("d", 3, 3.0)], &["a", "b", "d"]);
        check(&[("a", 0, 1.0), ("equal", 1, 1.0), ("c", 2, 1.1)], &["a", "c"]);
        check(&[("low", 0, 1.0), ("high", 0, 2.0), ("later", 1, 1.5)], &["high"]);
        check(&[("b", 0, 1.0), ("a", 0, 1.0)], &["a"]);
        check(&[("late", 9, 1.0), ("early", 0, 2.0)], &["early"]);
        check(&[], &[]);
    }

    #[test]
    fn an_impossible_density_is_refused_by_name() {
        for density in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = envelope(&[row("a", 0, 1.0), row("b", 1, density)]).unwrap_err();
            assert!(error.to_string().contains("\"b\""), "{error}");
        }
    }

    #[test]
    fn a_row_is_read_with_its_iso_date() {
        let text = "name = \"Llama-65B\"\ndate = \"2023-02-24\"\ndensity = 0.04029\n";
        let read: Dated = toml::from_str(text).unwrap();
        assert_eq!(read, row("Llama-65B", 0, 0.04029));
        assert_eq!(toml::to_string(&read).unwrap(), text);
        assert!(toml::from_str::<Dated>(&text.replace("02-24", "02-30")).is_err());
    }

    #[test]
    fn the_calendar_ends() {
        let origin = date!(2023 - 02 - 24);
        assert_eq!(date_after(origin, 115.6), Some(date!(2023 - 06 - 20)));
        assert_eq!(date_after(origin, 3e6), None);
        assert_eq!(date_after(origin, -1e300), None);
        assert_eq!(date_after(origin, f64::NAN), None);
    }

    proptest! {
        #[test]
        fn the_envelope_rises_and_forgets_the_order_of_rows(
            rows in proptest::collection::vec((0i64..20, 1u8..9), 1..30), turn in 0usize..30,
        ) {
            let rows: Vec<Dated> = rows
                .iter()
                .enumerate()
                .map(|(i, (day, value))| row(&i.to_string(), *day, f64::from(*value)))
                .collect();
            let found = envelope(&rows).unwrap();
            for pair in found.windows(2) {
                prop_assert!(pair[0].date < pair[1].date && pair[0].density < pair[1].density);
            }
            let largest = rows.iter().map(|row| row.density).fold(0.0, f64::max);
            prop_assert!(found.last().unwrap().density >= largest);
            let mut turned = rows.clone();
            turned.rotate_left(turn % rows.len());
            prop_assert_eq!(envelope(&turned).unwrap(), found);
        }
    }
}
