//! A study with its names resolved: tasks parsed, ruler checked, places known.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pycno_density::Ruler;
use pycno_eval::Task;
use pycno_model::source::Source;

use crate::{
    Environment, StudyConfig, StudyError, StudyFile, config::CheckpointSource, pruning::Pruning,
    shipped,
};

/// A study ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Study {
    pub(crate) config: StudyConfig,
    /// The resolved study as TOML.
    pub(crate) resolved: String,
    /// BLAKE3 of that text.
    pub(crate) hash: String,
    /// Folder of the study file.
    pub(crate) folder: PathBuf,
    pub(crate) tasks: Vec<Task>,
    pub(crate) ruler: Ruler,
    /// By student, of those that are pruned.
    pub(crate) prunings: BTreeMap<String, Pruning>,
    pub(crate) environment: Environment,
}

impl Study {
    /// Looks up everything the study names.
    pub(crate) fn resolve(file: &StudyFile, environment: &Environment) -> Result<Self, StudyError> {
        let config = file.config.clone();
        let ruler = shipped::ruler(&config.ruler.name, &file.folder)?;
        let names = &config.eval.tasks;
        let tasks: Vec<Task> =
            names.iter().map(|name| shipped::task(name, &file.folder)).collect::<Result<_, _>>()?;
        for task in &config.ruler.tasks {
            ruler.task(task)?;
        }
        Ok(Self {
            hash: blake3::hash(file.resolved.as_bytes()).to_hex().to_string(),
            resolved: file.resolved.clone(),
            folder: file.folder.clone(),
            prunings: prunings(&config, environment, &file.folder)?,
            environment: environment.clone(),
            config,
            tasks,
            ruler,
        })
    }

    /// Opens the teacher, downloading it if it is not in the cache.
    pub(crate) fn open_teacher(&self) -> Result<pycno_model::Checkpoint, StudyError> {
        let source = match &self.config.teacher.checkpoint {
            CheckpointSource::Data(path) => {
                let folder = self.environment.data_folder(&format!("data:{path}"))?;
                Source::at(folder.join(path))
            }
            CheckpointSource::Elsewhere(Source::Folder(path)) => {
                Source::Folder(self.folder.join(path))
            }
            CheckpointSource::Elsewhere(Source::Gguf(path)) => Source::Gguf(self.folder.join(path)),
            CheckpointSource::Elsewhere(remote) => remote.clone(),
        };
        shipped::open(&source, &self.environment.remote())
    }
}

fn prunings(
    config: &StudyConfig,
    environment: &Environment,
    folder: &Path,
) -> Result<BTreeMap<String, Pruning>, StudyError> {
    let pruned =
        config.student.iter().filter_map(|student| Some((student, student.prune.as_ref()?)));
    let resolved = pruned.map(|(student, section)| {
        Ok((student.name.clone(), Pruning::resolve(section, environment, folder)?))
    });
    resolved.collect()
}
