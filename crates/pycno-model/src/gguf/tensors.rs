//! Weights by what they are, out of GGUF's names and layout.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    arch::Architecture,
    header::{Gguf, StoredTensor},
    spec::ROPE_DIVISORS,
};
use crate::{HostTensor, ModelError, ModelSpec, Part, TensorId, map::FileBytes, tensors::Param};

/// Parts of a block by GGUF's names.
const PARTS: [(Part, &str); 13] = [
    (Part::AttnNorm, "attn_norm"),
    (Part::Q, "attn_q"),
    (Part::K, "attn_k"),
    (Part::V, "attn_v"),
    (Part::QNorm, "attn_q_norm"),
    (Part::KNorm, "attn_k_norm"),
    (Part::O, "attn_output"),
    (Part::PostAttnNorm, "post_attention_norm"),
    (Part::FfnNorm, "ffn_norm"),
    (Part::Gate, "ffn_gate"),
    (Part::Up, "ffn_up"),
    (Part::Down, "ffn_down"),
    (Part::PostFfnNorm, "post_ffw_norm"),
];

/// Finds every tensor. Names and shapes are checked before any is unpacked.
pub(super) fn read(
    (file, bytes): (&Gguf<'_>, &Arc<FileBytes>),
    architecture: &Architecture,
    spec: &ModelSpec,
) -> Result<BTreeMap<TensorId, HostTensor>, ModelError> {
    let shapes: BTreeMap<String, (TensorId, Vec<usize>)> =
        spec.shapes().map(|(id, shape)| (gguf_name(id), (id, shape))).collect();
    let mut found = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        if name == ROPE_DIVISORS {
            continue;
        }
        let wrong = |expected: String, found: String| {
            file.metadata.wrong(&format!("tensor {name}"), expected, found)
        };
        let Some((id, shape)) = shapes.get(name) else {
            let expected = format!("{} tensors of a {}", shapes.len(), architecture.name);
            return Err(wrong(expected, "another".to_owned()));
        };
        if *shape != tensor.shape {
            return Err(wrong(format!("shape {shape:?}"), format!("{:?}", tensor.shape)));
        }
        found.insert(*id, tensor);
    }
    let missing = shapes.into_iter().filter(|(_, (id, _))| !found.contains_key(id));
    let missing: Vec<String> = missing.map(|(name, _)| name).collect();
    if !missing.is_empty() {
        return Err(ModelError::Tensors { missing, unexpected: vec![], misshapen: vec![] });
    }
    let tensor = |(id, stored)| (id, tensor(id, (stored, bytes), architecture, spec));
    Ok(found.into_iter().map(tensor).collect())
}

/// As llama.cpp's converter names it, such as `blk.3.attn_q.weight`.
fn gguf_name(id: TensorId) -> String {
    let param = match id.param {
        Param::Weight => "weight",
        Param::Bias => "bias",
    };
    if let Some(layer) = id.layer {
        let known = PARTS.iter().find(|(part, _)| *part == id.part);
        return format!("blk.{layer}.{}.{param}", known.map_or("none", |(_, name)| name));
    }
    let name = match id.part {
        Part::Embedding => "token_embd",
        Part::Head => "output",
        _ => "output_norm",
    };
    format!("{name}.{param}")
}

fn tensor(
    id: TensorId,
    (stored, bytes): (&StoredTensor<'_>, &Arc<FileBytes>),
    architecture: &Architecture,
    spec: &ModelSpec,
) -> HostTensor {
    let range = stored.start..stored.start + stored.bytes.len();
    let tensor = HostTensor::stored(stored.shape.clone(), (bytes, range), stored.encoding);
    if architecture.rotary_pairs && matches!(id.part, Part::Q | Part::K) {
        let d_head = id.layer.map_or(0, |layer| spec.layers[layer].d_head());
        return tensor.with_rows(pairs_to_halves(stored.shape[0], d_head));
    }
    if spec.norm.unit_offset && stored.shape.len() == 1 && id.param == Param::Weight {
        // The converter stores the gain itself.
        let gains = tensor.values().iter().map(|gain| gain - 1.0).collect();
        return HostTensor::new(stored.shape.clone(), gains);
    }
    tensor
}

/// The rows of each head from neighboring rotary pairs to halves, each by its place in the file: llama.cpp's
/// converter stores row `s d_head / 2 + j` of a head, `s` in {0, 1}, as its row `2 j + s`.
fn pairs_to_halves(rows: usize, d_head: usize) -> Vec<usize> {
    let half = d_head / 2;
    let place = |i: usize| {
        let (head, within) = (i / d_head, i % d_head);
        head * d_head + 2 * (within % half) + within / half
    };
    (0..rows).map(place).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gguf::fixture::{Fixture, refusal};

    /// `reshape(heads, 2, half, row).swapaxes(1, 2)`, as the converter has it.
    fn halves_to_pairs(heads: usize, d_head: usize) -> Vec<usize> {
        let half = d_head / 2;
        let of_head =
            |head| (0..half).flat_map(move |j| [0, 1].map(|s| head * d_head + s * half + j));
        (0..heads).flat_map(of_head).collect()
    }

    proptest! {
        #[test]
        fn the_permutation_is_undone(heads in 1_usize..5, half in 1_usize..6, row in 1_usize..4) {
            let d_head = 2 * half;
            let shape = vec![heads * d_head, row];
            let values = (0..heads * d_head * row).map(|i| i as f32).collect();
            let tensor = HostTensor::new(shape, values);
            let stored = tensor.with_rows(halves_to_pairs(heads, d_head));
            prop_assert_eq!(stored.with_rows(pairs_to_halves(heads * d_head, d_head)), tensor);
        }
    }

    #[test]
    fn a_head_of_six_rows_by_hand() {
        let stored = HostTensor::new(vec![6, 1], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let tensor = stored.with_rows(pairs_to_halves(6, 6));
        assert_eq!(*tensor.values(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn names_are_those_of_the_converter() {
        let outside = |part| gguf_name(TensorId::outside(part));
        assert_eq!(outside(Part::Head), "output.weight");
        assert_eq!(outside(Part::Embedding), "token_embd.weight");
        assert_eq!(outside(Part::FinalNorm), "output_norm.weight");
        assert_eq!(gguf_name(TensorId::weight(12, Part::O)), "blk.12.attn_output.weight");
        assert_eq!(gguf_name(TensorId::bias(0, Part::Up)), "blk.0.ffn_up.bias");
    }

    #[test]
    fn wrong_sets_of_tensors_are_refused_by_name() {
        let other = Fixture::llama().with_f32("blk.0.extra.weight", &[2], &[0.0; 2]);
        assert!(refusal(&other).contains("tensor blk.0.extra.weight: expected 11 tensors"));
        let beyond = Fixture::llama().with_f32("blk.1.attn_norm.weight", &[16], &[0.0; 16]);
        assert!(refusal(&beyond).contains("tensor blk.1.attn_norm.weight"));
        let lacking = Fixture::llama().without("blk.0.attn_k.weight");
        assert!(refusal(&lacking).contains("missing [blk.0.attn_k.weight]"));
        let bent = Fixture::llama().with_f32("output_norm.weight", &[8], &[0.0; 8]);
        assert!(
            refusal(&bent).contains("tensor output_norm.weight: expected shape [16], found [8]")
        );
    }
}
