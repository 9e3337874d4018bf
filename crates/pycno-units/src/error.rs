//! What can be wrong with a unit written by hand.

use std::fmt;

/// A number that does not fit its unit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UnitsError {
    /// A count such as `4M` that does not parse.
    Count {
        /// The text as written.
        text: String,
    },
    /// A count that no model and no training has: it was meant in thousands, millions or billions.
    Small {
        /// The text as written.
        text: String,
        /// What is counted.
        what: &'static str,
        /// The fewest that are believed.
        fewest: u64,
    },
    /// A score outside 0 to 100 percent.
    Score {
        /// The value found, in percent.
        percent: f64,
    },
}

impl fmt::Display for UnitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { text } => write!(
                f,
                "a count is a whole number, optionally with K, M, B or T (such as 250K or 1.5M), got {text:?}"
            ),
            Self::Small { text, what, fewest } => write!(
                f,
                "{what} are a whole number, at least {fewest}, or end in K, M, B or T (such as 6.98B), got {text:?}"
            ),
            Self::Score { percent } => {
                write!(f, "a score must lie in [0, 100] percent, got {percent}")
            }
        }
    }
}

impl std::error::Error for UnitsError {}
