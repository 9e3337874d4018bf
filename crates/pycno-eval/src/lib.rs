//! pycno-eval.
#![forbid(unsafe_code)]
