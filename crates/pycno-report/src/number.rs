//! Numbers as people read them. Every figure a report shows is rounded here.

use pycno_density::{Comparison, Density, Effective, Interval};
use pycno_units::{ParamCount, Score};

/// Multiplication sign.
pub(crate) const TIMES: &str = "\u{d7}";
/// Shown where there is no value.
pub(crate) const NONE: &str = "\u{2013}";

/// A density or a ratio: two decimals from 0.1 to 100, two significant digits elsewhere.
pub(crate) fn ratio(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{value:.1e}"),
        v if v >= 99.5 => format!("{value:.0}"),
        v if v >= 9.95 => format!("{value:.1}"),
        v if v >= 0.0995 => format!("{value:.2}"),
        v if v >= 0.00995 => format!("{value:.3}"),
        v if v >= 0.000_995 => format!("{value:.4}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.1e}"),
    }
}

/// `[0.15, 0.30]`; an open end says so.
pub(crate) fn interval(interval: &Interval) -> String {
    match (interval.low, interval.high) {
        (None, None) => "(no interval)".to_owned(),
        (Some(low), None) => format!("[{}, open]", ratio(low)),
        (None, Some(high)) => format!("[open, {}]", ratio(high)),
        (Some(low), Some(high)) => format!("[{}, {}]", ratio(low), ratio(high)),
    }
}

/// `0.48 [0.40, 0.57]`, or what is known where there is no density.
pub(crate) fn density(density: &Density) -> String {
    value_or_bound(density.density, &density.interval)
}

/// `0.21 x [0.15, 0.30]`, or what is known where there is no ratio.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    value_or_bound(comparison.ratio, &comparison.interval)
}

fn value_or_bound(value: Option<f64>, range: &Interval) -> String {
    match (value, range.low, range.high) {
        (Some(value), _, _) => format!("{} {}", ratio(value), interval(range)),
        (None, None, None) => "none".to_owned(),
        (None, _, _) => format!("none {}", interval(range)),
    }
}

/// An effective size, or its typed absence in a few words.
pub(crate) fn effective(effective: &Effective) -> String {
    match effective {
        Effective::Inside { params } => params.to_string(),
        Effective::Extrapolated { params, factor } => {
            format!("{params} (extrapolated {})", beyond(*factor))
        }
        Effective::BelowFloor { .. } => "no size: at or below chance".to_owned(),
        Effective::AboveCeiling { .. } => "no size: above the ceiling".to_owned(),
        Effective::BeyondReference { .. } => "no size: beyond the reference".to_owned(),
    }
}

/// `3.1 x above` or `2.0 x below`, from a factor of the largest or smallest reference size.
pub(crate) fn beyond(factor: f64) -> String {
    if factor >= 1.0 {
        format!("{factor:.1} {TIMES} above")
    } else {
        format!("{:.1} {TIMES} below", 1.0 / factor)
    }
}

/// `41.25`, or a dash.
pub(crate) fn score(score: Option<Score>, stderr: Option<f64>) -> String {
    match (score, stderr) {
        (None, _) => NONE.to_owned(),
        (Some(score), None) => format!("{:.1}", score.percent()),
        (Some(score), Some(stderr)) => format!("{:.1} \u{b1} {stderr:.1}", score.percent()),
    }
}

/// A difference of scores with its sign, in points; zero after rounding has none.
pub(crate) fn points(difference: f64) -> String {
    let text = format!("{:.1}", difference.abs());
    match text.parse::<f64>() {
        Ok(0.0) => text,
        _ if difference < 0.0 => format!("\u{2212}{text}"),
        _ => format!("+{text}"),
    }
}

/// A share of the teacher's count: `79 %`.
pub(crate) fn share(part: ParamCount, whole: ParamCount) -> String {
    if whole.0 > 0.0 { format!("{:.0} %", 100.0 * part.0 / whole.0) } else { NONE.to_owned() }
}

/// A loss or another small real number, four significant digits or so.
pub(crate) fn loss(value: f64) -> String {
    match value.abs() {
        v if v >= 1e5 => format!("{value:.2e}"),
        v if v >= 0.01 => format!("{value:.3}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2e}"),
    }
}

/// A level or share as a percentage without trailing zeros: `95 %`, `0.3 %`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", 100.0 * share);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// Groups digits by commas: `10,042`.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `10M` for a round tick, where a count would say `10.00M`.
pub(crate) fn short_size(tick: f64) -> String {
    let text = ParamCount(tick).to_string();
    match text.split_once('.') {
        Some((whole, rest)) => {
            let suffix: String = rest.chars().filter(|c| !c.is_ascii_digit()).collect();
            let decimals: String = rest.chars().filter(char::is_ascii_digit).collect();
            let decimals = decimals.trim_end_matches('0');
            let dot = if decimals.is_empty() { "" } else { "." };
            format!("{whole}{dot}{decimals}{suffix}")
        }
        None => text,
    }
}

/// A tick without noise or trailing zeros: `0.2`, `1`, `0.005`.
pub(crate) fn trimmed(tick: f64) -> String {
    let rounded = format!("{tick:.5e}").parse().unwrap_or(tick);
    if rounded == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e6).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_keep_two_digits_over_many_orders() {
        let cases = [
            (1234.0, "1234"),
            (99.6, "100"),
            (12.34, "12.3"),
            (9.96, "10.0"),
            (1.0, "1.00"),
            (0.213, "0.21"),
            (0.0996, "0.10"),
            (0.0213, "0.021"),
            (0.00213, "0.0021"),
            (0.0000213, "2.1e-5"),
            (0.0, "0"),
            (7.2e9, "7.2e9"),
        ];
        for (value, expect) in cases {
            assert_eq!(ratio(value), expect);
        }
    }

    #[test]
    fn open_ends_and_missing_values_are_words() {
        let range = |low, high| Interval { low, high, level: 0.95, undefined: 0.0 };
        let cases = [
            (Some(0.2), range(Some(0.1), Some(0.3)), "0.20 [0.10, 0.30]"),
            (Some(0.2), range(None, Some(0.3)), "0.20 [open, 0.30]"),
            (Some(0.2), range(Some(0.1), None), "0.20 [0.10, open]"),
            (None, range(None, Some(0.3)), "none [open, 0.30]"),
            (None, range(None, None), "none"),
        ];
        for (value, range, expect) in cases {
            assert_eq!(value_or_bound(value, &range), expect);
        }
    }

    #[test]
    fn differences_have_signs_and_zero_has_none() {
        for (value, expect) in
            [(-3.25, "\u{2212}3.2"), (0.04, "0.0"), (-0.04, "0.0"), (1.0, "+1.0")]
        {
            assert_eq!(points(value), expect);
        }
    }

    #[test]
    fn factors_read_from_the_near_end_of_the_reference() {
        assert_eq!(beyond(3.1), "3.1 \u{d7} above");
        assert_eq!(beyond(0.25), "4.0 \u{d7} below");
    }

    #[test]
    fn counts_are_grouped() {
        for (n, expect) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), expect);
        }
    }

    #[test]
    fn ticks_lose_their_zeros() {
        let cases = [(1e7, "10M"), (3e8, "300M"), (1.5e9, "1.5B"), (500.0, "500"), (2e4, "20K")];
        for (tick, expect) in cases {
            assert_eq!(short_size(tick), expect);
        }
        for (tick, expect) in [(0.1 + 0.2, "0.3"), (1.0, "1"), (0.0, "0"), (2e-6, "2e-6")] {
            assert_eq!(trimmed(tick), expect);
        }
    }
}
