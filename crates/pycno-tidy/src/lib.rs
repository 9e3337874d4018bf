//! pycno-tidy.
#![forbid(unsafe_code)]
