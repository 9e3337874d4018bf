//! The name of a run.

use pycno_data::hash::sha256_hex;
use pycno_model::Checkpoint;
use pycno_units::Seed;
use sha2::{Digest, Sha256};

use crate::{BatchSource, TrainConfig, TrainError};

/// How a checkpoint of this version stores its matrices; another's is refused.
const LAYOUT: &str = "weights [d_out, d_in]";

/// Names a run by all that decides its outcome: student, batches, objective, settings, seed.
pub(super) fn run_hash(
    student: &Checkpoint,
    source: &dyn BatchSource,
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
        for block in tensor.blocks() {
            for part in block.chunks(1 << 12) {
                hash.update(bytes(part.iter().map(|x| x.to_le_bytes())));
            }
        }
    }
    for (id, mask) in &student.masks {
        hash.update(id.to_string());
        hash.update(mask.bits());
    }
    source.identify(&mut |bytes| hash.update(bytes));
    Ok(sha256_hex(&hash.finalize()))
}

fn bytes(values: impl Iterator<Item = [u8; 4]>) -> Vec<u8> {
    values.flatten().collect()
}
