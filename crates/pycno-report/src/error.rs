//! What can go wrong in rendering; none of it can be caused by a record.

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The page's template is broken.
    #[error("could not fill in the report's template")]
    Template {
        /// Where and why.
        source: minijinja::Error,
    },
    /// The table could not be written.
    #[error("could not write the report's table")]
    Table {
        /// Why.
        source: csv::Error,
    },
    /// The table is not text.
    #[error("expected UTF-8 from the table writer")]
    Text {
        /// Where.
        source: std::string::FromUtf8Error,
    },
}
