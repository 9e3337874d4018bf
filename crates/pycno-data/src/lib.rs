//! pycno-data.
#![forbid(unsafe_code)]
