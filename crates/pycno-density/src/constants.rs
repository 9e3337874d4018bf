//! The constants of a task's laws, and the mathematics between score, loss and size.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0),
//! equations 2 to 4. Everything here is plain numbers on the extended real line: minus infinity for
//! "below anything", plus infinity for "above anything". Typed answers are made in `score_law`.

use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};
use serde::{Deserialize, Serialize};

use crate::{DensityError, law::Run};

/// `L = a N^-alpha + b D^-beta`, plus `E` where the family's law has one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LossConstants {
    /// Factor of the size term.
    pub a: f64,
    /// Exponent of the size.
    pub alpha: f64,
    /// Factor of the data term.
    pub b: f64,
    /// Exponent of the token count.
    pub beta: f64,
    /// Loss that neither size nor data removes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreducible: Option<f64>,
}

/// `S = d + c / (1 + exp(-gamma (L - l)))`, in percent; `gamma` is negative.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SigmoidConstants {
    /// Height of the curve, percent points.
    pub c: f64,
    /// Steepness per unit of loss; negative.
    pub gamma: f64,
    /// Loss half way up.
    pub l: f64,
    /// Floor, percent.
    pub d: f64,
}

/// `S = floor + (ceiling - floor) / (1 + exp(-k (ln N - x0)))`, in percent.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DirectConstants {
    /// Chance level.
    pub floor: Score,
    /// Score of an infinitely large reference model.
    pub ceiling: Score,
    /// `k`, per unit of `ln N`; positive.
    pub steepness: f64,
    /// `x0`, the `ln N` half way up.
    pub midpoint: f64,
}

/// How a task's score depends on a reference model's size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Constants {
    /// One curve from size to score, at the family's token count.
    Direct {
        /// Its constants.
        score: DirectConstants,
    },
    /// Size and tokens to loss, loss to score: the paper's two steps.
    TwoStep {
        /// First step.
        loss: LossConstants,
        /// Second step.
        score: SigmoidConstants,
    },
}

impl LossConstants {
    /// Loss of a reference run.
    pub fn loss(&self, run: Run) -> NatsPerToken {
        let (n, d) = run.logs();
        NatsPerToken(self.a * (-self.alpha * n).exp() + self.least(d))
    }

    /// Loss of an infinitely large model at `ln D` tokens.
    pub(crate) fn least(&self, ln_tokens: f64) -> f64 {
        self.irreducible.unwrap_or(0.0) + self.b * (-self.beta * ln_tokens).exp()
    }

    /// `ln N` with this loss: plus infinity where no size reaches it.
    pub(crate) fn ln_params(&self, loss: f64, ln_tokens: f64) -> f64 {
        let of_size = loss - self.least(ln_tokens);
        if of_size > 0.0 { (self.a.ln() - of_size.ln()) / self.alpha } else { f64::INFINITY }
    }

    fn check(&self) -> Result<(), DensityError> {
        positive("a", self.a)?;
        positive("alpha", self.alpha)?;
        positive("b", self.b)?;
        positive("beta", self.beta)?;
        self.irreducible.map_or(Ok(()), |irreducible| positive("irreducible", irreducible))
    }
}

impl SigmoidConstants {
    /// Percent at a loss.
    pub fn percent(&self, loss: NatsPerToken) -> f64 {
        self.d + self.c / (1.0 + (-self.gamma * (loss.0 - self.l)).exp())
    }

    /// Loss at a score in percent: plus infinity at or below the floor, minus infinity at or above
    /// the ceiling.
    pub(crate) fn loss(&self, percent: f64) -> f64 {
        let (above, below) = (percent - self.d, self.c + self.d - percent);
        if above <= 0.0 {
            f64::INFINITY
        } else if below <= 0.0 {
            f64::NEG_INFINITY
        } else {
            // `(c + d - S) / (S - d)` keeps its digits near both ends.
            self.l - (below / above).ln() / self.gamma
        }
    }

    fn check(&self) -> Result<(), DensityError> {
        positive("c", self.c)?;
        positive("-gamma", -self.gamma)?;
        if !(self.l.is_finite() && (0.0..100.0).contains(&self.d)) {
            let found = if self.l.is_finite() { self.d } else { self.l };
            let allowed = "finite, the floor in [0, 100)";
            return Err(DensityError::Constant { constant: "l or d", allowed, found });
        }
        Ok(())
    }
}

impl DirectConstants {
    fn amplitude(&self) -> f64 {
        self.ceiling.percent() - self.floor.percent()
    }

    fn percent(&self, ln_params: f64) -> f64 {
        let z = self.steepness * (ln_params - self.midpoint);
        self.floor.percent() + self.amplitude() / (1.0 + (-z).exp())
    }

    fn ln_params(&self, percent: f64) -> f64 {
        let (above, below) = (percent - self.floor.percent(), self.ceiling.percent() - percent);
        if above <= 0.0 {
            f64::NEG_INFINITY
        } else if below <= 0.0 {
            f64::INFINITY
        } else {
            self.midpoint + (above / below).ln() / self.steepness
        }
    }

    fn check(&self) -> Result<(), DensityError> {
        if self.ceiling <= self.floor {
            let (allowed, found) = ("above the floor", self.ceiling.percent());
            return Err(DensityError::Constant { constant: "ceiling", allowed, found });
        }
        positive("steepness", self.steepness)?;
        if self.midpoint.is_finite() {
            Ok(())
        } else {
            let (allowed, found) = ("finite", self.midpoint);
            Err(DensityError::Constant { constant: "midpoint", allowed, found })
        }
    }
}

impl Constants {
    /// Checks that the constants make a curve that rises with size.
    ///
    /// # Errors
    ///
    /// [`DensityError::Constant`] names the first that does not.
    pub fn check(&self) -> Result<(), DensityError> {
        match self {
            Self::Direct { score } => score.check(),
            Self::TwoStep { loss, score } => loss.check().and_then(|()| score.check()),
        }
    }

    /// Percent of a reference model of `ln N` parameters trained on `ln D` tokens.
    pub(crate) fn percent(&self, ln_params: f64, ln_tokens: f64) -> f64 {
        match self {
            Self::Direct { score } => score.percent(ln_params),
            Self::TwoStep { loss, score } => {
                let of_size = loss.a * (-loss.alpha * ln_params).exp();
                score.percent(NatsPerToken(of_size + loss.least(ln_tokens)))
            }
        }
    }

    /// `ln N` of a score in percent: minus infinity at or below the floor, plus infinity where no
    /// size reaches it.
    pub(crate) fn ln_params(&self, percent: f64, ln_tokens: f64) -> f64 {
        self.ln_params_by(percent, ln_tokens, |loss| loss)
    }

    /// The same, of the loss that `change` makes of the one between two steps.
    pub(crate) fn ln_params_by(
        &self,
        percent: f64,
        ln_tokens: f64,
        change: impl Fn(f64) -> f64,
    ) -> f64 {
        match self {
            Self::Direct { score } => score.ln_params(percent),
            Self::TwoStep { loss, score } => match score.loss(percent) {
                f64::INFINITY => f64::NEG_INFINITY,
                needed => loss.ln_params(change(needed), ln_tokens),
            },
        }
    }

    /// `d ln N / dS` per percent point at a score that has a size.
    ///
    /// Two steps: `-(1 / (alpha gamma)) (1 / (c + d - S) + 1 / (S - d)) / (L(S) - L0)`.
    pub(crate) fn sensitivity(&self, percent: f64, ln_tokens: f64) -> f64 {
        let ends = |floor: f64, ceiling: f64| 1.0 / (percent - floor) + 1.0 / (ceiling - percent);
        match self {
            Self::Direct { score } => {
                ends(score.floor.percent(), score.ceiling.percent()) / score.steepness
            }
            Self::TwoStep { loss, score } => {
                let of_size = score.loss(percent) - loss.least(ln_tokens);
                -ends(score.d, score.c + score.d) / (loss.alpha * score.gamma * of_size)
            }
        }
    }

    /// Floor of the curve in percent.
    pub fn floor(&self) -> f64 {
        match self {
            Self::Direct { score } => score.floor.percent(),
            Self::TwoStep { score, .. } => score.d,
        }
    }

    /// Ceiling of the curve in percent; of two steps, that of the score at loss minus infinity.
    pub fn ceiling(&self) -> f64 {
        match self {
            Self::Direct { score } => score.ceiling.percent(),
            Self::TwoStep { score, .. } => score.c + score.d,
        }
    }

    /// Percent of an infinitely large reference model at `ln D` tokens.
    pub(crate) fn limit(&self, ln_tokens: f64) -> f64 {
        self.percent(f64::INFINITY, ln_tokens)
    }
}

/// `ln D`, checked.
pub(crate) fn ln_tokens(tokens: TokenCount) -> Result<f64, DensityError> {
    Run::new(ParamCount(1.0), tokens).map(|run| run.logs().1)
}

fn positive(constant: &'static str, found: f64) -> Result<(), DensityError> {
    if found.is_finite() && found > 0.0 {
        Ok(())
    } else {
        Err(DensityError::Constant { constant, allowed: "positive and finite", found })
    }
}
