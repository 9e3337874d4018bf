//! Divergences between a teacher's and a student's predictions: each takes tensors and gives a loss with its
//! gradients, and knows neither models nor files.
//!
//! ```
//! use pycno_distill::ObjectiveConfig;
//!
//! let written: ObjectiveConfig = toml::from_str("name = 'forward-kl'\ntemperature = 2.0").unwrap();
//! assert_eq!(written.name(), "forward-kl");
//! assert!(toml::from_str::<ObjectiveConfig>("name = 'forward-kl'\ntemperature = 0.0").is_err());
//! ```
//!
//! Start reading at [`forward_kl`].
#![forbid(unsafe_code)]

mod config;
mod error;
pub mod forward_kl;
mod temperature;

pub use config::ObjectiveConfig;
pub use error::DistillError;
pub use forward_kl::ForwardKl;
pub use pycno_kernels::head::HeadPair;
pub use temperature::Temperature;
