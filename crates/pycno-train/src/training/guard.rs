//! Spikes: batches whose loss is far from all before, and that would undo what was learned.

use pycno_record::TrainingStep;

use crate::{SpikeLimit, TrainError};

/// Losses the median is taken over.
const WINDOW: usize = 64;
/// Losses there must be before any can be a spike: the first ones fall fast.
const LEAST: usize = 32;
/// Spikes in a row after which it is the run that has changed, not the batch.
const MOST: usize = 8;

/// Whether a loss is more than `limit` times the median of the latest that were learned from.
///
/// A function of the steps alone, so that a run that was killed decides the same way.
pub(super) fn is_spike(
    loss: f64,
    steps: &[TrainingStep],
    limit: SpikeLimit,
) -> Result<bool, TrainError> {
    let learned = steps.iter().rev().filter(|step| !step.skipped).take(WINDOW);
    let mut latest: Vec<f64> = learned.map(|step| step.loss).collect();
    if latest.len() < LEAST {
        return Ok(false);
    }
    latest.sort_unstable_by(f64::total_cmp);
    let median = latest[latest.len() / 2];
    let spikes = loss > f64::from(limit) * median;
    let in_a_row = steps.iter().rev().take_while(|step| step.skipped).count() + 1;
    if spikes && in_a_row > MOST {
        let step = steps.len() as u64 + 1;
        return Err(TrainError::Spikes { step, loss, median, in_a_row });
    }
    Ok(spikes)
}

#[cfg(test)]
mod tests {
    use pycno_units::TokenCount;

    use super::*;

    fn steps(losses: &[(f64, bool)]) -> Vec<TrainingStep> {
        let step = |(i, &(loss, skipped)): (usize, &(f64, bool))| TrainingStep {
            step: i as u64 + 1,
            tokens: TokenCount(0),
            loss,
            learning_rate: 1.0,
            gradient_norm: 1.0,
            skipped,
        };
        losses.iter().enumerate().map(step).collect()
    }

    fn spikes(loss: f64, before: &[(f64, bool)]) -> bool {
        is_spike(loss, &steps(before), SpikeLimit::default()).unwrap()
    }

    #[test]
    fn a_spike_is_far_above_the_median_of_what_was_learned_from() {
        let calm = vec![(1.0, false); LEAST];
        assert!(!spikes(2.9, &calm) && spikes(3.1, &calm));
        assert!(!spikes(100.0, &calm[1..]));
        let mut with_spikes = calm.clone();
        with_spikes.extend([(50.0, true); 5]);
        assert!(spikes(3.1, &with_spikes));
        let mut fallen = vec![(9.0, false); 200];
        fallen.extend([(1.0, false); WINDOW]);
        assert!(spikes(3.1, &fallen));
        let never = SpikeLimit::try_from(f64::INFINITY).unwrap();
        assert!(!is_spike(1e30, &steps(&calm), never).unwrap());
    }

    #[test]
    fn too_many_in_a_row_stop_the_run() {
        let mut before = vec![(1.0, false); LEAST];
        before.extend([(5.0, true); MOST]);
        let error = is_spike(5.0, &steps(&before), SpikeLimit::default()).unwrap_err();
        assert!(matches!(error, TrainError::Spikes { step: 41, in_a_row: 9, .. }), "{error}");
        assert!(!spikes(1.0, &before));
    }
}
