//! One-layer models that together have every stored type, unpacked by the `gguf` package: `golden/gguf/types.gguf` and,
//! 256 wide for blocks of 256, `types256.gguf`.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor};
use pycno_data::Tokenizer;
use pycno_model::{Checkpoint, Decoder, gguf, hf::ModelFamily};
use safetensors::SafeTensors;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf").join(file)
}

fn checkpoint() -> Checkpoint {
    gguf::read(&golden("types.gguf")).unwrap()
}

/// Checks the weights of a file against those beside it, bit by bit.
#[track_caller]
fn check_bits(name: &str) {
    let bytes = std::fs::read(golden(&format!("{name}.safetensors"))).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = gguf::read(&golden(&format!("{name}.gguf"))).unwrap().tensors;
    let family = ModelFamily::named("llama").unwrap();
    assert_eq!(tensors.len(), expected.len());
    for (name, expected) in expected.iter() {
        let found = tensors.iter().find(|(id, _)| family.tensor(**id).as_deref() == Some(name));
        let found = found.unwrap().1;
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let found: Vec<u8> = found.values().iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(found == expected.data(), "{name}");
    }
}

#[test]
fn every_type_unpacks_to_the_bits_of_the_gguf_package() {
    check_bits("types");
    check_bits("types256");
}

#[test]
fn the_spec_and_the_config_are_those_that_were_written() {
    let Checkpoint { spec, config, .. } = checkpoint();
    let attention = spec.layers[0].attention.unwrap();
    assert_eq!((spec.vocab, spec.d_model, attention.d_head, spec.layers.len()), (48, 32, 16, 1));
    assert_eq!((spec.norm.eps, attention.rope.theta), (1e-6, 50000.0));
    let biases = [attention.qkv_bias, attention.o_bias, spec.layers[0].ffn.unwrap().bias];
    assert_eq!((spec.tied, biases), (false, [true, true, false]));
    assert_eq!(config["rms_norm_eps"], 1e-6);
    assert_eq!(config["rope_theta"], 50000.0);
}

#[test]
fn what_was_read_runs() {
    let decoder = Decoder::new(&checkpoint(), &Device::default()).unwrap();
    let ids = Tensor::<2, Int>::from_data([[1, 4, 5, 6]], &Device::default());
    let hidden: Vec<f32> = decoder.hidden(ids).into_data().try_to_vec().unwrap();
    assert_eq!(hidden.len(), 4 * 32);
    assert!(hidden.iter().all(|x| x.is_finite()));
}

#[test]
fn pieces_with_scores_make_a_tokenizer_with_bos() {
    let tokenizer = Tokenizer::from_files(&checkpoint().files).unwrap();
    // "abc": ab (id 30, score -30) beats bc (31), then c; the space in front is a piece of its own.
    let ids = tokenizer.encode("abc", true).unwrap();
    assert_eq!(ids, [1, 3, 30, 6]);
    assert_eq!(tokenizer.decode(&ids[1..]).unwrap(), "abc");
    assert_eq!(tokenizer.prefix_token(), Some(1));
}
