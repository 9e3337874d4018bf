//! Rules that look at sources and documents, one file at a time but for the names of types.

use std::io;

use pycno_tidy::{adapters, ascii, facade, head, length, origin, shortcuts, tree, types, words};

#[test]
fn sources_configs_and_documents_are_ascii() -> io::Result<()> {
    let found = tree::hold(ascii::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn every_rust_file_says_what_it_is() -> io::Result<()> {
    let found = tree::hold(head::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn no_file_is_too_long() -> io::Result<()> {
    let found = tree::hold(length::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn a_lib_file_holds_no_code() -> io::Result<()> {
    let found = tree::hold(facade::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_unwritten() -> io::Result<()> {
    let found = tree::hold(shortcuts::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn no_file_names_the_machine_or_a_registry_host() -> io::Result<()> {
    let found = tree::hold(origin::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn words_are_the_glossarys() -> io::Result<()> {
    let found = tree::hold(words::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}

#[test]
fn a_public_type_has_a_name_of_its_own() -> io::Result<()> {
    assert_eq!(types::breaches(&tree::files(&tree::root())?), []);
    Ok(())
}

#[test]
fn names_of_others_stay_in_their_adapters() -> io::Result<()> {
    let found = tree::hold(adapters::breaches)?;
    assert!(found.is_empty(), "{found}");
    Ok(())
}
