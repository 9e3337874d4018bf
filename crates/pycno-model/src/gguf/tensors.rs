//! Weights under Hugging Face's names and in its layout.

use std::collections::BTreeMap;

use super::{
    dequant::dequantize,
    header::{Gguf, StoredTensor},
    spec::ROPE_DIVISORS,
};
use crate::{HostTensor, ModelError, ModelSpec, names};

/// Parts of a block: GGUF's name, Hugging Face's.
const PARTS: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Reads every tensor. Names and shapes are checked before any is unpacked.
pub(super) fn read(
    file: &Gguf<'_>,
    spec: &ModelSpec,
) -> Result<BTreeMap<String, HostTensor>, ModelError> {
    let shapes = names::expected_shapes(spec);
    let mut found = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        if name == ROPE_DIVISORS {
            continue;
        }
        let wrong = |expected: String, found: String| {
            file.metadata.wrong(&format!("tensor {name}"), expected, found)
        };
        let known = hugging_face_name(name).and_then(|name| shapes.get_key_value(&name));
        let Some((name, shape)) = known else {
            return Err(wrong(
                format!("{} tensors of a llama", shapes.len()),
                "another".to_owned(),
            ));
        };
        if *shape != tensor.shape {
            return Err(wrong(format!("shape {shape:?}"), format!("{:?}", tensor.shape)));
        }
        found.insert(name.clone(), tensor);
    }
    let missing: Vec<String> =
        shapes.into_keys().filter(|name| !found.contains_key(name)).collect();
    if !missing.is_empty() {
        return Err(ModelError::Tensors { missing, unexpected: vec![], misshapen: vec![] });
    }
    Ok(found
        .into_iter()
        .map(|(name, stored)| {
            let tensor = unpack(&name, stored, spec);
            (name, tensor)
        })
        .collect())
}

/// Turns `blk.3.attn_q.weight` into `model.layers.3.self_attn.q_proj.weight`.
fn hugging_face_name(name: &str) -> Option<String> {
    let table = match name {
        "token_embd.weight" => names::EMBEDDING,
        "output_norm.weight" => names::FINAL_NORM,
        "output.weight" => names::HEAD,
        _ => return layer_name(name),
    };
    Some(table.to_owned())
}

fn layer_name(name: &str) -> Option<String> {
    let (layer_idx, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, part) = PARTS.iter().find(|(gguf, _)| *gguf == part)?;
    let number: usize = layer_idx.parse().ok()?;
    // Only the canonical spelling: `+3` and `03` parse too.
    (number.to_string() == layer_idx).then(|| names::in_layer(number, &format!("{part}.{kind}")))
}

fn unpack(name: &str, stored: &StoredTensor<'_>, spec: &ModelSpec) -> HostTensor {
    let values = dequantize(stored.encoding, stored.bytes);
    let rotary = names::layer_of(name).is_some_and(|(_, part)| {
        part.starts_with("self_attn.q_proj.") || part.starts_with("self_attn.k_proj.")
    });
    let row = stored.shape.iter().skip(1).product();
    let values = if rotary { pairs_to_halves(&values, spec.d_head, row) } else { values };
    HostTensor::new(stored.shape.clone(), values)
}

/// Reorders the rows of each head from neighboring rotary pairs to halves: llama.cpp's converter
/// stores row `s d_head / 2 + j` of a head, `s` in {0, 1}, as its row `2 j + s`.
fn pairs_to_halves(values: &[f32], d_head: usize, row: usize) -> Vec<f32> {
    let half = d_head / 2;
    let order = (0..values.len() / row).map(|i| {
        let (head, within) = (i / d_head, i % d_head);
        head * d_head + 2 * (within % half) + within / half
    });
    order.flat_map(|from| &values[from * row..(from + 1) * row]).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gguf::fixture::{Fixture, refusal};

    /// `reshape(heads, 2, half, row).swapaxes(1, 2)`, as the converter has it.
    fn halves_to_pairs(values: &[f32], d_head: usize, row: usize) -> Vec<f32> {
        let half = d_head / 2;
        let heads = 0..values.len() / row / d_head;
        let places = heads.flat_map(|head| {
            (0..half).flat_map(move |j| [0, 1].map(|s| head * d_head + s * half + j))
        });
        places.flat_map(|from| &values[from * row..(from + 1) * row]).copied().collect()
    }

    proptest! {
        #[test]
        fn the_permutation_is_undone(heads in 1_usize..5, half in 1_usize..6, row in 1_usize..4) {
            let values: Vec<f32> = (0..heads * 2 * half * row).map(|i| i as f32).collect();
            let stored = halves_to_pairs(&values, 2 * half, row);
            prop_assert_eq!(pairs_to_halves(&stored, 2 * half, row), values);
        }
    }

    #[test]
    fn a_head_of_six_rows_by_hand() {
        let stored = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0];
        assert_eq!(pairs_to_halves(&stored, 6, 1), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[track_caller]
    fn check(name: &str, expect: Option<&str>) {
        assert_eq!(hugging_face_name(name).as_deref(), expect);
    }

    #[test]
    fn names_are_translated() {
        check("output.weight", Some("lm_head.weight"));
        check("blk.12.attn_output.weight", Some("model.layers.12.self_attn.o_proj.weight"));
        check("blk.0.ffn_up.bias", Some("model.layers.0.mlp.up_proj.bias"));
        check("blk.00.ffn_up.bias", None);
        check("blk.0.ffn_gate_exps.weight", None);
    }

    #[test]
    fn wrong_sets_of_tensors_are_refused_by_name() {
        let other = Fixture::llama().with_f32("blk.0.extra.weight", &[2], &[0.0; 2]);
        assert!(refusal(&other).contains("tensor blk.0.extra.weight: expected 11 tensors"));
        let beyond = Fixture::llama().with_f32("blk.1.attn_norm.weight", &[16], &[0.0; 16]);
        assert!(refusal(&beyond).contains("tensor blk.1.attn_norm.weight"));
        let lacking = Fixture::llama().without("blk.0.attn_k.weight");
        assert!(refusal(&lacking).contains("missing [model.layers.0.self_attn.k_proj.weight]"));
        let bent = Fixture::llama().with_f32("output_norm.weight", &[8], &[0.0; 8]);
        assert!(
            refusal(&bent).contains("tensor output_norm.weight: expected shape [16], found [8]")
        );
    }
}
