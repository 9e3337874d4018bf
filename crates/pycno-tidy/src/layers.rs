//! The layers of the workspace: which crate may use which, and which stay free of Burn.

use std::collections::{BTreeMap, BTreeSet};

use crate::Breach;

/// Every crate with the crates it may use, bottom-up: an entry names earlier ones only.
///
/// `pycno-eval` and `pycno-prune` reach no sibling. `pycno-eval` uses the chunked head of `pycno-kernels`, as
/// `[batch, seq, vocab]` logits would not fit in memory. The command line reaches below `pycno-study`
/// for the verbs that need no study (`density`, `report`, `prune`) and to name a checkpoint's source.
pub const MAY_USE: &[(&str, &[&str])] = &[
    ("pycno-units", &[]),
    ("pycno-kernels", &[]),
    ("pycno-density", &["pycno-units"]),
    ("pycno-data", &["pycno-units"]),
    ("pycno-model", &["pycno-units", "pycno-kernels"]),
    ("pycno-record", &["pycno-units", "pycno-density"]),
    ("pycno-prune", &["pycno-units", "pycno-data", "pycno-model"]),
    ("pycno-distill", &["pycno-units", "pycno-kernels"]),
    ("pycno-train", &["pycno-units", "pycno-kernels", "pycno-data", "pycno-model", "pycno-record"]),
    ("pycno-eval", &["pycno-units", "pycno-kernels", "pycno-data", "pycno-model", "pycno-record"]),
    ("pycno-report", &["pycno-units", "pycno-density", "pycno-record"]),
    (
        "pycno-study",
        &[
            "pycno-units",
            "pycno-density",
            "pycno-data",
            "pycno-model",
            "pycno-record",
            "pycno-prune",
            "pycno-distill",
            "pycno-train",
            "pycno-eval",
        ],
    ),
    (
        "pycno-cli",
        &[
            "pycno-units",
            "pycno-kernels",
            "pycno-density",
            "pycno-record",
            "pycno-model",
            "pycno-prune",
            "pycno-report",
            "pycno-study",
        ],
    ),
];

/// Packages that check the others: they may use anything and nothing uses them.
pub const OUTSIDE: [&str; 3] = ["pycno-tidy", "pycno-tests", "pycno-benches"];

/// Crates that build in seconds because no tensor library is below them.
pub const WITHOUT_BURN: [&str; 4] =
    ["pycno-units", "pycno-density", "pycno-record", "pycno-report"];

/// Normal dependencies of each package of the workspace, by name.
pub type Uses = BTreeMap<String, BTreeSet<String>>;

/// Reads the normal dependencies out of `cargo metadata --no-deps --format-version=1`.
///
/// # Errors
///
/// A text that is not JSON.
pub fn uses(metadata: &str) -> Result<Uses, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(metadata)?;
    let packages = value["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(packages.iter().map(|package| (name(package), dependencies(package))).collect())
}

/// Finds entries of a table that name a crate which does not come before them.
pub fn not_bottom_up(table: &[(&str, &[&str])]) -> Vec<Breach> {
    let mut below = BTreeSet::new();
    let mut found = Vec::new();
    for (name, may) in table {
        let bad = may.iter().filter(|used| !below.contains(*used));
        found.extend(
            bad.map(|used| Breach::new(name, 0, format!("{used} does not come before it"))),
        );
        below.insert(*name);
    }
    found
}

/// Finds packages without a row and edges that the table does not have.
pub fn edges(uses: &Uses) -> Vec<Breach> {
    let rows: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    uses.iter()
        .filter(|(name, _)| !OUTSIDE.contains(&name.as_str()))
        .flat_map(|(name, used)| match rows.get(name.as_str()) {
            None => vec![Breach::new(name, 0, "the layer table has no row for it")],
            Some(may) => used
                .iter()
                .filter(|other| other.starts_with("pycno-") && !may.contains(&other.as_str()))
                .map(|other| Breach::new(name, 0, format!("may not use {other}")))
                .collect(),
        })
        .collect()
}

/// Finds a crate of [`WITHOUT_BURN`] that reaches Burn, by itself or through our crates.
pub fn burn(uses: &Uses) -> Vec<Breach> {
    WITHOUT_BURN
        .iter()
        .flat_map(|name| {
            let reached = reach(uses, name).into_iter().filter(|other| other.starts_with("burn"));
            reached.map(|other| Breach::new(name, 0, format!("must not reach {other}")))
        })
        .collect()
}

fn reach(uses: &Uses, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for used in uses.get(&name).into_iter().flatten() {
            if found.insert(used.clone()) {
                open.push(used.clone());
            }
        }
    }
    found
}

fn name(value: &serde_json::Value) -> String {
    value["name"].as_str().unwrap_or_default().to_owned()
}

fn dependencies(package: &serde_json::Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|dependency| dependency["kind"].is_null()).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [
        {"name": "pycno-units", "dependencies": [{"name": "serde", "kind": null}]},
        {"name": "pycno-density", "dependencies": [
            {"name": "pycno-units", "kind": null}, {"name": "pycno-data", "kind": "dev"}]}]}"#;

    fn edge(from: &str, to: &str) -> Uses {
        BTreeMap::from([(from.to_owned(), BTreeSet::from([to.to_owned()]))])
    }

    #[test]
    fn a_development_dependency_is_no_edge() {
        let uses = uses(METADATA).unwrap();
        assert_eq!(uses["pycno-density"], BTreeSet::from(["pycno-units".to_owned()]));
        assert!(edges(&uses).is_empty());
    }

    #[test]
    fn an_edge_upward_and_an_edge_between_siblings_are_found() {
        assert_eq!(edges(&edge("pycno-units", "pycno-density")).len(), 1);
        assert_eq!(edges(&edge("pycno-eval", "pycno-train")).len(), 1);
        assert!(edges(&edge("pycno-tests", "pycno-train")).is_empty());
    }

    #[test]
    fn a_package_without_a_row_is_found() {
        assert_eq!(edges(&edge("pycno-misc", "serde")).len(), 1);
    }

    #[test]
    fn a_table_that_names_a_later_crate_is_found() {
        assert_eq!(not_bottom_up(&[("a", &["b"]), ("b", &[])]).len(), 1);
        assert!(not_bottom_up(&[("b", &[]), ("a", &["b"])]).is_empty());
    }

    #[test]
    fn burn_is_found_through_another_crate() {
        let mut uses = edge("pycno-record", "pycno-density");
        uses.extend(edge("pycno-density", "burn-store"));
        let found: Vec<String> = burn(&uses).into_iter().map(|breach| breach.path).collect();
        assert_eq!(found, ["pycno-density", "pycno-record"]);
    }
}
