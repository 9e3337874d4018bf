//! Which checkpoint this is, as one hash.

use std::collections::BTreeMap;

use pycno_model::{Checkpoint, HostTensor, Mask, Masks};
use rayon::prelude::*;

use crate::document;

/// The BLAKE3 hash of spec, tensor names, shapes and values, and masks if it has any, in hex; files and config do not
/// count.
///
/// Values are hashed as little-endian `f32`, so that a checkpoint has one fingerprint whatever
/// precision or file it came from.
pub fn fingerprint(checkpoint: &Checkpoint) -> String {
    let tensors: Vec<(String, &[usize], String)> = checkpoint
        .tensors
        .par_iter()
        .map(|(id, tensor)| (id.to_string(), tensor.shape(), values(tensor)))
        .collect();
    if checkpoint.masks.is_empty() {
        document::hash(&(&checkpoint.spec, tensors))
    } else {
        document::hash(&(&checkpoint.spec, tensors, by_name(&checkpoint.masks)))
    }
}

/// Masks as JSON can hold them.
pub(crate) fn by_name(masks: &Masks) -> BTreeMap<String, String> {
    let hash = |mask: &Mask| blake3::hash(mask.bits()).to_hex().to_string();
    masks.iter().map(|(id, mask)| (id.to_string(), hash(mask))).collect()
}

fn values(tensor: &HostTensor) -> String {
    let mut hasher = blake3::Hasher::new();
    for block in tensor.blocks() {
        if cfg!(target_endian = "little") {
            hasher.update(bytemuck::cast_slice(&block));
        } else {
            block.iter().for_each(|x| _ = hasher.update(&x.to_le_bytes()));
        }
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use pycno_model::{Part, TensorId};

    use super::*;
    use crate::fixture::{self, Shape};

    #[test]
    fn a_fingerprint_sees_every_value_and_no_file() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 1);
        let same = fixture::checkpoint(&Shape::default().spec(), 1);
        assert_eq!(fingerprint(&checkpoint), fingerprint(&same));

        let mut other = checkpoint.clone();
        other.files.insert("tokenizer.json".to_owned(), vec![1]);
        assert_eq!(fingerprint(&checkpoint), fingerprint(&other));

        let id = TensorId::outside(Part::FinalNorm);
        let mut data = checkpoint.tensors[&id].values().to_vec();
        data[0] = f32::from_bits(data[0].to_bits() ^ 1);
        let shape = checkpoint.tensors[&id].shape().to_vec();
        other.tensors.insert(id, HostTensor::new(shape, data));
        assert_ne!(fingerprint(&checkpoint), fingerprint(&other));
    }
}
