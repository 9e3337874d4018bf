//! Checkpoints through files, the decoder and back.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use pycno_model::{
    Decoder,
    hf::{self, SaveDtype},
};
use pycno_tests::data_dir_for;

use crate::fixture::{NAMES, checkpoint, folder};

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_decoder_gives_back_the_weights_bit_for_bit() {
    for name in NAMES {
        let checkpoint = checkpoint(name);
        let decoder = Decoder::new(&checkpoint, &Device::flex()).unwrap();
        assert!(decoder.tensors() == checkpoint.tensors, "{name}");
    }
}

#[test]
fn what_was_loaded_saves_back_bit_for_bit() {
    let place = tempfile::tempdir().unwrap();
    for name in NAMES {
        let loaded = checkpoint(name);
        let first = place.path().join(name);
        hf::write(&loaded, &first, SaveDtype::of(&loaded)).unwrap();
        let again = hf::read(&first).unwrap();
        assert!(again.tensors == loaded.tensors && again.spec == loaded.spec, "{name}");
        let second = place.path().join(format!("{name}-again"));
        hf::write(&again, &second, SaveDtype::of(&again)).unwrap();
        assert_eq!(contents(&first), contents(&second), "{name}");
        if !["gqa_sharded", "qwen3"].contains(&name) {
            let original = fs::metadata(folder(name).join("model.safetensors")).unwrap().len();
            let data = fs::metadata(first.join("model.safetensors")).unwrap().len();
            assert!(original.abs_diff(data) < 64, "{name}: {original} bytes became {data}");
        }
    }
}

#[test]
fn shards_hold_what_one_file_holds() {
    let (shards, single) = (checkpoint("gqa_sharded"), checkpoint("gqa_untied"));
    assert!(shards.tensors == single.tensors);
    assert_eq!(shards.spec, single.spec);
}

#[test]
fn the_type_of_the_file_is_remembered() {
    for (name, dtype) in
        [("bf16_file", SaveDtype::Bf16), ("f16_file", SaveDtype::F16), ("biases", SaveDtype::F32)]
    {
        assert_eq!(SaveDtype::of(&checkpoint(name)), dtype, "{name}");
    }
}

#[test]
fn tokenizer_files_travel_unchanged() {
    let Some(data) = data_dir_for("tokenizer_files_travel_unchanged") else { return };
    let original = data.join("models/stories260K");
    let place = tempfile::tempdir().unwrap();
    let written = place.path().join("copy");
    let checkpoint = hf::read(&original).unwrap();
    hf::write(&checkpoint, &written, SaveDtype::of(&checkpoint)).unwrap();
    let (before, after) = (contents(&original), contents(&written));
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        assert_eq!(before[name], after[name], "{name}");
    }
}
