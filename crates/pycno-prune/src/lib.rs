//! pycno-prune.
#![forbid(unsafe_code)]
