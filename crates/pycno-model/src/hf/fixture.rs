//! A tiny model for the tests of this folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{SaveDtype, config, llama_name, write};
use crate::{Checkpoint, HostTensor, ModelSpec, TensorId};

/// A `config.json` with only what has no default.
pub(super) fn config() -> Map<String, Value> {
    let config = json!({
        "model_type": "llama",
        "vocab_size": 10,
        "hidden_size": 8,
        "intermediate_size": 6,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    });
    config.as_object().cloned().unwrap_or_default()
}

/// [`config`] with some keys set.
pub(super) fn config_with(changes: &Value) -> Map<String, Value> {
    let mut config = config();
    config.extend(changes.as_object().cloned().unwrap_or_default());
    config
}

pub(super) fn checkpoint(changes: &Value) -> Checkpoint {
    let config = config_with(changes);
    let spec = config::spec(&config, Path::new("config.json")).unwrap();
    Checkpoint { config, ..Checkpoint::new(spec.clone(), tensors(&spec)) }
}

/// Values that bfloat16 and half hold exactly.
pub(super) fn tensors(spec: &ModelSpec) -> BTreeMap<TensorId, HostTensor> {
    let tensor = |(i, (id, shape)): (usize, (TensorId, Vec<usize>))| {
        let data = (0..shape.iter().product()).map(|j: usize| ((i + j) % 7) as f32 / 4.0 - 0.5);
        (id, HostTensor::new(shape, data.collect()))
    };
    spec.shapes().enumerate().map(tensor).collect()
}

/// The tensors by their names in a Llama's folder.
pub(super) fn named(checkpoint: &Checkpoint) -> BTreeMap<String, HostTensor> {
    let name = |(id, tensor): (&TensorId, &HostTensor)| (llama_name(*id).unwrap(), tensor.clone());
    checkpoint.tensors.iter().map(name).collect()
}

/// Which of two files holds a tensor: the first has embedding and head.
pub(super) fn shard_of(name: &str) -> &'static str {
    let outside = name.starts_with("lm_head") || name.starts_with("model.embed_tokens");
    if outside { "a.safetensors" } else { "b.safetensors" }
}

/// A written model in a folder of its own.
pub(super) struct Written {
    _place: tempfile::TempDir,
    pub(super) folder: PathBuf,
}

impl Written {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        write(checkpoint, &folder, SaveDtype::F32).unwrap();
        Self { _place: place, folder }
    }

    /// Rewrites `config.json` with some keys set.
    pub(super) fn set(&self, changes: &Value) {
        let path = self.folder.join("config.json");
        let text = fs::read(&path).unwrap();
        let mut config: Map<String, Value> = serde_json::from_slice(&text).unwrap();
        config.extend(changes.as_object().cloned().unwrap_or_default());
        fs::write(path, Value::Object(config).to_string()).unwrap();
    }

    /// Splits the weights in two files behind an index; the first holds the tables.
    pub(super) fn shard(&self, checkpoint: &Checkpoint) {
        fs::remove_file(self.folder.join("model.safetensors")).unwrap();
        let tensors = named(checkpoint);
        let mut map = BTreeMap::new();
        for wanted in ["a.safetensors", "b.safetensors"] {
            let part = tensors.iter().filter(|(name, _)| shard_of(name) == wanted);
            save(&self.folder.join(wanted), part);
        }
        for name in tensors.keys() {
            map.insert(name.clone(), shard_of(name).to_owned());
        }
        self.index(&map);
    }

    pub(super) fn index(&self, map: &BTreeMap<String, String>) {
        let text = json!({ "metadata": {}, "weight_map": map }).to_string();
        fs::write(self.folder.join("model.safetensors.index.json"), text).unwrap();
    }

    /// Replaces the weights.
    pub(super) fn weights(&self, tensors: &BTreeMap<String, HostTensor>) {
        save(&self.folder.join("model.safetensors"), tensors.iter());
    }
}

fn save<'a>(path: &Path, tensors: impl Iterator<Item = (&'a String, &'a HostTensor)>) {
    let bytes: Vec<(&String, Vec<u8>, &[usize])> = tensors
        .map(|(name, tensor)| {
            (name, tensor.values().iter().flat_map(|x| x.to_le_bytes()).collect(), tensor.shape())
        })
        .collect();
    let views = bytes.iter().map(|(name, bytes, shape)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}
