//! What travels in the binary: tasks, rulers and models by name; or from a file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pycno_data::lab;
use pycno_density::Ruler;
use pycno_eval::{Task, task};
use pycno_model::{
    Checkpoint, hf,
    source::{self, Remote, Source},
};

use crate::StudyError;

/// The rulers that travel in the binary.
const RULERS: [(&str, &str); 6] = [
    ("densing-2024", include_str!("../../../configs/rulers/densing-2024.toml")),
    ("densing-2025", include_str!("../../../configs/rulers/densing-2025.toml")),
    ("lab", include_str!("../../../configs/rulers/lab.toml")),
    ("olmo-ladder", include_str!("../../../configs/rulers/olmo-ladder.toml")),
    ("openlm", include_str!("../../../configs/rulers/openlm.toml")),
    ("pythia", include_str!("../../../configs/rulers/pythia.toml")),
];

/// The models: name, config and weights. All of them speak the lab's language.
const MODELS: [(&str, &[u8], &[u8]); 1] = [(
    "lab:teacher",
    include_bytes!("../../../configs/models/lab-teacher/config.json"),
    include_bytes!("../../../configs/models/lab-teacher/model.safetensors"),
)];

/// Names of the models that travel in the binary.
pub fn model_names() -> Vec<&'static str> {
    MODELS.iter().map(|(name, ..)| *name).collect()
}

/// The files of a model that travels in the binary, as they lie in a Hugging Face folder.
pub fn model_files(name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let (_, config, weights) = MODELS.iter().find(|(known, ..)| *known == name)?;
    let mut files = lab::tokenizer_files();
    files.insert("config.json".to_owned(), config.to_vec());
    files.insert("model.safetensors".to_owned(), weights.to_vec());
    Some(files)
}

/// Opens a model: one that travels in the binary, or one from elsewhere.
///
/// # Errors
///
/// [`StudyError::UnknownModel`] for a `lab:` name there is none of, [`StudyError::Model`] for what cannot
/// be fetched or read.
pub fn open(source: &Source, remote: &Remote) -> Result<Checkpoint, StudyError> {
    let Source::Shipped(name) = source else { return Ok(source::open(source, remote)?) };
    let files = model_files(name).ok_or_else(|| StudyError::UnknownModel {
        text: name.clone(),
        known: model_names().into_iter().map(str::to_owned).collect(),
    })?;
    Ok(hf::from_files(Path::new(name), files)?)
}

/// Studies and families of models that need nothing from outside.
const EXPERIMENTS: [(&str, &str); 4] = [
    ("lab-check", include_str!("../../../experiments/lab-ladder/check.toml")),
    ("lab-ladder", include_str!("../../../experiments/lab-ladder/family.toml")),
    ("lab-teacher", include_str!("../../../experiments/lab-ladder/teacher.toml")),
    ("quickstart", include_str!("../../../experiments/quickstart/study.toml")),
];
/// The lab's tokenizer, as a folder.
const TOKENIZER: &str = "lab:tokenizer";

/// Something that travels in the binary, as it is written out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shipped {
    /// One file.
    File(Vec<u8>),
    /// A folder's files by name.
    Folder(BTreeMap<String, Vec<u8>>),
}

/// Everything that travels in the binary: kind and name, no name twice.
pub fn list() -> Vec<(&'static str, String)> {
    let named = |kind: &'static str, names: Vec<&'static str>| {
        names.into_iter().map(move |name| (kind, name.to_owned()))
    };
    let experiments = EXPERIMENTS.iter().map(|(name, _)| *name).collect();
    named("experiment", experiments)
        .chain(named("model", model_names()))
        .chain(named("tokenizer", vec![TOKENIZER]))
        .chain(named("ruler", ruler_names()))
        .chain(named("task", task::builtin_names()))
        .chain(lab::FILES.map(|name| ("items", format!("lab:{name}"))))
        .collect()
}

/// What goes by a name; `None` for a name there is none of.
pub fn find(name: &str) -> Option<Shipped> {
    let text = |found: Option<&(&str, &'static str)>| found.map(|(_, text)| *text);
    let file = text(EXPERIMENTS.iter().find(|(known, _)| *known == name))
        .or_else(|| text(RULERS.iter().find(|(known, _)| *known == name)))
        .or_else(|| task::builtin_text(name))
        .map(str::to_owned)
        .or_else(|| lab::task_file(name.strip_prefix("lab:")?));
    let folder = || match name {
        TOKENIZER => Some(lab::tokenizer_files()),
        name => model_files(name),
    };
    file.map(|text| Shipped::File(text.into_bytes())).or_else(|| folder().map(Shipped::Folder))
}

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_that_is_listed_is_found_under_a_name_of_its_own() {
        let names: Vec<String> = list().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in &names {
            assert!(find(name).is_some(), "{name}");
        }
        assert_eq!(find("lab:nothing"), None);
    }

    #[test]
    fn models_open_and_an_unknown_one_lists_the_known() {
        let remote = Remote::new("nowhere");
        for name in model_names() {
            let checkpoint = open(&name.parse().unwrap(), &remote).unwrap();
            assert_eq!(checkpoint.files.len(), 2, "{name}");
        }
        let error = open(&"lab:student".parse().unwrap(), &remote).unwrap_err().to_string();
        assert!(error.contains("\"lab:student\"") && error.contains("lab:teacher"), "{error}");
    }
}
