//! Divergences between a teacher's and a student's predictions: each takes tensors and gives a loss with its
//! gradients, and knows neither models nor files.
//!
//! ```
//! use pycno_distill::ObjectiveConfig;
//!
//! let written: ObjectiveConfig = toml::from_str("name = 'reverse-kl'\ntemperature = 2.0").unwrap();
//! assert_eq!(written.to_string(), "reverse-kl (temperature 2)");
//! assert!(toml::from_str::<ObjectiveConfig>("name = 'reverse-kl'\ntemperature = 0.0").is_err());
//! ```
//!
//! Start reading at [`Divergence`].
#![forbid(unsafe_code)]

mod config;
mod divergence;
mod error;
mod temperature;

pub use config::ObjectiveConfig;
pub use divergence::Divergence;
pub use error::DistillError;
pub use pycno_kernels::head::{Head, HeadPair};
pub use temperature::Temperature;
