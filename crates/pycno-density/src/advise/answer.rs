//! A planned value, or why there is none: out of range is an answer.

use pycno_units::Score;
use serde::{Deserialize, Serialize};

/// What a score takes, or why nothing reaches it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer<T> {
    /// There is one.
    Reached(T),
    /// Every model scores more: the score is at or below the law's floor (chance).
    BelowFloor {
        /// The law's floor.
        floor: Score,
    },
    /// The score is at or above the law's ceiling.
    AboveCeiling {
        /// The law's ceiling.
        ceiling: Score,
    },
    /// Nothing that was left free to grow reaches the score, however large.
    OutOfReach {
        /// What the score must stay below.
        limit: Score,
    },
}

impl<T> Answer<T> {
    /// The value, where there is one.
    pub const fn reached(&self) -> Option<&T> {
        if let Self::Reached(value) = self { Some(value) } else { None }
    }

    /// The answer with another value, which may fail.
    pub(super) fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Answer<U>, E> {
        Ok(match self {
            Self::Reached(value) => Answer::Reached(f(value)?),
            Self::BelowFloor { floor } => Answer::BelowFloor { floor },
            Self::AboveCeiling { ceiling } => Answer::AboveCeiling { ceiling },
            Self::OutOfReach { limit } => Answer::OutOfReach { limit },
        })
    }
}
