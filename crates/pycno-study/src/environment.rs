//! What a study finds around it: a device, a data folder, a cache. Given by the command line.

use std::path::{Path, PathBuf};

use pycno_data::{Corpus, corpus, lab};
use pycno_eval::{Selection, Task, TaskItems, items};
use pycno_model::source::Remote;

use crate::{DeviceName, StudyError, shipped};

/// Where things are, and what computes.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What computes.
    pub device: DeviceName,
    /// Folder of texts and question sets.
    pub data: Option<PathBuf>,
    /// Folder for downloaded models.
    pub cache: PathBuf,
    /// Mirror for `hf:` sources; `None` for the hub's own.
    pub hub_endpoint: Option<String>,
    /// Token for `hf:` sources that want one.
    pub hub_token: Option<String>,
}

impl Environment {
    /// Finds a file a study names: `data:PATH` in the data folder, else beside the study file.
    ///
    /// # Errors
    ///
    /// [`StudyError::DataFolder`] if the data folder is wanted and not given.
    pub fn place(&self, written: &str, study_folder: &Path) -> Result<PathBuf, StudyError> {
        match written.strip_prefix("data:") {
            Some(path) => Ok(self.data_folder(written)?.join(path)),
            None => Ok(study_folder.join(written)),
        }
    }

    /// What fetching a model needs to know.
    pub(crate) fn remote(&self) -> Remote {
        Remote {
            hub_endpoint: self.hub_endpoint.clone(),
            hub_token: self.hub_token.clone(),
            ..Remote::new(&self.cache)
        }
    }

    /// Reads a text a study names: one of the lab's, or a file or folder.
    pub(crate) fn corpus(&self, written: &str, study_folder: &Path) -> Result<Corpus, StudyError> {
        match written.strip_prefix("lab:") {
            Some(_) => Ok(lab::corpus(written)?),
            None => Ok(corpus::read(&self.place(written, study_folder)?)?),
        }
    }

    /// The items of tasks by name, or from files that start at the folder.
    pub(crate) fn tasks(
        &self,
        names: &[String],
        folder: &Path,
        selection: Selection,
    ) -> Result<Vec<TaskItems>, StudyError> {
        let load = |name: &String| self.items(&shipped::task(name, folder)?, selection);
        names.iter().map(load).collect()
    }

    /// The items of a task, from the data folder unless they are the lab's.
    pub(crate) fn items(&self, task: &Task, selection: Selection) -> Result<TaskItems, StudyError> {
        let data = match task.lab_file() {
            Some(_) => None,
            None => Some(self.data_folder(&format!("task {}", task.name))?),
        };
        items::load(task, data, selection).map_err(|source| StudyError::Task {
            task: task.name.clone(),
            source: Box::new(source),
        })
    }

    /// The data folder.
    ///
    /// # Errors
    ///
    /// [`StudyError::DataFolder`] if none is given.
    pub fn data_folder(&self, wanted: &str) -> Result<&Path, StudyError> {
        self.data.as_deref().ok_or_else(|| StudyError::DataFolder { wanted: wanted.to_owned() })
    }
}
