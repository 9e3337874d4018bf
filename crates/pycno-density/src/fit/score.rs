//! Step two of a ruler: score against loss.

use pycno_units::{NatsPerToken, Score};

use super::{
    FIT,
    card::{FitCard, Fitted},
    objective::{FitObjective, Misfit, Observation},
    search::search,
};
use crate::{
    DensityError,
    constants::SigmoidConstants,
    law::{Law, SigmoidLaw},
};

/// Two constants of the curve at least, and one point to contradict them.
const MIN_POINTS: usize = 3;
/// Starts: every combination of these heights (shares), ..
const START_AMPLITUDES: [f64; 3] = [0.4, 0.8, 1.0];
/// .. steepnesses relative to the spread of the losses, ..
const START_STEEPNESSES: [f64; 4] = [1.0, 3.0, 8.0, 20.0];
/// .. midpoints, as shares of the way from the least to the largest loss, ..
const START_MIDPOINTS: [f64; 4] = [-0.2, 0.1, 0.4, 0.8];
/// .. and floors (shares), where the floor is fitted.
const START_FLOORS: [f64; 2] = [0.02, 0.2];

/// A model's loss and score on one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScorePoint {
    /// Loss of the right answers.
    pub loss: NatsPerToken,
    /// Score.
    pub score: Score,
}

/// A point that is assumed, not measured, such as a score of 100 at loss 0.
///
/// Xiao et al. 2025 fit with it without saying so: their constants come back only with it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Assumed loss.
    pub loss: NatsPerToken,
    /// Assumed score.
    pub score: Score,
}

/// What a fit may not move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreLimits {
    /// Chance level where it is a fact; fitted at or above 0 where `None`.
    pub floor: Option<Score>,
    /// Known ceiling; needs a known floor.
    pub ceiling: Option<Score>,
}

/// A fitted score law.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreFit {
    /// The law.
    pub constants: SigmoidConstants,
    /// How it was found; residuals in percent points, the anchors among the points.
    pub card: FitCard,
}

/// Checked points with the anchors, sorted.
#[derive(Clone, Debug)]
pub(crate) struct ScoreData(pub(crate) Vec<Observation<NatsPerToken>>);

/// Fits the score law by plain least squares, anchors included.
///
/// # Errors
///
/// [`DensityError::Quantity`], [`DensityError::TooFew`], [`DensityError::EqualScores`],
/// [`DensityError::EqualLosses`] and [`DensityError::NothingAboveFloor`] by the points;
/// [`DensityError::CeilingWithoutFloor`]; [`DensityError::NoConvergence`] when every start fails.
pub fn fit_score(
    points: &[ScorePoint],
    anchors: &[Anchor],
    limits: ScoreLimits,
) -> Result<ScoreFit, DensityError> {
    check(points, limits)?;
    let data = ScoreData::new(points, anchors);
    let law = SigmoidLaw { floor: limits.floor, ceiling: limits.ceiling };
    let found = search(&law, &data.0, FitObjective::Squares, &starts(&data))?;
    let hold_out_error = hold_out_error(points, anchors, &law);
    let misfit = Misfit::new(&law, &data.0, FitObjective::Squares);
    let clusters = data.0.len();
    let fitted = Fitted { misfit, search: &found, chosen: 0, clusters, hold_out_error };
    Ok(ScoreFit { constants: constants(&found.minima[0].theta), card: fitted.card() })
}

/// The constants as the paper writes them.
pub(crate) fn constants(theta: &[f64; 4]) -> SigmoidConstants {
    let [amplitude, ln_steepness, l, floor] = *theta;
    SigmoidConstants { c: 100.0 * amplitude, gamma: -ln_steepness.exp(), l, d: 100.0 * floor }
}

/// The inverse of [`constants`].
pub(crate) fn theta(constants: &SigmoidConstants) -> [f64; 4] {
    let SigmoidConstants { c, gamma, l, d } = *constants;
    [c / 100.0, (-gamma).ln(), l, d / 100.0]
}

fn check(points: &[ScorePoint], limits: ScoreLimits) -> Result<(), DensityError> {
    if let Some(point) = points.iter().find(|p| !(p.loss.0.is_finite() && p.loss.0 >= 0.0)) {
        return Err(super::not_a_loss(point.loss));
    }
    if points.len() < MIN_POINTS {
        return Err(DensityError::TooFew { what: FIT, needed: MIN_POINTS, found: points.len() });
    }
    if points.iter().all(|point| point.score == points[0].score) {
        return Err(DensityError::EqualScores { percent: points[0].score.percent() });
    }
    if points.iter().all(|point| point.loss == points[0].loss) {
        return Err(DensityError::EqualLosses { loss: points[0].loss.0 });
    }
    let largest = points.iter().map(|point| point.score.percent()).fold(0.0, f64::max);
    match (limits.floor.map(Score::percent), limits.ceiling) {
        (Some(floor), _) if largest <= floor => {
            Err(DensityError::NothingAboveFloor { floor, largest })
        }
        (None, Some(_)) => Err(DensityError::CeilingWithoutFloor),
        _ => Ok(()),
    }
}

impl ScoreData {
    pub(crate) fn new(points: &[ScorePoint], anchors: &[Anchor]) -> Self {
        let pairs = points.iter().map(|point| (point.loss, point.score.percent()));
        let anchors = anchors.iter().map(|anchor| (anchor.loss, anchor.score.percent()));
        Self::from_pairs(pairs.chain(anchors))
    }

    /// From losses and percentages; the percentages may leave `[0, 100]` in a draw.
    fn from_pairs(pairs: impl Iterator<Item = (NatsPerToken, f64)>) -> Self {
        let observation = |(input, value)| Observation { input, value, weight: 1.0 };
        let mut data: Vec<_> = pairs.map(observation).collect();
        data.sort_by(|a, b| a.input.0.total_cmp(&b.input.0).then(a.value.total_cmp(&b.value)));
        Self(data)
    }
}

fn starts(data: &ScoreData) -> Vec<[f64; 4]> {
    let losses = || data.0.iter().map(|point| point.input.0);
    let least = losses().fold(f64::INFINITY, f64::min);
    let spread = losses().fold(0.0, f64::max) - least;
    let mut starts = Vec::new();
    for amplitude in START_AMPLITUDES {
        for steepness in START_STEEPNESSES {
            for share in START_MIDPOINTS {
                let (ln_steepness, l) = ((steepness / spread).ln(), least + share * spread);
                starts.extend(START_FLOORS.map(|floor| [amplitude, ln_steepness, l, floor]));
            }
        }
    }
    starts
}

/// Error in percent points on the point of least loss when it is left out.
fn hold_out_error(points: &[ScorePoint], anchors: &[Anchor], law: &SigmoidLaw) -> Option<f64> {
    let best = points.iter().map(|point| point.loss.0).fold(f64::INFINITY, f64::min);
    let (rest, held_out) = points.iter().partition::<Vec<_>, _>(|point| point.loss.0 > best);
    if rest.len() < MIN_POINTS {
        return None;
    }
    let data = ScoreData::new(&rest, anchors);
    let found = search(law, &data.0, FitObjective::Squares, &starts(&data)).ok()?;
    let theta = found.minima[0].theta;
    let error = |point: &ScorePoint| point.score.percent() - law.predict(&theta, point.loss);
    Some(held_out.iter().map(error).sum::<f64>() / held_out.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: ScoreLimits = ScoreLimits { floor: None, ceiling: None };

    fn percent(value: f64) -> Score {
        Score::from_percent(value).unwrap()
    }

    /// Ten points on `S = 8 + 85 / (1 + exp(20 (L - 0.2)))`.
    fn points() -> Vec<ScorePoint> {
        let point = |i: u32| {
            let loss = 0.08 + 0.03 * f64::from(i);
            let score = percent(8.0 + 85.0 / (1.0 + (20.0 * (loss - 0.2)).exp()));
            ScorePoint { loss: NatsPerToken(loss), score }
        };
        (0..10).map(point).collect()
    }

    #[test]
    fn the_constants_of_a_noise_free_curve_are_recovered() {
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
        let known = ScoreLimits { floor: Score::from_percent(8.0).ok(), ceiling: None };
        let fixed = ScoreLimits { ceiling: Score::from_percent(93.0).ok(), ..known };
        for limits in [FREE, known, fixed] {
            let SigmoidConstants { c, gamma, l, d } =
                fit_score(&points(), &[], limits).unwrap().constants;
            assert!(near(c, 85.0) && near(gamma, -20.0) && near(l, 0.2) && near(d, 8.0), "{c} {d}");
        }
    }

    #[test]
    fn an_anchor_pulls_the_ceiling_to_itself() {
        let anchor = Anchor { loss: NatsPerToken(0.0), score: Score::FULL };
        let free = fit_score(&points(), &[], FREE).unwrap();
        let pulled = fit_score(&points(), &[anchor], FREE).unwrap();
        let at_zero = |fit: &ScoreFit| fit.constants.percent(NatsPerToken(0.0));
        assert!(at_zero(&free) < 92.0 && at_zero(&pulled) > at_zero(&free) + 3.0);
        assert_eq!((free.card.points, pulled.card.points), (10, 11));
    }

    #[track_caller]
    fn refused(points: &[ScorePoint], limits: ScoreLimits, part: &str) {
        let message = fit_score(points, &[], limits).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn points_that_carry_no_curve_are_refused() {
        refused(&points()[..2], FREE, "at least 3 points, got 2");
        refused(&[points()[0]; 5], FREE, "reference scores must differ");
        let at = |p: ScorePoint| ScorePoint { loss: NatsPerToken(0.3), ..p };
        let one_loss: Vec<_> = points().into_iter().map(at).collect();
        refused(&one_loss, FREE, "reference losses must differ");
        let mut broken = points();
        broken[3].loss = NatsPerToken(f64::NAN);
        refused(&broken, FREE, "a positive finite number of nats per token");
        let floor = |value| ScoreLimits { floor: Score::from_percent(value).ok(), ceiling: None };
        refused(&points(), floor(99.0), "must exceed the floor");
        let ceiling = ScoreLimits { floor: None, ceiling: Some(Score::FULL) };
        refused(&points(), ceiling, "needs a fixed floor");
    }
}
