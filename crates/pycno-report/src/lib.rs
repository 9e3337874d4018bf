//! pycno-report.
#![forbid(unsafe_code)]
