//! The walk sees the tree: a rule that looks at nothing holds nothing.

use std::io;

use pycno_tidy::tree;

#[test]
fn the_walk_reaches_every_kind_of_file_and_nothing_that_was_built() -> io::Result<()> {
    let paths: Vec<String> =
        tree::files(&tree::root())?.into_iter().map(|file| file.path).collect();
    for expect in
        ["README.md", "Cargo.toml", ".ci/run", "crates/pycno-tidy/tests/walk.rs", "tests/lib.rs"]
    {
        assert!(paths.iter().any(|path| path == expect), "{expect} is not among the files");
    }
    assert!(paths.iter().all(|path| !path.starts_with("target/") && !path.starts_with("runs/")));
    Ok(())
}
