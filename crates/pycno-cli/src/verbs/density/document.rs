//! Readings as JSON; units are in the names of the fields.

use pycno_density::{Effective, Interval, Ruler, ScoreError};
use serde_json::{Value, json};

use super::balance::{Balance, Reading, Weighing};
use crate::{args::Basin, words};

pub(crate) fn interval(interval: &Interval) -> Value {
    json!({
        "low": interval.low,
        "high": interval.high,
        "level": interval.level,
        "undefined_share": interval.undefined,
    })
}

/// What a ruler is, for every document that rests on one.
pub(crate) fn ruler(ruler: &Ruler) -> Value {
    let family = ruler.family();
    json!({ "name": family.name, "hash": ruler.hash(), "d0_tokens": family.tokens.0 })
}

/// The ruler and the draws.
pub(super) fn balance(balance: &Balance) -> Value {
    let basin = if balance.basin == Basin::Other { "other" } else { "chosen" };
    json!({
        "ruler": ruler(&balance.ruler),
        "basin": basin,
        "draws": balance.draws,
        "seed": balance.seed.0,
    })
}

/// A model's readings.
pub(super) fn weighing(weighing: &Weighing) -> Value {
    json!({
        "non_embedding_params": weighing.params.0,
        "tasks": weighing.tasks.iter().map(reading).collect::<Vec<_>>(),
        "overall": weighing.overall.as_ref().map(reading),
        "overall_note": weighing.note,
    })
}

fn reading(reading: &Reading) -> Value {
    let (items, stderr) = match reading.error {
        ScoreError::Items(n) => (Some(n), None),
        ScoreError::Stderr(points) => (None, Some(points)),
        ScoreError::Unknown => (None, None),
    };
    let effective = &reading.effective;
    json!({
        "of": reading.of,
        "score_percent": reading.score.percent(),
        "items": items,
        "stderr_points": stderr,
        "outcome": effective.name(),
        "effective_params": Effective::params(effective).map(|size| size.0),
        "extrapolation_factor": match effective {
            Effective::Extrapolated { factor, .. } => Some(*factor),
            _ => None,
        },
        "bound_percent": match effective {
            Effective::BelowFloor { floor: bound }
            | Effective::AboveCeiling { ceiling: bound }
            | Effective::BeyondReference { limit: bound } => Some(bound.percent()),
            _ => None,
        },
        "density": reading.density,
        "interval": reading.interval.as_ref().map(interval),
        "interval_over_runs": reading.over_runs.as_ref().map(interval),
        "bca_interval": reading.bca.as_ref().map(interval),
        "is_wide": reading.interval.as_ref().map(words::is_wide),
        "dlnn_ds_per_point": reading.sensitivity,
        "other_basin_share": reading.elsewhere,
    })
}
