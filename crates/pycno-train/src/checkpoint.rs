//! A run on disk: weights, both running means, the steps so far and whose run it is.
//!
//! Written aside, synced and renamed; older ones go only when the new one is durable. Everything is
//! stored by parameter path, so that a new process continues bit for bit.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use pycno_data::hash::sha256_hex;
use pycno_model::Decoder;
use pycno_record::TrainingStep;
use safetensors::{Dtype, SafeTensors, View};
use sha2::{Digest as _, Sha256};

use crate::{
    TrainError,
    optimizer::{Moments, Optimizer},
    parameters,
};

const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";
const WEIGHT: &str = "weight/";
const FIRST: &str = "first/";
const SECOND: &str = "second/";

/// A run between two steps.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) student: Decoder,
    pub(crate) optimizer: Optimizer,
    pub(crate) steps: Vec<TrainingStep>,
}

/// Writes a run's state, then removes older ones; a failure leaves those as they were.
pub(crate) fn save(folder: &Path, run: &str, state: &State) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let name = format!("{PREFIX}{:08}{SUFFIX}", state.steps.len());
    let (path, aside) = (folder.join(&name), folder.join(format!("{name}.part")));
    write(&aside, run, state).inspect_err(|_| {
        // Half a file on a full disk would only keep the next one from its place.
        let _ = fs::remove_file(&aside);
    })?;
    fs::rename(&aside, &path).map_err(io_error("rename", &aside))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("sync", folder))?;
    for old in saved(folder)?.into_iter().filter(|old| *old != path) {
        fs::remove_file(&old).map_err(io_error("remove", &old))?;
    }
    Ok(())
}

fn write(aside: &Path, run: &str, state: &State) -> Result<(), TrainError> {
    let steps = serde_json::to_string(&state.steps)
        .map_err(|source| io_error("write", aside)(source.into()))?;
    let views = views(state);
    let content = content_hash(views.iter().map(|(name, x)| (name.as_str(), x.data())), &steps);
    let head = [("run", run.to_owned()), ("steps", steps), ("content", content)];
    let head = head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    safetensors::serialize_to_file(views, Some(head), aside)
        .map_err(|source| TrainError::Format { action: "write", path: aside.to_owned(), source })?;
    File::open(aside).and_then(|file| file.sync_all()).map_err(io_error("sync", aside))
}

/// SHA-256 over names and bytes of the tensors, by name, and the steps.
fn content_hash<'a>(
    tensors: impl Iterator<Item = (&'a str, Cow<'a, [u8]>)>,
    steps: &str,
) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    for (name, bytes) in tensors {
        hash.update(name);
        hash.update(bytes);
    }
    hash.update(steps);
    sha256_hex(&hash.finalize())
}

/// Removes a finished run's checkpoints.
pub(crate) fn remove(folder: &Path) -> Result<(), TrainError> {
    fs::remove_dir_all(folder).map_err(io_error("remove", folder))
}

/// Loads the latest state of a run into a fresh student, or `None` if there is none yet.
pub(crate) fn load(
    folder: &Path,
    run: &str,
    student: &Decoder,
    device: &Device,
) -> Result<Option<State>, TrainError> {
    if !folder.exists() {
        return Ok(None);
    }
    let Some(path) = saved(folder)?.pop() else { return Ok(None) };
    let bytes = fs::read(&path).map_err(io_error("read", &path))?;
    let format = |source| TrainError::Format { action: "read", path: path.clone(), source };
    let file = SafeTensors::deserialize(&bytes).map_err(format)?;
    let steps = head(&bytes, &path, (run, &file))?;
    let tensors = Tensors { file, path: &path, device };
    Ok(Some(State {
        student: tensors.weights(student.clone())?,
        optimizer: Optimizer {
            moments: tensors.moments()?,
            steps: steps.iter().filter(|step| !step.skipped).count() as u64,
        },
        steps,
    }))
}

/// The steps of a checkpoint, after checking whose it is and that it is whole.
fn head(
    bytes: &[u8],
    path: &Path,
    (run, file): (&str, &SafeTensors<'_>),
) -> Result<Vec<TrainingStep>, TrainError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|source| TrainError::Format {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let field = |name: &str| {
        let missing =
            || TrainError::Content { path: path.to_owned(), expected: format!("the field {name}") };
        metadata.metadata().as_ref().and_then(|head| head.get(name)).ok_or_else(missing)
    };
    let (found, steps, expected) = (field("run")?, field("steps")?, field("content")?);
    if found != run {
        let (expected, found) = (run.to_owned(), found.clone());
        return Err(TrainError::OtherRun { path: path.to_owned(), expected, found });
    }
    let tensors = file.iter().map(|(name, view)| (name, Cow::Borrowed(view.data())));
    let content = content_hash(tensors, steps);
    if content != *expected {
        let (path, expected) = (path.to_owned(), expected.clone());
        return Err(TrainError::Damaged { path, expected, found: content });
    }
    serde_json::from_str(steps).map_err(|source| io_error("read", path)(source.into()))
}

/// An opened checkpoint.
struct Tensors<'a> {
    file: SafeTensors<'a>,
    path: &'a Path,
    device: &'a Device,
}

impl Tensors<'_> {
    fn weights(&self, student: Decoder) -> Result<Decoder, TrainError> {
        let mut problem = None;
        let student = parameters::replaced(student, &mut |path, old| {
            let found = self.flat(&format!("{WEIGHT}{path}"), old.dims()[0]);
            found.unwrap_or_else(|error| {
                problem.get_or_insert(error);
                old
            })
        });
        problem.map_or(Ok(student), Err)
    }

    fn moments(&self) -> Result<BTreeMap<String, Moments>, TrainError> {
        let names = self.file.names();
        let paths = names.into_iter().filter_map(|name| name.strip_prefix(FIRST));
        paths
            .map(|path| {
                let n = self.file.tensor(&format!("{FIRST}{path}")).map_or(0, |x| x.shape()[0]);
                let first = self.flat(&format!("{FIRST}{path}"), n)?;
                let second = self.flat(&format!("{SECOND}{path}"), n)?;
                Ok((path.to_owned(), Moments { first, second }))
            })
            .collect()
    }

    fn flat(&self, name: &str, n: usize) -> Result<Tensor<1>, TrainError> {
        let expected = format!("{name}, {n} numbers in f32");
        let view = self.file.tensor(name).ok();
        let view = view.filter(|view| view.dtype() == Dtype::F32 && view.shape() == [n]);
        let wrong = || TrainError::Content { path: self.path.to_owned(), expected };
        let bytes = view.ok_or_else(wrong)?.data().to_vec();
        let data = TensorData::from_bytes_vec(bytes, [n], DType::F32);
        Ok(Tensor::from_data(data, self.device))
    }
}

/// A tensor on its way to disk; its values are fetched when they are written.
struct Stored {
    tensor: Tensor<1>,
    shape: [usize; 1],
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.tensor.clone().into_data().as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape[0] * size_of::<f32>()
    }
}

fn views(state: &State) -> Vec<(String, Stored)> {
    let mut views = Vec::new();
    let mut push = |name: String, tensor: Tensor<1>| {
        views.push((name, Stored { shape: tensor.dims(), tensor }));
    };
    parameters::each(&state.student, &mut |path, x| push(format!("{WEIGHT}{path}"), x));
    for (path, moments) in &state.optimizer.moments {
        push(format!("{FIRST}{path}"), moments.first.clone());
        push(format!("{SECOND}{path}"), moments.second.clone());
    }
    views
}

/// Checkpoints of a folder, oldest first.
fn saved(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(io_error("read", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TrainError {
    let path = path.to_owned();
    move |source| TrainError::Io { action, path, source }
}
