//! Reads a Hugging Face folder into a [`Checkpoint`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    config,
    family::ModelFamily,
    header::{self, Entry, FileDtype},
    masks,
    write::SaveDtype,
};
use crate::{
    Checkpoint, HostTensor, ModelError, ModelSpec, Part, TensorId,
    files::{parse_json, read_if_there, read_json, refuse_pointer},
    map::{FileBytes, map},
};

/// The config's file name.
pub(crate) const CONFIG: &str = "config.json";
/// The weights' file name where there is one file.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// The index's file name where there are several.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// Files that travel with the weights unchanged. `generation_config.json` says how text is sampled, which nothing here does; what
/// tokens stand for its ends is read where the tokenizer's files say it.
pub(crate) const CARRIED: [&str; 11] = [
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer.model.v3",
    "tokenizer_config.json",
    "vocab.json",
];
/// Rotary frequencies that old files carry; the config says them.
const FREQUENCIES: &str = "rotary_emb.inv_freq";

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// A weights file.
struct Shard {
    path: PathBuf,
    bytes: Arc<FileBytes>,
    entries: BTreeMap<String, Entry>,
}

/// Reads `config.json`, the weights and the tokenizer's files of a folder.
///
/// Weights may be F32, F16 or BF16; they stay in the mapped files and become `f32` where they are read. The config's
/// `dtype` is set to what the files hold, so that [`SaveDtype::of`] can give them back bit for bit. Ignored are rotary frequencies and
/// the second copy of a tied embedding, if it is one.
///
/// # Errors
///
/// [`ModelError`] naming file and tensor (or key) for whatever the folder lacks or lies about.
pub fn read(folder: &Path) -> Result<Checkpoint, ModelError> {
    let config_path = folder.join(CONFIG);
    let config: Map<String, Value> = read_json(&config_path)?;
    let spec = config::spec(&config, &config_path)?;
    let redundant = Redundant::of(config::family(&config, &config_path)?, &spec);
    let shards = shards(folder, &redundant)?;
    let mut checkpoint = assembled(folder, (spec, config), shards, carried(folder)?)?;
    checkpoint.masks = masks::read(folder, &checkpoint.tensors)?;
    Ok(checkpoint)
}

/// The same from files that are not on disk, by name: `config.json`, `model.safetensors` and those that
/// travel with them. `origin` stands for the folder in messages.
///
/// # Errors
///
/// As [`read`].
pub fn from_files(
    origin: &Path,
    mut files: BTreeMap<String, Vec<u8>>,
) -> Result<Checkpoint, ModelError> {
    let mut take = |name: &str| {
        let found = files.remove(name);
        found.ok_or_else(|| ModelError::malformed(origin, name, "a file", "none"))
    };
    let (config, weights) = (take(CONFIG)?, take(WEIGHTS)?);
    let path = origin.join(CONFIG);
    let config: Map<String, Value> = parse_json(&path, &config)?;
    let spec = config::spec(&config, &path)?;
    let shard = Shard::parse(origin.join(WEIGHTS), FileBytes::Held(weights))?;
    assembled(origin, (spec, config), vec![shard], files)
}

fn assembled(
    folder: &Path,
    (spec, mut config): (ModelSpec, Map<String, Value>),
    mut shards: Vec<Shard>,
    files: BTreeMap<String, Vec<u8>>,
) -> Result<Checkpoint, ModelError> {
    let family = config::family(&config, &folder.join(CONFIG))?;
    drop_redundant(&Redundant::of(family, &spec), &mut shards)?;
    let dtype = SaveDtype::holding(shards.iter().flat_map(Shard::dtypes));
    for key in ["torch_dtype", "dtype"] {
        config.insert(key.to_owned(), dtype.name().into());
    }
    let refused =
        |source| ModelError::Refused { path: folder.to_owned(), source: Box::new(source) };
    let tensors = identified(family, &spec, &shards).map_err(refused)?;
    let checkpoint = Checkpoint { files, config, ..Checkpoint::new(spec, tensors) };
    checkpoint.check().map_err(refused)?;
    Ok(checkpoint)
}

/// The tensors that the spec calls for, found under the family's names.
fn identified(
    family: &ModelFamily,
    spec: &ModelSpec,
    shards: &[Shard],
) -> Result<BTreeMap<TensorId, HostTensor>, ModelError> {
    let mut found: BTreeMap<&str, (&Shard, &Entry)> = BTreeMap::new();
    for shard in shards {
        found.extend(shard.entries.iter().map(|(name, entry)| (name.as_str(), (shard, entry))));
    }
    let (mut known, mut missing, mut misshapen) = (Vec::new(), Vec::new(), Vec::new());
    for (id, shape) in spec.shapes() {
        // A part without a name in the family is missing under our own.
        let name = family.tensor(id).unwrap_or_else(|| id.to_string());
        match found.remove(name.as_str()) {
            None => missing.push(name),
            Some((_, entry)) if entry.shape != shape => {
                misshapen.push(format!("{name}: expected {shape:?}, found {:?}", entry.shape));
            }
            Some(place) => known.push((id, place)),
        }
    }
    let unexpected: Vec<String> = found.into_keys().map(str::to_owned).collect();
    if missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() {
        Ok(known.into_iter().map(|(id, (shard, entry))| (id, shard.tensor(entry))).collect())
    } else {
        Err(ModelError::Tensors { missing, unexpected, misshapen })
    }
}

/// Names of the weights files of a folder, from the index if there is one.
///
/// # Errors
///
/// [`ModelError`] if there are neither weights nor index, or the index names files elsewhere.
pub(crate) fn weights_files(folder: &Path) -> Result<Vec<String>, ModelError> {
    if folder.join(WEIGHTS).exists() {
        return Ok(vec![WEIGHTS.to_owned()]);
    }
    let files: BTreeSet<String> = index(folder)?.weight_map.into_values().collect();
    Ok(files.into_iter().collect())
}

fn index(folder: &Path) -> Result<Index, ModelError> {
    let path = folder.join(INDEX);
    if !path.exists() {
        let expected = format!("{WEIGHTS} or {INDEX}");
        return Err(ModelError::malformed(folder, "weights", &expected, listing(folder)));
    }
    let index: Index = read_json(&path)?;
    for (tensor, file) in &index.weight_map {
        let mut parts = Path::new(file).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        if !plain || !file.ends_with(".safetensors") {
            let expected = "the name of a .safetensors file in the same folder";
            return Err(ModelError::malformed(&path, tensor, expected, format!("{file:?}")));
        }
    }
    Ok(index)
}

/// What stands in a folder instead, for a message.
fn listing(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: BTreeSet<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).take(20).collect();
    if names.is_empty() { "no files".to_owned() } else { Vec::from_iter(names).join(", ") }
}

fn shards(folder: &Path, redundant: &Redundant) -> Result<Vec<Shard>, ModelError> {
    let files = weights_files(folder)?;
    let shards: Vec<Shard> =
        files.iter().map(|file| Shard::open(folder.join(file))).collect::<Result<_, _>>()?;
    if !folder.join(WEIGHTS).exists() {
        check_index(folder, &files, &shards, redundant)?;
    }
    Ok(shards)
}

/// Each tensor must lie in the file the index names, and in no other; one that nobody needs may be missing.
fn check_index(
    folder: &Path,
    files: &[String],
    shards: &[Shard],
    redundant: &Redundant,
) -> Result<(), ModelError> {
    let index = index(folder)?;
    let path = folder.join(INDEX);
    for (file, shard) in files.iter().zip(shards) {
        for (tensor, _) in index.weight_map.iter().filter(|(_, named)| *named == file) {
            if !shard.entries.contains_key(tensor) && !redundant.is(tensor) {
                let expected = format!("the tensor in {file}, as {INDEX} says");
                return Err(ModelError::malformed(
                    &shard.path,
                    tensor,
                    &expected,
                    "no such tensor",
                ));
            }
        }
        for tensor in shard.entries.keys() {
            let named = index.weight_map.get(tensor);
            if named != Some(file) {
                let found = named.map_or("nothing", String::as_str);
                return Err(ModelError::malformed(&path, tensor, file, found));
            }
        }
    }
    Ok(())
}

/// Tensors that a config makes redundant: frequencies, and the head of a tied model.
struct Redundant {
    /// Its head and embedding.
    tied: Option<[String; 2]>,
}

impl Redundant {
    fn of(family: &ModelFamily, spec: &ModelSpec) -> Self {
        let name = |part| family.tensor(TensorId::outside(part)).unwrap_or_default();
        Self { tied: spec.tied.then(|| [Part::Head, Part::Embedding].map(name)) }
    }

    fn is(&self, name: &str) -> bool {
        name.ends_with(FREQUENCIES) || self.tied.as_ref().is_some_and(|[head, _]| head == name)
    }
}

/// Drops what is redundant; the head of a tied model must be the embedding.
fn drop_redundant(redundant: &Redundant, shards: &mut [Shard]) -> Result<(), ModelError> {
    if let Some([head, embedding]) = &redundant.tied {
        expect_same(head, embedding, shards)?;
    }
    for shard in shards {
        shard.entries.retain(|name, _| !redundant.is(name));
    }
    Ok(())
}

/// Refuses two tensors that differ, if both are there.
fn expect_same(head: &str, embedding: &str, shards: &[Shard]) -> Result<(), ModelError> {
    let bytes = |name: &str| {
        shards.iter().find_map(|shard| Some((&shard.path, shard.raw(shard.entries.get(name)?))))
    };
    if let (Some((path, own)), Some((_, shared))) = (bytes(head), bytes(embedding))
        && own != shared
    {
        let expected = format!("the bytes of {embedding} (tie_word_embeddings is true)");
        return Err(ModelError::malformed(path, head, &expected, "other values"));
    }
    Ok(())
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, ModelError> {
        let bytes = map(&path)?;
        refuse_pointer(&path, &bytes)?;
        Self::parse(path, bytes)
    }

    fn parse(path: PathBuf, bytes: FileBytes) -> Result<Self, ModelError> {
        let entries = header::parse(&path, &bytes)?;
        Ok(Self { path, bytes: Arc::new(bytes), entries })
    }

    fn raw(&self, entry: &Entry) -> (&[u8], FileDtype) {
        (&self.bytes[entry.bytes.clone()], entry.dtype)
    }

    fn dtypes(&self) -> impl Iterator<Item = FileDtype> {
        self.entries.values().map(|entry| entry.dtype)
    }

    fn tensor(&self, entry: &Entry) -> HostTensor {
        let place = (&self.bytes, entry.bytes.clone());
        HostTensor::stored(entry.shape.clone(), place, entry.dtype.into())
    }
}

fn carried(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, ModelError> {
    let found = CARRIED.iter().map(|name| Ok((*name, read_if_there(&folder.join(name))?)));
    let found: Vec<_> = found.collect::<Result<_, ModelError>>()?;
    let there = found.into_iter().filter_map(|(name, content)| Some((name.to_owned(), content?)));
    Ok(there.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hf::fixture::{self, Written, named, shard_of};

    const HEAD: &str = "lm_head.weight";
    const FINAL_NORM: &str = "model.norm.weight";

    /// Checks that a folder is refused and that the chain of causes says each of `words`.
    #[track_caller]
    fn refused(written: &Written, words: &[&str]) {
        let error = read(&written.folder).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let message = format!("{error}: {}", cause.unwrap_or_default());
        for word in words {
            assert!(message.contains(word), "{message:?} does not say {word:?}");
        }
    }

    fn sharded() -> (Checkpoint, Written) {
        let checkpoint = fixture::checkpoint(&json!({}));
        let written = Written::new(&checkpoint);
        written.shard(&checkpoint);
        (checkpoint, written)
    }

    fn map_of(checkpoint: &Checkpoint) -> BTreeMap<String, String> {
        let file = |name: String| {
            let file = shard_of(&name).to_owned();
            (name, file)
        };
        named(checkpoint).into_keys().map(file).collect()
    }

    #[test]
    fn shards_are_joined() {
        let (checkpoint, written) = sharded();
        assert!(read(&written.folder).unwrap().tensors == checkpoint.tensors);
    }

    #[test]
    fn files_in_memory_are_read_as_those_of_a_folder() {
        let checkpoint = fixture::checkpoint(&json!({}));
        let written = Written::new(&checkpoint);
        let mut files: BTreeMap<String, Vec<u8>> = [CONFIG, WEIGHTS]
            .map(|name| (name.to_owned(), fs::read(written.folder.join(name)).unwrap()))
            .into();
        files.insert("tokenizer.json".to_owned(), b"{}".to_vec());
        let found = from_files(Path::new("memory"), files.clone()).unwrap();
        assert!(found.tensors == checkpoint.tensors && found.spec == checkpoint.spec);
        assert_eq!(found.files["tokenizer.json"], b"{}");
        files.remove(WEIGHTS);
        let error = from_files(Path::new("memory"), files).unwrap_err().to_string();
        assert!(error.contains("memory") && error.contains(WEIGHTS), "{error}");
    }

    #[test]
    fn a_missing_config_or_missing_weights_are_named() {
        let written = Written::new(&fixture::checkpoint(&json!({})));
        fs::remove_file(written.folder.join(WEIGHTS)).unwrap();
        refused(&written, &["model.safetensors or", INDEX, "found config.json"]);
        fs::remove_file(written.folder.join(CONFIG)).unwrap();
        refused(&written, &["cannot read", CONFIG]);
        fs::write(written.folder.join(CONFIG), "{").unwrap();
        refused(&written, &[CONFIG, "JSON", "line 1"]);
    }

    #[test]
    fn a_truncated_file_is_named_with_the_tensor() {
        let written = Written::new(&fixture::checkpoint(&json!({})));
        let path = written.folder.join(WEIGHTS);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        refused(&written, &[WEIGHTS, "model.norm.weight", "bytes of data"]);
        fs::write(&path, []).unwrap();
        refused(&written, &[WEIGHTS, "header", "0 bytes"]);
    }

    #[test]
    fn missing_extra_and_misshapen_tensors_are_all_listed() {
        let checkpoint = fixture::checkpoint(&json!({}));
        let written = Written::new(&checkpoint);
        let mut tensors = named(&checkpoint);
        let norm = tensors.remove(FINAL_NORM).unwrap();
        tensors.insert("extra".to_owned(), norm);
        tensors.insert(HEAD.to_owned(), HostTensor::new(vec![1, 2], vec![0.0; 2]));
        written.weights(&tensors);
        refused(
            &written,
            &[
                "missing [model.norm.weight]",
                "unexpected [extra]",
                "lm_head.weight: expected [10, 8]",
            ],
        );
    }

    #[test]
    fn an_index_may_list_tensors_that_nobody_needs() {
        let checkpoint = fixture::checkpoint(&json!({ "tie_word_embeddings": true }));
        let written = Written::new(&checkpoint);
        written.shard(&checkpoint);
        let mut map = map_of(&checkpoint);
        let file = map.values().next().unwrap().clone();
        map.insert(HEAD.to_owned(), file.clone());
        map.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), file.clone());
        written.index(&map);
        assert!(read(&written.folder).unwrap().tensors == checkpoint.tensors);
        map.insert("model.layers.0.self_attn.q_proj.lora".to_owned(), file);
        written.index(&map);
        refused(&written, &["q_proj.lora", "no such tensor"]);
    }

    #[test]
    fn what_stands_for_a_file_is_named() {
        for name in [CONFIG, WEIGHTS, "tokenizer.json"] {
            let written = Written::new(&fixture::checkpoint(&json!({})));
            let pointer = "version https://git-lfs.example/spec/v1\noid sha256:0\nsize 9\n";
            fs::write(written.folder.join(name), pointer).unwrap();
            refused(&written, &[name, "git lfs pull"]);
        }
    }

    #[test]
    fn a_shard_that_the_index_names_must_be_there() {
        let (_, written) = sharded();
        fs::remove_file(written.folder.join("b.safetensors")).unwrap();
        refused(&written, &["cannot read", "b.safetensors"]);
    }

    #[test]
    fn index_and_shards_must_agree() {
        let (checkpoint, written) = sharded();
        let mut map = map_of(&checkpoint);
        map.insert(FINAL_NORM.to_owned(), "a.safetensors".to_owned());
        written.index(&map);
        refused(&written, &["a.safetensors", FINAL_NORM, "no such tensor"]);
        map.remove(FINAL_NORM);
        written.index(&map);
        refused(&written, &[INDEX, FINAL_NORM, "expected b.safetensors, found nothing"]);
    }

    #[test]
    fn an_index_cannot_point_out_of_its_folder() {
        let (checkpoint, written) = sharded();
        for file in ["../x.safetensors", "/x.safetensors", "d/x.safetensors", "x.bin", ""] {
            let mut map = map_of(&checkpoint);
            map.insert(HEAD.to_owned(), file.to_owned());
            written.index(&map);
            refused(&written, &[INDEX, HEAD, "in the same folder"]);
        }
    }

    #[test]
    fn a_tied_models_second_head_must_be_the_embedding() {
        let checkpoint = fixture::checkpoint(&json!({ "tie_word_embeddings": true }));
        let written = Written::new(&checkpoint);
        let mut tensors = named(&checkpoint);
        tensors.insert(HEAD.to_owned(), tensors["model.embed_tokens.weight"].clone());
        tensors.insert(
            "model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(),
            HostTensor::new(vec![1], vec![1.0]),
        );
        written.weights(&tensors);
        assert!(read(&written.folder).unwrap().tensors == checkpoint.tensors);
        tensors.insert(HEAD.to_owned(), HostTensor::new(vec![10, 8], vec![0.0; 80]));
        written.weights(&tensors);
        refused(&written, &[WEIGHTS, HEAD, "tie_word_embeddings"]);
    }

    #[test]
    fn an_untied_config_needs_a_head() {
        let written = Written::new(&fixture::checkpoint(&json!({ "tie_word_embeddings": true })));
        written.set(&json!({ "tie_word_embeddings": false }));
        refused(&written, &["missing [lm_head.weight]"]);
    }

    #[test]
    fn the_files_type_overrides_the_configs_word() {
        let written = Written::new(&fixture::checkpoint(&json!({})));
        written.set(&json!({ "dtype": "bfloat16" }));
        assert_eq!(read(&written.folder).unwrap().config["dtype"], "float32");
    }
}
