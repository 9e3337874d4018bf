//! Reports from records: one HTML page, the same as Markdown, and every number as CSV.
//!
//! A report is a pure function of a [`Record`](pycno_record::Record): equal records give equal
//! bytes. Nothing is measured or fitted here.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let record = pycno_record::read("runs/quickstart/record.json".as_ref())?;
//! let report = pycno_report::render(&record)?;
//! std::fs::write("report.html", report.html)?;
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`render`]. What a report says in sentences is in `words.rs` and `limits.rs`,
//! its tables are in `tables.rs`, its figures in `figure/`.
#![forbid(unsafe_code)]

mod error;
mod figure;
#[cfg(test)]
mod fixture;
mod html;
mod limits;
mod long;
mod markdown;
mod number;
mod render;
mod tables;
mod words;

pub use error::ReportError;
pub use html::html;
pub use long::csv;
pub use markdown::markdown;
pub use render::{Rendered, render};
