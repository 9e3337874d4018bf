//! Every experiment has its study or results and its page of five headings.

use std::io;

use pycno_tidy::{experiment, tree};

#[test]
fn every_experiment_has_a_study_and_five_headings() -> io::Result<()> {
    let files = tree::files(&tree::root())?;
    assert!(
        files.iter().any(|file| file.path.starts_with("experiments/")),
        "there is no experiment"
    );
    assert_eq!(experiment::breaches(&files), []);
    Ok(())
}
