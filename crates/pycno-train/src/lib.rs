//! pycno-train.
#![forbid(unsafe_code)]
