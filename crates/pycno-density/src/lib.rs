//! The density core: scores in, effective sizes out. No tensors, no files.
//!
//! A [`Ruler`] holds the laws of a reference family. It weighs a model by its per-item results;
//! a score outside a law's domain gives a reason ([`Effective`]), never a number.
//!
//! ```
//! use pycno_density::{Effective, Ruler, RulerDraws, Subject, TaskItems, Verdict};
//! use pycno_units::{ParamCount, Score, Seed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ruler = Ruler::parse(include_str!("../../../configs/rulers/pythia.toml"))?;
//! let law = ruler.task("lambada_openai")?.law;
//! assert!(matches!(law.effective(Score::from_percent(43.0)?), Effective::Inside { .. }));
//! assert!(matches!(law.effective(Score::from_percent(0.0)?), Effective::BelowFloor { .. }));
//!
//! // Of 500 items the teacher has 215 right, its student, a quarter smaller, 130.
//! let model = |params: f64, right: usize| Subject {
//!     params: ParamCount(params),
//!     tasks: vec![TaskItems {
//!         task: "lambada_openai".to_owned(),
//!         metric: "acc".to_owned(),
//!         results: (0..500).map(|i| if i < right { 1.0 } else { 0.0 }).collect(),
//!         strata: None,
//!     }],
//! };
//! let draws = RulerDraws::new(&ruler, &["lambada_openai"], Seed(1), 200)?;
//! let teacher = draws.weigh(&model(106.2e6, 215))?;
//! let student = draws.weigh(&model(79.7e6, 130))?;
//! assert_eq!(teacher.compare(&student)?.overall.verdict, Verdict::Lowered);
//! # Ok(())
//! # }
//! ```
//!
//! Start reading in [`law`], then [`fit()`](mod@fit), [`ruler`] and [`bootstrap`].
#![forbid(unsafe_code)]

pub mod bootstrap;
mod curve;
mod descent;
mod error;
pub mod fit;
mod interval;
mod items;
pub mod law;
pub mod outcome;
pub mod ruler;

pub use bootstrap::{Compared, DEFAULT_DRAWS, RulerDraws, Subject, Weighed, Weight};
pub use error::DensityError;
pub use fit::{Fit, FitCard, Limits, ReferencePoint, fit};
pub use items::TaskItems;
pub use law::{Constants, ReferenceRange, ScoreLaw};
pub use outcome::{Comparison, Density, Effective, Interval, Verdict};
pub use ruler::{Convention, Family, ReferenceModel, Ruler, RulerSpec, Task, TaskSpec};
