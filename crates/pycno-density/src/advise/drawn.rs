//! A law with its draws, and what both say of a planned quantity: a value and an interval.

use pycno_units::{Flops, NatsPerToken, ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};

use crate::{Constants, DensityError, RulerDraws, ScoreLaw, interval::interval};

/// Counts of tokens stay below this, as everywhere in `pycno`.
const TOKENS_BELOW: f64 = 9_223_372_036_854_775_808.0; // 2^63

/// A law that plans are read off, with the draws that give intervals, if there are any.
#[derive(Clone, Copy, Debug)]
pub struct DrawnLaw<'a> {
    law: ScoreLaw,
    draws: &'a [Option<Constants>],
}

/// A planned quantity.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Planned<T> {
    /// By the law as fitted.
    pub value: T,
    /// By its draws, where the law has some.
    pub interval: Option<Ends<T>>,
}

/// A percentile interval; an end is open where more than 2.5 % of the draws lie, or may lie, beyond
/// numbers on its side.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ends<T> {
    /// Lower end; `None` where it is open.
    pub low: Option<T>,
    /// Upper end; `None` where it is open.
    pub high: Option<T>,
    /// Coverage aimed at: 0.95.
    pub level: f64,
    /// Share of draws without a value.
    pub undefined: f64,
}

impl<'a> DrawnLaw<'a> {
    /// A law without draws: values without intervals.
    pub const fn alone(law: ScoreLaw) -> Self {
        Self { law, draws: &[] }
    }

    /// The law of the mean score, with its draws.
    pub fn mean(draws: &'a RulerDraws) -> Self {
        let (law, draws) = draws.mean_draws();
        Self { law, draws }
    }

    /// The law of one task, with its draws.
    ///
    /// # Errors
    ///
    /// [`DensityError::UnknownTask`] if the draws do not hold the task.
    pub fn task(draws: &'a RulerDraws, name: &str) -> Result<Self, DensityError> {
        let (law, draws) = draws.task_draws(name)?;
        Ok(Self { law, draws })
    }

    #[cfg(test)]
    pub(super) const fn with(law: ScoreLaw, draws: &'a [Option<Constants>]) -> Self {
        Self { law, draws }
    }

    /// The law as fitted.
    pub const fn law(&self) -> ScoreLaw {
        self.law
    }

    /// A value with the interval of its logarithm by draw: infinite where a draw puts it beyond
    /// numbers, `None` where it has none. `unit` makes an end, `None` where no count holds it.
    pub(super) fn planned<T>(
        &self,
        value: T,
        log: impl Fn(&Constants) -> Option<f64>,
        unit: impl Fn(f64) -> Option<T>,
    ) -> Planned<T> {
        let logs: Vec<Option<f64>> =
            self.draws.iter().map(|draw| draw.as_ref().and_then(&log)).collect();
        let ends = (!logs.is_empty()).then(|| interval(&logs));
        let interval = ends.map(|ends| Ends {
            low: ends.low.and_then(&unit),
            high: ends.high.and_then(&unit),
            level: ends.level,
            undefined: ends.undefined,
        });
        Planned { value, interval }
    }
}

/// A size, zero included: an interval may end there.
pub(super) fn params(number: f64) -> Option<ParamCount> {
    number.is_finite().then_some(ParamCount(number))
}

/// Whole tokens that are enough.
pub(super) fn tokens(number: f64) -> Option<TokenCount> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    (0.0..TOKENS_BELOW).contains(&number).then(|| TokenCount(number.ceil() as u64))
}

pub(super) fn flops(number: f64) -> Option<Flops> {
    number.is_finite().then_some(Flops(number))
}

pub(super) fn loss(number: f64) -> Option<NatsPerToken> {
    number.is_finite().then_some(NatsPerToken(number))
}

pub(super) fn density(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// A score; one that its logarithm carried over 100 by rounding is 100.
pub(super) fn score(percent: f64) -> Option<Score> {
    Score::from_percent(percent.min(100.0)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pycno_units::Seed;

    use super::*;
    use crate::{
        Convention, DirectRecipe, Family, Recipe, ReferenceModel, Ruler, RulerSpec, TaskSpec,
        advise::{published::*, smallest_size},
    };

    /// Six reference models on a curve from 25 to 80 percent, a little off it.
    fn ruler() -> Ruler {
        let recipe = DirectRecipe {
            floor: percent(25.0),
            ceiling: Some(percent(80.0)),
            suites: vec!["plain".to_owned()],
        };
        let task = TaskSpec {
            name: "task".to_owned(),
            metric: "acc".to_owned(),
            mean_of: Vec::new(),
            recipe: Recipe::Direct(recipe),
            published: None,
        };
        let model = |(i, off): (usize, &f64)| {
            let ln_params = 17.0 + i as f64;
            let score = 25.0 + 55.0 / (1.0 + (0.7 * (20.0 - ln_params)).exp()) + off;
            ReferenceModel {
                name: format!("model-{i}"),
                suite: "plain".to_owned(),
                params: Some(ParamCount(ln_params.exp())),
                scores: BTreeMap::from([("task".to_owned(), percent(score))]),
                ..ReferenceModel::default()
            }
        };
        let family = Family {
            name: "six".to_owned(),
            convention: Convention::NonEmbedding,
            tokens: D0,
            source: String::new(),
            license: String::new(),
        };
        let off = [0.4, -0.5, 0.3, 0.6, -0.7, 0.2];
        let models = off.iter().enumerate().map(model).collect();
        Ruler::fit(RulerSpec { family, tasks: vec![task], models }).unwrap()
    }

    #[test]
    fn the_draws_of_a_ruler_give_the_interval() {
        let ruler = ruler();
        let draws = RulerDraws::new(&ruler, &["task"], Seed(1), 200).unwrap();
        let mean = DrawnLaw::mean(&draws);
        assert_eq!(mean.law(), ruler.task("task").unwrap().law);
        let found = reached(smallest_size(&mean, percent(50.0), D0).unwrap());
        let ends = found.params.interval.unwrap();
        let (low, high) = (ends.low.unwrap(), ends.high.unwrap());
        assert!(low < found.params.value && found.params.value < high, "{found:?}");
        // Half a point of noise is under a tenth in `ln N` at 10 points per unit.
        assert!(high.0 / low.0 < 1.3 && high.0 / low.0 > 1.001, "{found:?}");
        let of_task = DrawnLaw::task(&draws, "task").unwrap();
        assert_eq!(smallest_size(&of_task, percent(50.0), D0).unwrap().reached(), Some(&found));
        let error = DrawnLaw::task(&draws, "other").unwrap_err();
        assert!(error.to_string().contains("got task \"other\""), "{error}");
    }

    #[test]
    fn counts_that_no_number_holds_leave_an_end_open() {
        assert_eq!(tokens(1e3 + 0.5), Some(TokenCount(1_001)));
        assert_eq!(tokens(9.3e18), None);
        assert_eq!(params(f64::INFINITY), None);
        assert_eq!(score(100.00000000000001), Some(Score::FULL));
    }
}
