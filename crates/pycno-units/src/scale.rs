//! Counts as people write them: 250K, 1.5M, 6.98B.

use crate::UnitsError;

const SUFFIXES: [(char, f64); 4] = [('K', 1e3), ('M', 1e6), ('B', 1e9), ('T', 1e12)];

/// Reads a positive number with an optional suffix K, M, B or T.
pub(crate) fn parse(text: &str) -> Result<f64, UnitsError> {
    let bad = || UnitsError::Count { text: text.to_owned() };
    let trimmed = text.trim();
    let last = trimmed.chars().last().ok_or_else(bad)?.to_ascii_uppercase();
    let factor = SUFFIXES.iter().find(|(suffix, _)| *suffix == last).map(|(_, factor)| *factor);
    let digits = if factor.is_some() { &trimmed[..trimmed.len() - 1] } else { trimmed };
    let value: f64 = digits.replace('_', "").parse().map_err(|_| bad())?;
    let scaled = value * factor.unwrap_or(1.0);
    if scaled.is_finite() && scaled >= 0.0 { Ok(scaled) } else { Err(bad()) }
}

/// Writes a count with four significant digits at most: `134.5M`, `18.92M`, `512`.
pub(crate) fn format(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, "T"),
        v if v >= 1e9 => (value / 1e9, "B"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "K"),
        _ => return format!("{value:.0}"),
    };
    let decimals = match scaled.abs() {
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        _ => 3,
    };
    format!("{scaled:.decimals$}{suffix}")
}
