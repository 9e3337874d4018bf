//! Helpers shared by the outer tests.
#![forbid(unsafe_code)]

pub mod damage;
pub mod logits;
pub mod readers;
pub mod world;

use std::{io::Write as _, path::PathBuf};

// Named for their features alone, so that builds with and without `wgpu` share them: the manifest says how.
use arrayvec as _;
use bitflags as _;
use bytes as _;
use cubecl_common as _;
use cubecl_zspace as _;
use derive_more as _;
use futures_core as _;
use hashbrown as _;
use parking_lot as _;
use portable_atomic as _;

/// The folder of outside texts and models, named by `PYCNO_DATA`; tests that need it skip without.
pub fn data_dir() -> Option<PathBuf> {
    std::env::var_os("PYCNO_DATA").map(PathBuf::from)
}

/// [`data_dir`], or a line on standard error that this test is skipped without it.
pub fn data_dir_for(test: &str) -> Option<PathBuf> {
    let folder = data_dir();
    if folder.is_none() {
        skipped(test, "needs PYCNO_DATA");
    }
    folder
}

/// Says on standard error that a test is skipped, and why; past the test harness, which would keep the
/// line of a passing test back.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}
