//! The families of models whose folders are read and written: one file each, and nothing of a family elsewhere.

mod gemma;
mod gemma2;
mod gemma3;
mod llama;
mod mistral;
mod qwen;
mod qwen2;
mod qwen3;
mod reading;
mod writing;

use serde_json::{Map, Value};

use super::keys::Keys;
use crate::{ModelError, ModelSpec, Part, TensorId, tensors::Param};

/// What a family writes in its own way.
#[derive(Debug)]
pub struct ModelFamily {
    /// `model_type` of its configs.
    pub model_type: &'static str,
    /// `architectures` of its configs.
    pub(crate) architecture: &'static str,
    /// What its blocks have that those of the first Llama had not, in a few words.
    pub blocks: &'static str,
    /// Names of the norms of a block; the other parts have the same in all families.
    norms: &'static [(Part, &'static str)],
    /// Reads the shape of a model from its config.
    pub(super) spec: fn(&Keys<'_>) -> Result<ModelSpec, ModelError>,
    /// Writes what every family has, and its own keys, over a config; says what it has no word for.
    pub(super) write: fn(&ModelSpec, &mut Map<String, Value>) -> Result<(), String>,
}

/// Every family that is read and written.
pub const FAMILIES: [&ModelFamily; 6] = [
    &llama::FAMILY,
    &mistral::FAMILY,
    &qwen2::FAMILY,
    &qwen3::FAMILY,
    &gemma2::FAMILY,
    &gemma3::FAMILY,
];

/// Parts of a block that every family names as Llama does.
const PARTS: [(Part, &str); 9] = [
    (Part::Q, "self_attn.q_proj"),
    (Part::K, "self_attn.k_proj"),
    (Part::V, "self_attn.v_proj"),
    (Part::QNorm, "self_attn.q_norm"),
    (Part::KNorm, "self_attn.k_norm"),
    (Part::O, "self_attn.o_proj"),
    (Part::Gate, "mlp.gate_proj"),
    (Part::Up, "mlp.up_proj"),
    (Part::Down, "mlp.down_proj"),
];
/// Norms of a block as Llama names them, and whoever took over from it.
const NORMS: [(Part, &str); 2] =
    [(Part::AttnNorm, "input_layernorm"), (Part::FfnNorm, "post_attention_layernorm")];

impl ModelFamily {
    /// The family of a `model_type`.
    pub fn named(model_type: &str) -> Option<&'static Self> {
        FAMILIES.into_iter().find(|family| family.model_type == model_type)
    }

    /// The family that has words for a model that never had a config: the first that writes all of it.
    pub(super) fn for_spec(spec: &ModelSpec) -> &'static Self {
        let says = |family: &&Self| (family.write)(spec, &mut Map::new()).is_ok();
        FAMILIES.into_iter().find(says).unwrap_or(FAMILIES[0])
    }

    /// Names of the parts of a block.
    fn parts(&self) -> impl Iterator<Item = (Part, &'static str)> {
        PARTS.iter().chain(self.norms).copied()
    }

    /// A tensor's name in a folder; `None` if the family has no such part.
    pub fn tensor(&self, id: TensorId) -> Option<String> {
        let param = match id.param {
            Param::Weight => "weight",
            Param::Bias => "bias",
        };
        let of_block = |layer: usize| {
            let (_, name) = self.parts().find(|(part, _)| *part == id.part)?;
            Some(format!("model.layers.{layer}.{name}.{param}"))
        };
        match (id.layer, id.part) {
            (Some(layer), _) => of_block(layer),
            (None, Part::Embedding) => Some(format!("model.embed_tokens.{param}")),
            (None, Part::FinalNorm) => Some(format!("model.norm.{param}")),
            (None, Part::Head) => Some(format!("lm_head.{param}")),
            _ => None,
        }
    }
}

/// A tensor's name in a Llama's folder.
pub(crate) fn llama_name(id: TensorId) -> Option<String> {
    llama::FAMILY.tensor(id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_of_a_block_has_one_name_in_a_family() {
        for family in FAMILIES {
            let parts: BTreeSet<Part> = family.parts().map(|(part, _)| part).collect();
            let names: BTreeSet<&str> = family.parts().map(|(_, name)| name).collect();
            let n = family.parts().count();
            assert_eq!([parts.len(), names.len()], [n, n], "{}", family.model_type);
        }
        let q = TensorId::bias(3, Part::Q);
        assert_eq!(llama_name(q).unwrap(), "model.layers.3.self_attn.q_proj.bias");
        assert_eq!(llama_name(TensorId::outside(Part::Head)).unwrap(), "lm_head.weight");
        let norm = TensorId::weight(0, Part::FfnNorm);
        let name = gemma3::FAMILY.tensor(norm).unwrap();
        assert_eq!(name, "model.layers.0.pre_feedforward_layernorm.weight");
    }
}
