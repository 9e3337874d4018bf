//! Tasks and rulers by name, or from a file.

use std::path::{Path, PathBuf};

use pycno_density::Ruler;
use pycno_eval::{Task, task};

use crate::StudyError;

/// The rulers that travel in the binary.
const RULERS: [(&str, &str); 5] = [
    ("densing-2024", include_str!("../../../configs/rulers/densing-2024.toml")),
    ("densing-2025", include_str!("../../../configs/rulers/densing-2025.toml")),
    ("olmo-ladder", include_str!("../../../configs/rulers/olmo-ladder.toml")),
    ("openlm", include_str!("../../../configs/rulers/openlm.toml")),
    ("pythia", include_str!("../../../configs/rulers/pythia.toml")),
];

/// Names of the rulers that travel in the binary.
pub fn ruler_names() -> Vec<&'static str> {
    RULERS.iter().map(|(name, _)| *name).collect()
}

/// A ruler by name, or from a file if the text ends in `.toml`.
///
/// # Errors
///
/// [`StudyError::UnknownRuler`] with the names there are, [`StudyError::Density`] for a file that is
/// no ruler.
pub fn ruler(text: &str, folder: &Path) -> Result<Ruler, StudyError> {
    if let Some(path) = file(text, folder) {
        let text = std::fs::read_to_string(&path);
        return Ok(Ruler::parse(&text.map_err(|source| StudyError::Read { path, source })?)?);
    }
    let found = RULERS.iter().find(|(name, _)| *name == text);
    let (_, toml) = found.ok_or_else(|| StudyError::UnknownRuler {
        text: text.to_owned(),
        known: ruler_names().into_iter().map(str::to_owned).collect(),
    })?;
    Ok(Ruler::parse(toml)?)
}

/// A task by name, or from a file if the text ends in `.toml`.
///
/// # Errors
///
/// [`StudyError::Task`], with the names there are for an unknown one.
pub fn task(text: &str, folder: &Path) -> Result<Task, StudyError> {
    let found = match file(text, folder) {
        Some(path) => Task::read(&path),
        None => task::builtin(text),
    };
    found.map_err(|source| StudyError::Task { task: text.to_owned(), source: Box::new(source) })
}

fn file(text: &str, folder: &Path) -> Option<PathBuf> {
    let is_file = Path::new(text).extension().is_some_and(|extension| extension == "toml");
    is_file.then(|| folder.join(text))
}
