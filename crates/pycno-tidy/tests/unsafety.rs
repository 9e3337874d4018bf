//! Where `unsafe` may stand.

use std::io;

use pycno_tidy::{safety, tree};

#[test]
fn every_crate_root_forbids_unsafe_code() -> io::Result<()> {
    let found = tree::hold(safety::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn one_function_maps_files_into_memory_and_no_other_lifts_the_rule() -> io::Result<()> {
    assert_eq!(safety::exceptions(&tree::files(&tree::root())?), []);
    Ok(())
}
