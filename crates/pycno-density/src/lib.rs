//! The density core: scores in, effective sizes out. No tensors, no files.
//!
//! A [`Ruler`] holds the laws of a reference family. It weighs a model by its per-item results;
//! a score outside a law's domain gives a reason ([`Effective`]), never a number.
//!
//! ```
//! use pycno_density::{Effective, Evidence, Ruler, RulerDraws, Subject, ItemResults, Verdict};
//! use pycno_units::{ParamCount, Score, Seed};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ruler = Ruler::parse(include_str!("../../../configs/rulers/pythia.toml"))?;
//! let law = ruler.task("lambada_openai")?.law;
//! assert!(matches!(law.effective(Score::from_percent(43.0)?), Effective::Inside { .. }));
//! assert!(matches!(law.effective(Score::from_percent(0.0)?), Effective::BelowFloor { .. }));
//!
//! // Of 500 items the teacher has 215 right, its student, a quarter smaller, 130.
//! let model = |name: &str, params: f64, right: usize| Subject {
//!     name: name.to_owned(),
//!     params: ParamCount(params),
//!     tasks: vec![Evidence::Items(ItemResults {
//!         task: "lambada_openai".to_owned(),
//!         metric: "acc".to_owned(),
//!         results: (0..500).map(|i| if i < right { 1.0 } else { 0.0 }).collect(),
//!         strata: None,
//!     })],
//! };
//! let draws = RulerDraws::new(&ruler, &["lambada_openai"], Seed(1), 200)?;
//! let teacher = draws.weigh(&model("teacher", 106.2e6, 215))?;
//! let student = draws.weigh(&model("student", 79.7e6, 130))?;
//! assert_eq!(teacher.compare(&student)?.overall.verdict, Verdict::Lowered);
//! # Ok(())
//! # }
//! ```
//!
//! Start reading in [`constants`], then [`law`], [`fit`], [`ruler`] and [`bootstrap`]. Around the
//! ruler stand the densing law over time ([`trend`]), what follows for money and devices
//! ([`cost`]), plans for sizes, students and dates ([`advise`]), ways to count a size ([`size`])
//! and tests on paired items ([`paired`]).
#![forbid(unsafe_code)]

pub mod advise;
pub mod bootstrap;
pub mod constants;
pub mod cost;
mod error;
pub mod fit;
mod interval;
mod items;
pub mod law;
mod line;
pub mod outcome;
pub mod paired;
pub mod ruler;
mod score_law;
pub mod size;
pub mod trend;

pub use advise::{
    Answer, Bar, Binding, CheapestRun, DEVICE_DATE_ASSUMPTIONS, DeviceEnough, DrawnLaw, Ends,
    FromScratch, Hardware, Planned, STUDENT_ASSUMPTIONS, SizeNeeded, TARGET_ASSUMPTIONS, Teacher,
    TokensNeeded, Worth, cheapest_run, device_enough, fewest_tokens, loss_needed, smallest_size,
    worth_keeping,
};
pub use bootstrap::{
    Compared, DEFAULT_DRAWS, Evidence, Level, RulerDraws, ScoreError, ScoreSummary, Subject,
    Weighed, Weight,
};
pub use constants::{Constants, DirectConstants, LossConstants, SigmoidConstants};
pub use cost::{
    BREAK_EVEN_ASSUMPTIONS, BreakEven, CHIP_DOUBLING_DAYS, DEVICE_ASSUMPTIONS, DatedPrice, Device,
    EndPoints, Payback, PriceTrend, Profit, Venture, combined_days, record_lows,
};
pub use error::DensityError;
pub use fit::{
    Anchor, FitCard, FitObjective, LossFit, LossFitOptions, LossForm, LossPoint, MinimumCard,
    Repeated, ScoreFit, ScoreLimits, ScorePoint, SizeFit, SizeLimits, SizePoint, fit_loss,
    fit_score, fit_size,
};
pub use items::ItemResults;
pub use law::Run;
pub use line::{Estimate, LINE_LEVEL, LineFit};
pub use outcome::{Comparison, Density, Effective, Interval, Verdict};
pub use paired::{Flips, PairedDifference, PairedItems, holm};
pub use ruler::{
    Convention, DirectRecipe, Family, MeanLaw, MixedError, Recipe, ReferenceModel, Ruler,
    RulerSpec, RulerTask, TaskCard, TaskSpec, TwoStepRecipe, reference_models,
};
pub use score_law::{ReferenceRange, ScoreLaw};
pub use size::{
    COMPUTE_PER_MEMORY, COMPUTE_PER_MEMORY_TWO_BYTE, LlamaShape, SizeRule, Sizes, TimeRatio,
    llama_non_embedding,
};
pub use trend::{
    DAYS_PER_MONTH, DAYS_PER_YEAR, DateForecast, Dated, Days, LeftOut, Pace, Periods, Reach,
    Series, SizeForecast, Trend, Welch, YearFactor, envelope,
};
