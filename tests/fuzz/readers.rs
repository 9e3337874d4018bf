//! One target for all readers: `PYCNO_READER` says which, such as `gguf`.
#![no_main]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, take_hook},
    process::abort,
    sync::OnceLock,
};

use libfuzzer_sys::fuzz_target;
use pycno_tests::readers::{Reader, reader};

static READER: OnceLock<&'static Reader> = OnceLock::new();

/// The reader asked for. The fuzzer's hook ends the process at any panic, also at those of a dependency that a
/// reader makes an error of; what comes out of a reader counts.
fn asked() -> &'static Reader {
    drop(take_hook());
    reader(&std::env::var("PYCNO_READER").expect("PYCNO_READER names a reader"))
}

fuzz_target!(|bytes: &[u8]| {
    let reader = READER.get_or_init(asked);
    if catch_unwind(AssertUnwindSafe(|| (reader.read)(bytes))).is_err() {
        abort();
    }
});
