//! All forms of a report at once.

use pycno_record::Record;

use crate::{ReportError, csv, html, markdown};

/// A report in every form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rendered {
    /// One self-contained page: no script, no other file.
    pub html: String,
    /// The same tables and sentences, without figures.
    pub markdown: String,
    /// Every number in long form, unrounded.
    pub csv: String,
}

/// Renders a record in every form.
///
/// # Errors
///
/// [`ReportError`], which no record can cause: it means that this crate is broken.
pub fn render(record: &Record) -> Result<Rendered, ReportError> {
    Ok(Rendered { html: html(record)?, markdown: markdown(record), csv: csv(record)? })
}
