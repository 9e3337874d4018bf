//! Numbers, intervals and outcomes as they stand in tables.

use pycno_density::{Comparison, Density, Effective, Interval, Verdict};
use pycno_units::ParamCount;

/// An interval wider than this factor is shown without its point estimate.
pub(crate) const WIDE: f64 = 10.0;

/// What every table with such intervals says below itself.
pub(crate) const WIDE_NOTE: &str =
    "An interval wider than a factor of 10 stands alone: its point estimate would mislead.";

/// Three significant digits.
pub(crate) fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{x:.2e}");
    }
    let digits = |least: f64| usize::from(size < least);
    let decimals = [1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3].map(digits).iter().sum::<usize>();
    format!("{x:.decimals$}")
}

/// `[low, high]` of ends that may be open.
pub(crate) fn ends(low: Option<f64>, high: Option<f64>) -> String {
    ends_in(low, high, number)
}

/// [`ends`], each end written as asked.
pub(crate) fn ends_in(
    low: Option<f64>,
    high: Option<f64>,
    write: impl Fn(f64) -> String,
) -> String {
    let end = |end: Option<f64>| end.map_or_else(|| "open".to_owned(), &write);
    format!("[{}, {}]", end(low), end(high))
}

/// An interval in brackets.
pub(crate) fn interval(interval: &Interval) -> String {
    ends(interval.low, interval.high)
}

/// Whether an interval is too wide for a point estimate; an open or zero end is.
pub(crate) fn is_wide(interval: &Interval) -> bool {
    match (interval.low, interval.high) {
        (Some(low), Some(high)) => low <= 0.0 || high / low > WIDE,
        _ => true,
    }
}

/// A point estimate, or a dash where its interval stands alone, or `none`.
pub(crate) fn point(point: Option<f64>, interval: Option<&Interval>) -> String {
    match (point, interval) {
        (None, _) => "none".to_owned(),
        (Some(_), Some(interval)) if is_wide(interval) => "-".to_owned(),
        (Some(point), _) => number(point),
    }
}

/// What is to be known of an effective size beside its number; empty where it lies inside.
pub(crate) fn flag(effective: &Effective) -> String {
    match effective {
        Effective::Inside { .. } => String::new(),
        Effective::Extrapolated { factor, .. } => extrapolated(*factor),
        Effective::BelowFloor { floor } => format!("no size: at or below the floor {floor}"),
        Effective::AboveCeiling { ceiling } => {
            format!("no size: at or above the ceiling {ceiling}")
        }
        Effective::BeyondReference { limit } => {
            format!("no size: beyond the reference, sizes end at a score of {limit}")
        }
    }
}

/// A size outside the reference models, by its ratio to the nearer end.
pub(crate) fn extrapolated(factor: f64) -> String {
    let which = if factor > 1.0 { "largest" } else { "smallest" };
    format!("extrapolated: {} x the {which} reference model", number(factor))
}

/// A verdict in one word.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Raised => "raised",
        Verdict::Lowered => "lowered",
        Verdict::Undecided => "undecided",
    }
}

/// A size, or `none`.
pub(crate) fn size(params: Option<ParamCount>) -> String {
    params.map_or_else(|| "none".to_owned(), |params| params.to_string())
}

/// A density with its interval, as in the summary of a run.
pub(crate) fn density(density: &Density) -> String {
    estimate(density.density, &density.interval)
}

/// A ratio with its interval.
pub(crate) fn ratio(comparison: &Comparison) -> String {
    estimate(comparison.ratio, &comparison.interval)
}

fn estimate(value: Option<f64>, of: &Interval) -> String {
    format!("{} {}", point(value, Some(of)), interval(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(x: f64, expect: &str) {
        assert_eq!(number(x), expect);
    }

    #[test]
    fn three_digits_are_shown_of_any_size() {
        check(0.0, "0");
        check(0.012345, "0.0123");
        check(0.5, "0.500");
        check(1.0, "1.00");
        check(-12.345, "-12.3");
        check(123.4, "123");
        check(98765.4, "98765");
        check(1.234e-5, "1.23e-5");
        check(2e9, "2.00e9");
    }

    fn of(low: Option<f64>, high: Option<f64>) -> Interval {
        Interval { low, high, level: 0.95, undefined: 0.0 }
    }

    #[test]
    fn a_wide_interval_stands_alone() {
        let narrow = of(Some(0.2), Some(1.9));
        assert_eq!(point(Some(0.5), Some(&narrow)), "0.500");
        for wide in [of(Some(0.1), Some(1.1)), of(None, Some(1.0)), of(Some(0.0), Some(1.0))] {
            assert_eq!(point(Some(0.5), Some(&wide)), "-");
        }
        assert_eq!(point(Some(0.5), None), "0.500");
        assert_eq!(point(None, Some(&narrow)), "none");
        assert_eq!(interval(&of(None, Some(0.25))), "[open, 0.250]");
    }
}
