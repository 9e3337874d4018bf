//! Densities by every way of counting a size whose figures are known.

use pycno_density::{Interval, SizeRule, Sizes, TimeRatio};
use pycno_units::ParamCount;
use serde_json::{Value, json};

use super::{balance::Weighing, document::interval};
use crate::{table, words};

/// Every rule, the reference models' own first.
const RULES: [SizeRule; 7] = [
    SizeRule::NonEmbedding,
    SizeRule::Total,
    SizeRule::Active,
    SizeRule::NonZero,
    SizeRule::time(TimeRatio::Recomputed),
    SizeRule::time(TimeRatio::TwoByte),
    SizeRule::time(TimeRatio::PrintedOrder),
];

/// Sizes by the rules whose figures are known.
///
/// # Errors
///
/// Figures that contradict each other.
pub(super) fn by_rule(sizes: &Sizes) -> anyhow::Result<Vec<(SizeRule, ParamCount)>> {
    sizes.size(SizeRule::Total)?;
    Ok(RULES.into_iter().filter_map(|rule| Some((rule, sizes.size(rule).ok()?))).collect())
}

/// What more ways of counting need.
pub(super) fn missing_note(sizes: &Sizes) -> String {
    let missing = missing(sizes).join(", ");
    if missing.is_empty() { missing } else { format!("More ways of counting need {missing}.\n") }
}

/// Figures without which rules are left out.
fn missing(sizes: &Sizes) -> Vec<&'static str> {
    let flags = [
        (sizes.active.is_none(), "--active (of a dense model the total)"),
        (sizes.non_zero.is_none(), "--non-zero"),
        (sizes.weight_bits.is_none(), "--bits (16 if not quantized)"),
    ];
    flags.into_iter().filter_map(|(missing, flag)| missing.then_some(flag)).collect()
}

/// The same interval for a model of another size.
fn scaled(of: &Interval, factor: f64) -> Interval {
    let end = |end: Option<f64>| end.map(|end| end * factor);
    Interval { low: end(of.low), high: end(of.high), ..*of }
}

/// A row per rule and reading.
pub(super) fn readable(weighing: &Weighing, sizes: &[(SizeRule, ParamCount)]) -> String {
    let mut rows = vec![table::row(["size counted as", "size", "of", "density", "95 % interval"])];
    for (rule, size) in sizes {
        let factor = weighing.params.0 / size.0;
        rows.extend(weighing.leading().into_iter().map(|reading| {
            let interval = reading.interval.map(|interval| scaled(&interval, factor));
            vec![
                rule.to_string(),
                size.to_string(),
                reading.of.clone(),
                words::point(reading.density.map(|x| x * factor), interval.as_ref()),
                interval.map_or_else(String::new, |interval| words::interval(&interval)),
            ]
        }));
    }
    table::layout(&rows)
}

pub(super) fn document(weighing: &Weighing, sizes: &[(SizeRule, ParamCount)]) -> Value {
    let of_rule = |(rule, size): &(SizeRule, ParamCount)| {
        let factor = weighing.params.0 / size.0;
        let densities = weighing.readings().map(|reading| {
            json!({
                "of": reading.of,
                "density": reading.density.map(|x| x * factor),
                "interval": reading.interval.map(|of| interval(&scaled(&of, factor))),
            })
        });
        json!({
            "rule": rule.to_string(),
            "size_params": size.0,
            "densities": densities.collect::<Vec<_>>(),
        })
    };
    sizes.iter().map(of_rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sizes: &Sizes) -> Vec<String> {
        by_rule(sizes).unwrap().into_iter().map(|(rule, _)| rule.to_string()).collect()
    }

    #[test]
    fn a_rule_is_shown_where_its_figures_are_known() {
        let bare = Sizes {
            total: ParamCount(15.7e9),
            non_embedding: ParamCount(15.3e9),
            active: None,
            non_zero: None,
            weight_bits: None,
        };
        assert_eq!(names(&bare), ["non-embedding", "total"]);
        assert_eq!(missing(&bare).len(), 3);
        let known = Sizes { active: Some(ParamCount(2.4e9)), weight_bits: Some(16.0), ..bare };
        let times =
            ["time, r = 2.45", "time, r = 1.22 (two bytes)", "time, r = 1/2.45 (as printed)"];
        assert_eq!(names(&known)[..3], ["non-embedding", "total", "active"]);
        assert_eq!(names(&known)[3..], times);
        assert_eq!(missing(&known), ["--non-zero"]);
    }

    #[test]
    fn figures_that_contradict_each_other_are_refused() {
        let sizes = Sizes {
            total: ParamCount(1e9),
            non_embedding: ParamCount(2e9),
            active: None,
            non_zero: None,
            weight_bits: None,
        };
        let message = by_rule(&sizes).unwrap_err().to_string();
        assert!(
            message.contains("non-embedding parameters must not exceed the total"),
            "{message}"
        );
    }
}
