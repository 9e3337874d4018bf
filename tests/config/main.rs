//! Every file under `configs/` and `experiments/` is read by the parser of its kind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Root of the workspace, one folder above this package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Parses a text as what its path says it is, and gives the whole chain of the error.
fn parse(path: &str, text: &str) -> Result<(), String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["configs", "rulers", _] => pycno_density::Ruler::parse(text).map(drop).map_err(chain),
        ["configs", "ruler-specs", _] => {
            pycno_density::RulerSpec::parse(text).map(drop).map_err(chain)
        }
        ["configs", "tasks", _] => pycno_eval::Task::parse(text, path).map(drop).map_err(chain),
        ["experiments", _, "study.toml"] => {
            pycno_study::parse(text, Path::new(path)).map(drop).map_err(chain)
        }
        ["experiments", _, "family.toml" | "check.toml" | "teacher.toml"] => {
            pycno_study::family::parse(text, Path::new(path)).map(drop).map_err(chain)
        }
        _ => Err("no parser is known for a file in this place".to_owned()),
    }
}

fn chain(error: impl std::error::Error) -> String {
    let mut found = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        found.push(error.to_string());
        cause = error.source();
    }
    found.join(": ")
}

/// Lists the TOML files below a folder of the workspace, with paths below its root.
fn toml_files(folder: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(PathBuf::from(ROOT).join(folder))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(toml_files(&path)?);
        } else if Path::new(&path).extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[track_caller]
fn check(folder: &str) {
    let files = toml_files(folder).unwrap_or_default();
    assert!(!files.is_empty(), "no TOML file below {folder}");
    let broken: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(PathBuf::from(ROOT).join(path)).unwrap_or_default();
            parse(path, &text).err().map(|error| format!("{path}: {error}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_ruler_is_read() {
    check("configs/rulers");
}

#[test]
fn every_task_is_read() {
    check("configs/tasks");
}

#[test]
fn every_config_has_a_parser() {
    check("configs");
}

#[test]
fn every_study_is_read() {
    check("experiments");
}

#[test]
fn an_unknown_key_and_an_unknown_place_are_refused() {
    for path in [
        "configs/rulers/x.toml",
        "configs/tasks/x.toml",
        "experiments/x/study.toml",
        "experiments/x/family.toml",
    ] {
        let error = parse(path, "no_such_key = 1\n").unwrap_err();
        assert!(error.contains("no_such_key"), "{path}: {error}");
    }
    assert!(parse("configs/misc/x.toml", "").is_err());
}
