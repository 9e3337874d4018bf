//! pycno-distill.
#![forbid(unsafe_code)]
