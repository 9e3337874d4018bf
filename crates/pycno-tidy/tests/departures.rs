//! Every marked departure from a paper says why.

use std::io;

use pycno_tidy::{difference, tree};

#[test]
fn every_departure_has_a_reason() -> io::Result<()> {
    let found = tree::hold(difference::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn the_sources_mark_their_departures() -> io::Result<()> {
    let files = tree::files(&tree::root())?;
    assert!(
        files.iter().any(|file| !difference::collect(file).is_empty()),
        "no departure is marked"
    );
    Ok(())
}
