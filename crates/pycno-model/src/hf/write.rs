//! Writes a [`Checkpoint`] as a Hugging Face folder that stock loaders read.

use std::{
    fs::{self, File},
    path::{Component, Path},
};

use safetensors::Dtype;

use super::{
    config,
    header::{self, FileDtype},
    masks::{self, MASKS},
    read::{CONFIG, WEIGHTS},
    stream::{self, Named},
};
use crate::{Checkpoint, HostTensor, Masks, ModelError, TensorId, map::map};

/// The type weights are saved in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SaveDtype {
    /// 32 bits: exact.
    F32,
    /// bfloat16, rounded to nearest, ties to even.
    Bf16,
    /// IEEE half, rounded to nearest, ties to even; for models that came in it.
    F16,
}

impl SaveDtype {
    /// The type the checkpoint's file had, by its config; [`SaveDtype::F32`] if it does not say.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let said =
            ["dtype", "torch_dtype"].iter().find_map(|key| checkpoint.config.get(*key)?.as_str());
        [Self::Bf16, Self::F16]
            .into_iter()
            .find(|dtype| said == Some(dtype.name()))
            .unwrap_or(Self::F32)
    }

    /// The name in `config.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    /// Bytes of a weight.
    pub const fn width(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// The narrowest type that holds values of all of these exactly.
    pub(super) fn holding(dtypes: impl Iterator<Item = FileDtype>) -> Self {
        let same = dtypes.map(Self::from).map(Some).reduce(|a, b| if a == b { a } else { None });
        same.flatten().unwrap_or(Self::F32)
    }

    /// The library's name and ours of the type in a file.
    pub(super) const fn in_file(self) -> (Dtype, FileDtype) {
        match self {
            Self::F32 => (Dtype::F32, FileDtype::F32),
            Self::Bf16 => (Dtype::BF16, FileDtype::Bf16),
            Self::F16 => (Dtype::F16, FileDtype::F16),
        }
    }
}

impl From<FileDtype> for SaveDtype {
    fn from(dtype: FileDtype) -> Self {
        match dtype {
            FileDtype::F32 => Self::F32,
            FileDtype::Bf16 => Self::Bf16,
            FileDtype::F16 => Self::F16,
        }
    }
}

/// Writes config, weights and carried files to a folder that is new or empty.
///
/// Everything goes to a folder beside it first, is synced, read back (header and sizes) and only then
/// renamed. The same checkpoint gives the same bytes.
///
/// # Errors
///
/// [`ModelError::Tensors`] for a checkpoint that does not match its spec, [`ModelError::Inexpressible`]
/// for one the format lacks words for, [`ModelError::NotEmpty`], [`ModelError::OutOfRange`],
/// [`ModelError::Io`], [`ModelError::Save`].
pub fn write(checkpoint: &Checkpoint, folder: &Path, dtype: SaveDtype) -> Result<(), ModelError> {
    checkpoint.check()?;
    let config = config::with_spec(&checkpoint.spec, &checkpoint.config, dtype.name())?;
    check_names(checkpoint, folder)?;
    check_empty(folder)?;
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(ModelError::io("create", parent))?;
    let beside = tempfile::Builder::new()
        .prefix(".pycno-")
        .tempdir_in(parent)
        .map_err(ModelError::io("create", parent))?;
    // A folder within, since the temporary one is closed to others.
    let partial = beside.path().join("model");
    fs::create_dir(&partial).map_err(ModelError::io("create", &partial))?;
    save_weights(&named(checkpoint, &config)?, &partial.join(WEIGHTS), dtype)?;
    for (name, content) in &checkpoint.files {
        save(&partial.join(name), content)?;
    }
    save_masks(&checkpoint.masks, &partial)?;
    save(&partial.join(CONFIG), format!("{:#}\n", serde_json::Value::Object(config)).as_bytes())?;
    sync(&partial)?;
    fs::rename(&partial, folder).map_err(ModelError::io("write", folder))?;
    sync(parent)
}

/// Carried files are plain names that clash with nothing written here.
fn check_names(checkpoint: &Checkpoint, folder: &Path) -> Result<(), ModelError> {
    for name in checkpoint.files.keys() {
        let mut parts = Path::new(name).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !plain || [CONFIG, WEIGHTS].contains(&name.as_str()) {
            let expected = format!("a file name other than {CONFIG} and {WEIGHTS}");
            return Err(ModelError::malformed(
                folder,
                "carried files",
                &expected,
                format!("{name:?}"),
            ));
        }
    }
    Ok(())
}

fn check_empty(folder: &Path) -> Result<(), ModelError> {
    if !folder.exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(folder).map_err(ModelError::io("write", folder))?;
    if entries.next().is_none() {
        Ok(())
    } else {
        Err(ModelError::NotEmpty { path: folder.to_owned() })
    }
}

/// The tensors by the names that the family of a config has for them.
fn named<'a>(
    checkpoint: &'a Checkpoint,
    config: &serde_json::Map<String, serde_json::Value>,
) -> Result<Named<'a>, ModelError> {
    let family = config::family(config, Path::new(CONFIG))?;
    let name = |(id, tensor): (&TensorId, &'a HostTensor)| {
        let name = family.tensor(*id).ok_or_else(|| ModelError::Inexpressible {
            what: format!("the model has {id}"),
            format: family.model_type.to_owned(),
        })?;
        Ok((name, tensor))
    };
    checkpoint.tensors.iter().map(name).collect()
}

/// Writes the weights and reads back what the file says it holds.
fn save_weights(named: &Named<'_>, path: &Path, dtype: SaveDtype) -> Result<(), ModelError> {
    stream::save(named, path, dtype)?;
    let written = header::parse(path, &map(path)?)?;
    for (name, tensor) in named {
        let sound = written
            .get(name)
            .is_some_and(|entry| entry.shape == tensor.shape() && entry.dtype == dtype.in_file().1);
        if !sound {
            let expected = format!("{} {:?} as written", dtype.name(), tensor.shape());
            return Err(ModelError::malformed(path, name, &expected, "something else"));
        }
    }
    Ok(())
}

fn save_masks(masks: &Masks, folder: &Path) -> Result<(), ModelError> {
    let path = folder.join(MASKS);
    let Some(inner) = path.parent().filter(|_| !masks.is_empty()) else { return Ok(()) };
    fs::create_dir(inner).map_err(ModelError::io("create", inner))?;
    masks::write(masks, &path)?;
    sync(inner)
}

fn save(path: &Path, content: &[u8]) -> Result<(), ModelError> {
    fs::write(path, content).map_err(ModelError::io("write", path))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), ModelError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(ModelError::io("write", path))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::hf::{fixture, read};

    fn target() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/model");
        (place, folder)
    }

    /// Writes the tiny model with its first embedding value replaced; gives that value as read back.
    fn round_trip(value: f32, dtype: SaveDtype) -> Result<f32, ModelError> {
        let mut checkpoint = fixture::checkpoint(&json!({}));
        let id = TensorId::outside(crate::Part::Embedding);
        let mut data = checkpoint.tensors[&id].values().to_vec();
        data[0] = value;
        checkpoint.tensors.insert(id, HostTensor::new(vec![10, 8], data));
        let (_place, folder) = target();
        write(&checkpoint, &folder, dtype)?;
        let again = read(&folder)?;
        assert_eq!(SaveDtype::of(&again), dtype);
        Ok(again.tensors[&id].values()[0])
    }

    #[test]
    fn every_type_gives_back_what_it_can_hold() {
        for dtype in [SaveDtype::F32, SaveDtype::Bf16, SaveDtype::F16] {
            let checkpoint = fixture::checkpoint(&json!({ "num_key_value_heads": 2 }));
            let (_place, folder) = target();
            write(&checkpoint, &folder, dtype).unwrap();
            assert!(read(&folder).unwrap().tensors == checkpoint.tensors, "{dtype:?}");
        }
    }

    #[test]
    fn bfloat16_rounds_to_nearest_and_ties_to_even() {
        let ulp = 2f32.powi(-7);
        for (value, expect) in [
            (1.0 + 0.5 * ulp, 1.0),
            (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
            (1.0 + 0.51 * ulp, 1.0 + ulp),
        ] {
            let found = round_trip(value, SaveDtype::Bf16).unwrap();
            assert_eq!(found.to_bits(), expect.to_bits(), "{value}");
        }
    }

    #[test]
    fn a_value_that_would_become_infinite_is_refused_by_tensor() {
        let message = round_trip(7e4, SaveDtype::F16).unwrap_err().to_string();
        assert!(message.contains("embed_tokens.weight") && message.contains("70000"), "{message}");
        assert!(round_trip(3.4e38, SaveDtype::Bf16).unwrap_err().to_string().contains("bfloat16"));
        assert_eq!(round_trip(7e4, SaveDtype::F32).unwrap().to_bits(), 7e4f32.to_bits());
    }

    #[test]
    fn a_folder_with_files_is_never_written_over() {
        let (_place, folder) = target();
        fs::create_dir_all(&folder).unwrap();
        let checkpoint = fixture::checkpoint(&json!({}));
        write(&checkpoint, &folder, SaveDtype::F32).unwrap();
        let error = write(&checkpoint, &folder, SaveDtype::F32).unwrap_err();
        assert!(matches!(error, ModelError::NotEmpty { .. }), "{error}");
    }

    #[test]
    fn a_refused_model_leaves_nothing_behind() {
        let (place, folder) = target();
        let mut checkpoint = fixture::checkpoint(&json!({}));
        checkpoint.spec.layers[1] = checkpoint.spec.layers[1].with_d_ffn(4);
        checkpoint.tensors = fixture::tensors(&checkpoint.spec);
        let message = write(&checkpoint, &folder, SaveDtype::F32).unwrap_err().to_string();
        assert!(message.contains("layers differ in d_ffn"), "{message}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn carried_files_cannot_leave_the_folder_or_replace_the_model() {
        for name in ["../x", "config.json", "model.safetensors", "a/b"] {
            let (_place, folder) = target();
            let mut checkpoint = fixture::checkpoint(&json!({}));
            checkpoint.files.insert(name.to_owned(), vec![]);
            let message = write(&checkpoint, &folder, SaveDtype::F32).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn carried_files_and_metadata_are_written() {
        let (_place, folder) = target();
        let mut checkpoint = fixture::checkpoint(&json!({}));
        checkpoint.files.insert("generation_config.json".to_owned(), b"{}".to_vec());
        write(&checkpoint, &folder, SaveDtype::F32).unwrap();
        assert!(read(&folder).unwrap().files == checkpoint.files);
        let bytes = fs::read(folder.join(WEIGHTS)).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    }

    #[cfg(unix)]
    #[test]
    fn weights_are_as_readable_as_any_other_file() {
        use std::os::unix::fs::PermissionsExt as _;

        let (place, folder) = target();
        write(&fixture::checkpoint(&json!({})), &folder, SaveDtype::F32).unwrap();
        let other = place.path().join("other");
        File::create(&other).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&folder.join(WEIGHTS)), mode(&other));
    }
}
