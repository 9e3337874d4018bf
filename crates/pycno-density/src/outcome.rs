//! What weighing gives: a size, a bound, or a reason why there is none.

use pycno_units::{ParamCount, Score};
use serde::{Deserialize, Serialize};

/// Effective size of a score on a ruler. Out of range is an answer, never a number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effective {
    /// Within half the smallest to twice the largest reference size.
    Inside {
        /// Size of the reference model with the same score.
        params: ParamCount,
    },
    /// A size beyond the reference models; the flag travels with it.
    Extrapolated {
        /// Size by the law.
        params: ParamCount,
        /// How far outside: `params / largest` above, `params / smallest` below.
        factor: f64,
    },
    /// At or below what the ruler's floor (chance) gives: no size.
    BelowFloor {
        /// The law's floor.
        floor: Score,
    },
    /// At or above the law's ceiling: no size.
    AboveCeiling {
        /// The law's ceiling.
        ceiling: Score,
    },
    /// Better than a reference model of any size at the ruler's token count: no size.
    BeyondReference {
        /// The largest score still defined.
        limit: Score,
    },
}

/// A two-sided interval; an open end is one that the draws leave undefined.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end; `None` where it is open.
    pub low: Option<f64>,
    /// Upper end; `None` where it is open.
    pub high: Option<f64>,
    /// Coverage aimed at, such as 0.95.
    pub level: f64,
    /// Share of draws without a value.
    pub undefined: f64,
}

/// A model on a ruler.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Density {
    /// Effective size, or why there is none.
    pub effective: Effective,
    /// Effective size over actual size, where there is one.
    pub density: Option<f64>,
    /// Interval of the density of this one model; its draws resample the ruler's reference models and the items.
    pub interval: Interval,
    /// Prediction interval over runs: that of the density which the recipe gives on average, seen from this one run.
    /// Its draws also take out run-to-run variance, as large as reference models scatter about the ruler's laws.
    /// `None` in records from before it was drawn.
    #[serde(default, alias = "of_recipe", skip_serializing_if = "Option::is_none")]
    pub over_runs: Option<Interval>,
    /// `d ln N / dS` at the score, per percent point, where there is a size.
    pub sensitivity: Option<f64>,
}

/// Student against teacher on one ruler, drawn together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Density of the student over the teacher's, where both exist.
    pub ratio: Option<f64>,
    /// Interval of the ratio of these two models, formed on the log scale.
    pub interval: Interval,
    /// Prediction interval over runs of the student's recipe, from this very teacher; as
    /// [`Density::over_runs`].
    #[serde(default, alias = "of_recipe", skip_serializing_if = "Option::is_none")]
    pub over_runs: Option<Interval>,
    /// What the interval says.
    pub verdict: Verdict,
}

/// Whether compression raised or lowered density.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The interval of the ratio lies above 1.
    Raised,
    /// The interval of the ratio lies below 1.
    Lowered,
    /// The interval contains 1, or the draws do not tell.
    Undecided,
}

impl Effective {
    /// The outcome in a word, as its `outcome` field is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Inside { .. } => "inside",
            Self::Extrapolated { .. } => "extrapolated",
            Self::BelowFloor { .. } => "below-floor",
            Self::AboveCeiling { .. } => "above-ceiling",
            Self::BeyondReference { .. } => "beyond-reference",
        }
    }

    /// The size, where there is one.
    pub const fn params(&self) -> Option<ParamCount> {
        match self {
            Self::Inside { params } | Self::Extrapolated { params, .. } => Some(*params),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a value that has the key's first name, and writes it by the present one.
    #[track_caller]
    fn check<T: Serialize + serde::de::DeserializeOwned>(before: &T) {
        let now = serde_json::to_string(before).unwrap();
        let old = now.replace("over_runs", "of_recipe");
        assert_ne!(now, old);
        let read: T = serde_json::from_str(&old).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), now);
    }

    #[test]
    fn intervals_written_as_of_the_recipe_are_read() {
        let interval = Interval { low: Some(0.5), high: None, level: 0.95, undefined: 0.25 };
        let effective = Effective::Inside { params: ParamCount(3e8) };
        let over_runs = Some(interval);
        check(&Density { effective, density: None, interval, over_runs, sensitivity: None });
        check(&Comparison { ratio: None, interval, over_runs, verdict: Verdict::Undecided });
    }
}
