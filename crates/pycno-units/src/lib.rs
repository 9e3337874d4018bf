//! The units that cross a crate border in `pycno`: no count, loss or score travels as a bare number.
//!
//! ```
//! use pycno_units::{ParamCount, Score, TokenCount};
//!
//! let tokens: TokenCount = "4M".parse().unwrap();
//! assert_eq!(tokens, TokenCount(4_000_000));
//! assert_eq!(Score::from_share(0.5).unwrap().percent(), 50.0);
//! assert_eq!(ParamCount(134_515_008.0).to_string(), "134.5M");
//! ```
#![forbid(unsafe_code)]

mod count;
mod error;
mod measure;
mod scale;
mod seed;
mod text;

pub use count::{Bytes, Flops, ParamCount, TokenCount};
pub use error::UnitsError;
pub use measure::{BitsPerByte, NatsPerToken, Score};
pub use seed::Seed;
pub use text::without_byte_order_mark;
