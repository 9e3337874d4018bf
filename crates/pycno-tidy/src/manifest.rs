//! A crate uses what its manifest names.

use crate::{Breach, TextFile, layers::Uses};

/// Finds normal dependencies that no file below the package's `src` (or folder) mentions.
pub fn unused(uses: &Uses, files: &[TextFile]) -> Vec<Breach> {
    uses.iter()
        .flat_map(|(package, used)| used.iter().map(move |dependency| (package, dependency)))
        .filter(|(package, dependency)| !mentions(files, &folder(package), dependency))
        .map(|(package, dependency)| {
            Breach::new(package, 0, format!("the manifest names {dependency}, no source uses it"))
        })
        .collect()
}

fn folder(package: &str) -> String {
    match package {
        "pycno-tests" => "tests/".to_owned(),
        "pycno-benches" => "benches/".to_owned(),
        _ => format!("crates/{package}/src/"),
    }
}

fn mentions(files: &[TextFile], folder: &str, dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    files.iter().filter(|file| file.path.starts_with(folder) && file.ends_in(&["rs"])).any(|file| {
        file.text.contains(&format!("{name}::")) || file.text.contains(&format!("use {name}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: usize) {
        let uses = BTreeMap::from([("a".to_owned(), BTreeSet::from(["serde-x".to_owned()]))]);
        assert_eq!(unused(&uses, &[TextFile::new("crates/a/src/lib.rs", text)]).len(), expect);
    }

    #[test]
    fn a_dependency_that_no_source_names_is_found() {
        check("use serde_y::Z;\n", 1);
        check("use serde_x::Z;\n", 0);
        check("#[derive(serde_x::Serialize)]\n", 0);
    }
}
