//! A Chinchilla surface with deterministic noise, of any number of points.

use pycno_density::{DensityError, LossPoint, Run};
use pycno_units::{NatsPerToken, ParamCount, TokenCount};

/// Sizes per budget.
const SIZES: usize = 15;

/// `points` runs on `L = 1.69 + 406.4 N^-0.34 + 410.7 D^-0.28`, budgets from 1e17 to 1e21 operations, with
/// one percent of noise.
///
/// # Errors
///
/// That of [`Run::new`] for a size or a token count of zero, which no budget here leads to.
pub fn noisy_surface(points: usize) -> Result<Vec<LossPoint>, DensityError> {
    let budgets = points.div_ceil(SIZES);
    let point = |i: usize| {
        let share = (i / SIZES) as f64 / (budgets.max(2) - 1) as f64;
        let budget = 10f64.powf(17.0 + 4.0 * share);
        let n = 1e6 * (budget / 1e17).sqrt() * 64f64.powf((i % SIZES) as f64 / 14.0);
        let d = budget / 6.0 / n;
        let loss = 1.69 + 406.4 * n.powf(-0.34) + 410.7 * d.powf(-0.28);
        let noise = (0.01 * ((i * i) as f64).sin()).exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let tokens = TokenCount(d.round() as u64);
        Ok(LossPoint { run: Run::new(ParamCount(n), tokens)?, loss: NatsPerToken(loss * noise) })
    };
    (0..points).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surface_has_as_many_points_as_asked_for() {
        assert_eq!(noisy_surface(240).unwrap().len(), 240);
        assert_eq!(noisy_surface(7).unwrap().len(), 7);
    }
}
