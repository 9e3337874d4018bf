//! Fits of laws to reference points: starts, descents, minima, cards.
//!
//! Same points, same answer: points are sorted first, and starts and sums have a fixed order, so
//! neither the order of rows nor the number of threads changes a digit.

mod card;
mod exhaustive;
mod grid;
mod loss;
mod newton;
mod objective;
mod repeated;
mod score;
mod search;
mod size;

pub use card::{FitCard, MinimumCard};
pub use exhaustive::exhaustive_starts;
pub use loss::{LossFit, LossFitOptions, LossForm, LossPoint, fit_loss};
pub use objective::{FitObjective, HUBER_DELTA, Observation};
pub use repeated::Repeated;
pub use score::{Anchor, ScoreFit, ScoreLimits, ScorePoint, fit_score};
pub use search::{Minimum, Search, search};
pub use size::{SizeFit, SizeLimits, SizePoint, fit_size};

pub(crate) use loss::{Form, LossData, centered, constants as loss_constants};
pub(crate) use score::{constants as score_constants, theta as score_theta};
pub(crate) use search::{Fit, descend};
pub(crate) use size::{constants as size_constants, theta as size_theta};

use pycno_units::NatsPerToken;

use crate::DensityError;

/// What needs points, in messages.
const FIT: &str = "a fit of reference points";

/// A loss that no model has.
fn not_a_loss(found: NatsPerToken) -> DensityError {
    let (what, allowed) = ("a loss", "a positive finite number of nats per token");
    DensityError::Quantity { what, allowed, found: found.0 }
}
