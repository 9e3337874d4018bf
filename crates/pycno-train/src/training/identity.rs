//! What a run is trained on, and its name.

use pycno_data::hash::sha256_hex;
use pycno_model::Checkpoint;
use pycno_units::Seed;
use sha2::{Digest, Sha256};

use crate::{TrainConfig, TrainError};

/// How a checkpoint of this version stores its matrices; another's is refused.
const LAYOUT: &str = "weights [d_out, d_in]";

/// Checks that sequences have one length and known tokens; gives the length.
pub(super) fn check_data(data: &[Vec<u32>], vocab: usize) -> Result<usize, TrainError> {
    let expected = data.first().map_or(2, Vec::len);
    for (index, sequence) in data.iter().enumerate() {
        let found = sequence.len();
        if found != expected || found < 2 {
            return Err(TrainError::Sequence { expected, index, found });
        }
        if let Some(token) = sequence.iter().copied().find(|token| *token as usize >= vocab) {
            return Err(TrainError::Token { index, token, vocab });
        }
    }
    Ok(expected)
}

/// Names a run by all that decides its outcome: student, text, objective, settings, seed.
pub(super) fn run_hash(
    student: &Checkpoint,
    data: &[Vec<u32>],
    settings: (&str, &TrainConfig, Seed),
) -> Result<String, TrainError> {
    let mut hash = Sha256::new();
    hash.update(LAYOUT);
    let text = |x: serde_json::Result<String>| {
        x.map_err(|source| TrainError::Io {
            action: "write",
            path: "run hash".into(),
            source: source.into(),
        })
    };
    hash.update(text(serde_json::to_string(&settings))?);
    hash.update(text(serde_json::to_string(&student.spec))?);
    for (id, tensor) in &student.tensors {
        hash.update(id.to_string());
        for part in tensor.data().chunks(1 << 12) {
            hash.update(bytes(part.iter().map(|x| x.to_le_bytes())));
        }
    }
    for (id, mask) in &student.masks {
        hash.update(id.to_string());
        hash.update(mask.bits());
    }
    for sequence in data {
        hash.update(bytes(sequence.iter().map(|x| x.to_le_bytes())));
    }
    Ok(sha256_hex(&hash.finalize()))
}

fn bytes(values: impl Iterator<Item = [u8; 4]>) -> Vec<u8> {
    values.flatten().collect()
}
