//! pycno-study.
#![forbid(unsafe_code)]
