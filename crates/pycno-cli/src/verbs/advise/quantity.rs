//! Planned quantities: in a table, and as JSON with the unit in the field's name.

use pycno_density::{Answer, DensityError, Interval, Planned};
use pycno_units::{ParamCount, Score};
use serde_json::{Value, json};

use crate::{table, verbs::density, words};

/// Something asked for, with what was found.
pub(super) struct Quantity {
    /// Field in `--json`.
    pub(super) key: &'static str,
    /// Name in a table.
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) found: Result<Amount, Nothing>,
}

/// How a number is written, and its field in `--json`.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Params,
    Tokens,
    Flops,
    Nats,
    Percent,
    Density,
}

/// A number with its interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Amount {
    pub(super) value: f64,
    pub(super) interval: Option<Interval>,
    /// How far a size lies outside the reference models.
    pub(super) outside: Option<f64>,
}

/// Why there is no number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Nothing {
    /// The kind of reason in `--json`.
    answer: &'static str,
    pub(super) why: String,
    bound: Option<Score>,
}

impl Amount {
    pub(super) fn of<T: Copy>(planned: &Planned<T>, number: impl Fn(T) -> f64) -> Self {
        let interval = planned.interval.map(|ends| Interval {
            low: ends.low.map(&number),
            high: ends.high.map(&number),
            level: ends.level,
            undefined: ends.undefined,
        });
        Self { value: number(planned.value), interval, outside: None }
    }

    pub(super) fn with(self, outside: Option<f64>) -> Self {
        Self { outside, ..self }
    }

    pub(super) fn is_wide(&self) -> bool {
        self.interval.as_ref().is_some_and(words::is_wide)
    }

    /// Estimate, or a dash where the interval stands alone, and interval.
    pub(super) fn cells(&self, unit: Unit) -> [String; 2] {
        let value = if self.is_wide() { "-".to_owned() } else { unit.written(self.value) };
        let interval = self.interval.as_ref();
        let ends = interval.map(|ends| words::ends_in(ends.low, ends.high, |x| unit.written(x)));
        [value, ends.unwrap_or_default()]
    }

    fn document(&self, unit: Unit) -> Value {
        json!({
            "answer": "reached",
            unit.field(): self.value,
            "interval": self.interval.as_ref().map(density::document::interval),
            "is_wide": self.is_wide(),
            "extrapolation_factor": self.outside,
        })
    }
}

impl Nothing {
    const ONE_STEP: &'static str = "one-step-law";

    /// Whether the law is of the wrong kind for the question.
    pub(super) fn is_of_kind(&self) -> bool {
        self.answer == Self::ONE_STEP
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "answer": self.answer,
            "reason": self.why,
            "bound_percent": self.bound.map(Score::percent),
        })
    }
}

impl Unit {
    pub(super) fn written(self, x: f64) -> String {
        match self {
            Self::Params | Self::Tokens => ParamCount(x).to_string(),
            Self::Percent => format!("{x:.2}"),
            Self::Flops | Self::Nats | Self::Density => words::number(x),
        }
    }

    const fn field(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Tokens => "tokens",
            Self::Flops => "flops",
            Self::Nats => "nats_per_token",
            Self::Percent => "score_percent",
            Self::Density => "density",
        }
    }
}

impl Quantity {
    /// Name, estimate, interval and note.
    pub(super) fn row(&self) -> Vec<String> {
        match &self.found {
            Ok(amount) => {
                let [value, interval] = amount.cells(self.unit);
                let note = amount.outside.map_or_else(String::new, words::extrapolated);
                vec![self.name.clone(), value, interval, note]
            }
            Err(nothing) => table::row([&self.name, "none", "", &nothing.why]),
        }
    }

    pub(super) fn document(&self) -> Value {
        document(&self.found, self.unit)
    }
}

/// What was found, or why nothing was.
pub(super) fn document(found: &Result<Amount, Nothing>, unit: Unit) -> Value {
    found.as_ref().map_or_else(Nothing::document, |amount| amount.document(unit))
}

/// What was answered: a refusal by the law is an answer too, all other errors are errors.
pub(super) fn settled<T>(
    asked: Result<Answer<T>, DensityError>,
) -> anyhow::Result<Result<T, Nothing>> {
    match asked {
        Ok(answer) => Ok(reached(answer)),
        Err(error) => {
            let answer = match error {
                DensityError::OneStep { .. } | DensityError::OneTokenCount { .. } => {
                    Nothing::ONE_STEP
                }
                DensityError::BeyondCounts { .. } => "beyond-numbers",
                other => return Err(other.into()),
            };
            Ok(Err(Nothing { answer, why: error.to_string(), bound: None }))
        }
    }
}

/// The value of an answer, or what stands in its place.
pub(super) fn reached<T>(answer: Answer<T>) -> Result<T, Nothing> {
    let (answer, why, bound) = match answer {
        Answer::Reached(value) => return Ok(value),
        Answer::BelowFloor { floor } => ("below-floor", "at or below the floor", floor),
        Answer::AboveCeiling { ceiling } => ("above-ceiling", "at or above the ceiling", ceiling),
        Answer::OutOfReach { limit } => ("out-of-reach", "a score must stay below", limit),
    };
    Err(Nothing { answer, why: format!("{why} {bound}"), bound: Some(bound) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(low: Option<f64>, high: Option<f64>) -> Amount {
        let interval = Interval { low, high, level: 0.95, undefined: 0.0 };
        Amount { value: 2e9, interval: Some(interval), outside: None }
    }

    #[test]
    fn a_wide_interval_stands_alone() {
        let cells = |low, high| amount(low, high).cells(Unit::Params);
        assert_eq!(cells(Some(1e9), Some(4e9)), ["2.000B", "[1.000B, 4.000B]"]);
        assert_eq!(cells(Some(1e8), Some(4e9)), ["-", "[100.0M, 4.000B]"]);
        assert_eq!(cells(Some(1e9), None), ["-", "[1.000B, open]"]);
        let document = amount(Some(1e8), Some(4e9)).document(Unit::Params);
        assert_eq!((&document["params"], &document["is_wide"]), (&json!(2e9), &json!(true)));
    }

    #[test]
    fn refusals_by_the_law_are_answers() {
        let found = settled::<f64>(Err(DensityError::OneStep { what: "a loss" })).unwrap();
        assert!(found.unwrap_err().is_of_kind());
        let limit = Score::from_percent(80.0).unwrap();
        let found = settled::<f64>(Ok(Answer::OutOfReach { limit })).unwrap().unwrap_err();
        assert_eq!(
            (found.why.as_str(), found.bound),
            ("a score must stay below 80.00", Some(limit))
        );
        assert!(settled::<f64>(Err(DensityError::Size { params: 0.0 })).is_err());
    }
}
