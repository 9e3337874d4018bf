//! The layer table against `cargo metadata`.

use std::{io, process::Command};

use pycno_tidy::{
    layers::{self, Uses},
    manifest, tree,
};

fn workspace() -> io::Result<Uses> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(tree::root())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    layers::uses(&text).map_err(io::Error::from)
}

#[test]
fn the_table_is_bottom_up() {
    assert_eq!(layers::not_bottom_up(layers::MAY_USE), []);
}

#[test]
fn every_edge_of_the_workspace_is_in_the_table() -> io::Result<()> {
    let uses = workspace()?;
    assert!(uses.len() > layers::MAY_USE.len(), "packages of the table are missing: {uses:?}");
    assert_eq!(layers::edges(&uses), []);
    Ok(())
}

#[test]
fn every_row_of_the_table_is_a_package() -> io::Result<()> {
    let uses = workspace()?;
    for (name, _) in layers::MAY_USE {
        assert!(uses.contains_key(*name), "{name} is not in the workspace");
    }
    Ok(())
}

#[test]
fn the_density_core_and_the_report_do_not_reach_burn() -> io::Result<()> {
    assert_eq!(layers::burn(&workspace()?), []);
    Ok(())
}

#[test]
fn every_dependency_of_a_manifest_is_used() -> io::Result<()> {
    assert_eq!(manifest::unused(&workspace()?, &tree::files(&tree::root())?), []);
    Ok(())
}
