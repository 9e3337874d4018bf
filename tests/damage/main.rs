//! Damaged files of every kind, read in the process: each gives a value or an error, and no panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pycno_tests::{
    damage::damaged,
    readers::{READERS, reader},
};
use pycno_units::Seed;

/// Inputs per reader.
const INPUTS: u64 = 2000;

/// Reads the file as it is, which must work, and damaged in many ways, which may fail.
#[track_caller]
fn check(name: &str) {
    let reader = reader(name);
    let bytes = (reader.sample)();
    assert_eq!((reader.read)(&bytes), Ok(()), "the file as it is");
    let mut refused = 0;
    for input in 0..INPUTS {
        let damaged = damaged(&bytes, Seed(input));
        let outcome = catch_unwind(AssertUnwindSafe(|| (reader.read)(&damaged).is_err()));
        assert!(outcome.is_ok(), "{name}, input {input}: a panic");
        refused += u64::from(outcome.unwrap_or(false));
    }
    assert!(refused > INPUTS / 10, "{name}: {refused} refused: the damage reaches nothing");
}

/// A test per reader, so that they run side by side.
macro_rules! damage {
    ($($test:ident $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn every_reader_is_tried() {
            assert_eq!(READERS.map(|reader| reader.name), [$($name),*]);
        }
    };
}

damage! {
    weights "weights", config "config", masks "masks", gguf "gguf", gguf_k "gguf-k",
    tokenizer "tokenizer", tokenizer_lab "tokenizer-lab", tokenizer_config "tokenizer-config",
    study "study", family "family", task "task", items "items", jsonl "jsonl", json "json",
    ruler "ruler", ruler_spec "ruler-spec", table "table", plan "plan", statistics "statistics",
    record "record",
}
