//! Reads GGUF files of several architectures
//! ([format](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3).
//!
//! A GGUF file is a model in one piece: metadata, tokenizer and quantized weights. What comes out is an
//! ordinary [`Checkpoint`]: weights that are unpacked where they are read, and the `config.json`
//! and `tokenizer.json` that the file was once converted from, rebuilt.

mod arch;
mod byte_level;
mod config;
#[cfg(test)]
mod fixture;
mod header;
mod known;
mod metadata;
mod sentencepiece;
mod spec;
mod tensors;
mod tokenizer;

use std::{path::Path, sync::Arc};

pub use self::arch::{ARCHITECTURES, Architecture};

use self::header::Gguf;
use crate::{
    Checkpoint, ModelError,
    files::refuse_pointer,
    map::{FileBytes, map},
};

/// Reads a GGUF file into a checkpoint.
///
/// # Errors
///
/// [`ModelError::Io`] if the file cannot be read; [`ModelError::Malformed`], naming file and key or
/// tensor, if it is broken, of an architecture that is not known, or in a type or with a tokenizer that is
/// not supported; [`ModelError::Tensors`] if tensors are missing.
pub fn read(path: &Path) -> Result<Checkpoint, ModelError> {
    let bytes = map(path)?;
    refuse_pointer(path, &bytes)?;
    parse(path, &Arc::new(bytes))
}

/// As [`read`], from bytes; `path` is for messages.
fn parse(path: &Path, bytes: &Arc<FileBytes>) -> Result<Checkpoint, ModelError> {
    let file = Gguf::parse(path, bytes)?;
    let (architecture, spec) = spec::read(&file)?;
    let files = tokenizer::files(&file, &spec)?;
    let config = config::build(&file, architecture, &spec)?;
    known::check_left(&file.metadata, architecture.name)?;
    let tensors = tensors::read((&file, bytes), architecture, &spec)?;
    let checkpoint = Checkpoint { files, config, ..Checkpoint::new(spec, tensors) };
    checkpoint.check()?;
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        fixture::{Fixture, parsed, refusal},
        metadata::Value,
        *,
    };
    use crate::{Part, TensorId};

    /// Checks that a header whose bytes are overwritten at a place is refused with a text.
    #[track_caller]
    fn check(at: usize, bytes: &[u8], expect: &str) {
        let mut file = Fixture::llama().bytes();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let message = parsed(&file).expect_err("a refusal").to_string();
        assert!(message.contains(expect), "{message}");
    }

    #[test]
    fn both_versions_are_read() {
        for version in [2, 3] {
            let fixture = Fixture { version, ..Fixture::llama() };
            let checkpoint = parsed(&fixture.bytes()).unwrap();
            assert_eq!(checkpoint.tensors.len(), 11);
            assert_eq!(
                checkpoint.tensors[&TensorId::outside(Part::FinalNorm)].values()[3].to_bits(),
                3_f32.to_bits()
            );
        }
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        check(0, b"GGML", "a.gguf: magic: expected GGUF, found GGML");
        check(4, &1_u32.to_le_bytes(), "version: expected 2 or 3 in little endian, found 1");
        check(4, &99_u32.to_le_bytes(), "found 99");
        check(4, &3_u32.to_be_bytes(), "found version 3 in big endian");
    }

    #[test]
    fn counts_that_lie_are_refused_without_taking_memory() {
        let huge = u64::MAX.to_le_bytes();
        check(8, &huge, "expected");
        check(16, &huge, "expected");
        check(24, &huge, "metadata key: expected 18446744073709551615 bytes");
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let file = Fixture::llama().bytes();
        for len in 0..file.len() {
            assert!(parsed(&file[..len]).is_err(), "{len} of {} bytes", file.len());
        }
    }

    #[test]
    fn tensors_that_lie_about_their_bytes_are_refused() {
        let with = |change: fn(&mut fixture::Stored)| {
            let mut fixture = Fixture::llama();
            change(fixture.tensors.last_mut().expect("a tensor"));
            refusal(&fixture)
        };
        assert!(
            with(|it| it.shift = 1 << 40).contains("tensor blk.0.ffn_down.weight: expected 384")
        );
        assert!(with(|it| it.shift = 1 << 63).contains("bytes, found 0 before the end"));
        assert!(with(|it| it.shift = 4).contains("an offset that 32 divides"));
        assert!(with(|it| it.shift = 0_u64.wrapping_sub(32)).contains("which ends at"));
        assert!(with(|it| it.shape = vec![1 << 40, 1 << 40]).contains("a size below 2^64"));
        assert!(with(|it| it.shape = vec![16, 0]).contains("extents of at least 1, found 0"));
        assert!(with(|it| it.shape = vec![1; 5]).contains("1 to 4 dimensions, found 5"));
        let twice = with(|it| it.name = "blk.0.ffn_up.weight".to_owned());
        assert!(twice.contains("tensor blk.0.ffn_up.weight: expected one of that name, found two"));
    }

    /// The refusal of a last tensor of another type and shape over its 384 bytes.
    fn refusal_of(type_id: u32, shape: [u64; 2]) -> String {
        let mut fixture = Fixture::llama();
        let tensor = fixture.tensors.last_mut().expect("a tensor");
        (tensor.type_id, tensor.shape) = (type_id, shape.to_vec());
        refusal(&fixture)
    }

    #[test]
    fn rows_must_be_whole_blocks() {
        for (type_id, block_len) in [(8, 32), (6, 32), (20, 32), (10, 256), (12, 256), (14, 256)] {
            let expect = format!("rows that blocks of {block_len} divide, found rows of 6");
            assert!(refusal_of(type_id, [16, 6]).contains(&expect), "{type_id}");
        }
    }

    #[test]
    fn blocks_that_are_cut_off_are_refused() {
        for (type_id, block_bytes) in [(10, 84), (11, 110), (12, 144), (13, 176), (14, 210)] {
            let message = refusal_of(type_id, [8, 256]);
            let expect = format!("expected {} bytes, found 384 before", 8 * block_bytes);
            assert!(message.contains(&expect), "{message}");
        }
        for (type_id, block_bytes) in [(6, 22), (7, 24), (20, 18)] {
            let message = refusal_of(type_id, [8, 96]);
            let expect = format!("expected {} bytes, found 384 before", 24 * block_bytes);
            assert!(message.contains(&expect), "{message}");
        }
    }

    #[test]
    fn other_types_are_refused_with_the_known_ones() {
        let message = refusal_of(23, [16, 6]);
        let known =
            "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL";
        assert!(message.contains(&format!("one of the types {known}, found IQ4_XS")), "{message}");
        assert!(refusal_of(77, [16, 6]).contains("found number 77"));
    }

    #[test]
    fn alignment_must_be_a_power_of_two() {
        for alignment in [0, 48] {
            let fixture = Fixture::llama().with("general.alignment", Value::Integer(alignment));
            assert!(refusal(&fixture).contains("general.alignment: expected a power of two"));
        }
    }

    proptest! {
        #[test]
        fn a_file_with_a_broken_byte_does_not_panic(at in 0_usize..2000, byte in 0_u8..) {
            let mut file = Fixture::llama().bytes();
            let at = at % file.len();
            file[at] = byte;
            // Either answer will do: a weight may change, a count may not.
            let checkpoint = parsed(&file);
            prop_assert!(checkpoint.is_err() || checkpoint.is_ok_and(|it| it.check().is_ok()));
        }
    }
}
