//! Every tensor of a model in one table: what it is called here, its axes, what it does.
//!
//! Shapes, parameter counts, first weights, weight decay and surgery all follow from this table. Names of other
//! people's files are translated where those files are read and written, in `hf` and `gguf`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ModelSpec;

/// Which tensor of a model.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct TensorId {
    /// The block, bottom first from 0; `None` for what stands outside the blocks.
    pub layer: Option<usize>,
    /// The part of the block or model.
    pub part: Part,
    /// Weight or bias.
    pub param: Param,
}

/// A part of a block or of the model.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The embedding.
    Embedding,
    /// The norm before attention.
    AttnNorm,
    /// The projection to queries.
    Q,
    /// The projection to keys.
    K,
    /// The projection to values.
    V,
    /// The norm of every query head.
    QNorm,
    /// The norm of every key head.
    KNorm,
    /// The projection of contexts back to the residual stream.
    O,
    /// The norm after attention.
    PostAttnNorm,
    /// The norm before the FFN.
    FfnNorm,
    /// The FFN's gate.
    Gate,
    /// The FFN's other way up.
    Up,
    /// The FFN's way down to the residual stream.
    Down,
    /// The norm after the FFN.
    PostFfnNorm,
    /// The norm before the head.
    FinalNorm,
    /// The head, where it is not the embedding.
    Head,
}

/// Weight or bias.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Param {
    /// A matrix `[d_out, d_in]`, or a norm's gain.
    Weight,
    /// What is added to a projection's output.
    Bias,
}

/// What an axis counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dim {
    /// Tokens of the vocabulary.
    Vocab,
    /// Width of the residual stream.
    Model,
    /// Features of all query heads, head after head.
    Query,
    /// Features of all key heads, as of all value heads.
    KeyValue,
    /// Features of one head.
    Head,
    /// FFN channels.
    Ffn,
}

/// What is known of a tensor without looking at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TensorInfo {
    /// What rows count; entries of a vector are its rows.
    pub rows: Dim,
    /// What columns count; `None` for a vector.
    pub columns: Option<Dim>,
    /// Whether what it gives is added to the residual stream.
    pub writes_residual: bool,
}

/// The parts of a model that stand outside its blocks.
const OUTSIDE: [Part; 3] = [Part::Embedding, Part::FinalNorm, Part::Head];
/// The parts of a block, in the order they compute.
const OF_A_BLOCK: [Part; 13] = [
    Part::AttnNorm,
    Part::Q,
    Part::K,
    Part::V,
    Part::QNorm,
    Part::KNorm,
    Part::O,
    Part::PostAttnNorm,
    Part::FfnNorm,
    Part::Gate,
    Part::Up,
    Part::Down,
    Part::PostFfnNorm,
];

impl TensorId {
    /// A weight of a block.
    pub const fn weight(layer: usize, part: Part) -> Self {
        Self { layer: Some(layer), part, param: Param::Weight }
    }

    /// A bias of a block.
    pub const fn bias(layer: usize, part: Part) -> Self {
        Self { layer: Some(layer), part, param: Param::Bias }
    }

    /// A weight outside the blocks.
    pub const fn outside(part: Part) -> Self {
        Self { layer: None, part, param: Param::Weight }
    }

    /// The same tensor of another block; outside the blocks, itself.
    #[must_use]
    pub fn in_layer(self, layer: usize) -> Self {
        Self { layer: self.layer.map(|_| layer), ..self }
    }

    /// What is known of it; `None` for a bias that no model has.
    pub const fn info(self) -> Option<TensorInfo> {
        let (rows, columns) = self.part.dims();
        let writes_residual = matches!(self.part, Part::O | Part::Down);
        match (self.param, columns) {
            (Param::Weight, _) => Some(TensorInfo { rows, columns, writes_residual }),
            (Param::Bias, Some(_)) => Some(TensorInfo { rows, columns: None, writes_residual }),
            (Param::Bias, None) => None,
        }
    }
}

impl Part {
    /// What rows and columns of the weight count.
    const fn dims(self) -> (Dim, Option<Dim>) {
        match self {
            Self::Embedding | Self::Head => (Dim::Vocab, Some(Dim::Model)),
            Self::Q => (Dim::Query, Some(Dim::Model)),
            Self::K | Self::V => (Dim::KeyValue, Some(Dim::Model)),
            Self::O => (Dim::Model, Some(Dim::Query)),
            Self::Gate | Self::Up => (Dim::Ffn, Some(Dim::Model)),
            Self::Down => (Dim::Model, Some(Dim::Ffn)),
            Self::QNorm | Self::KNorm => (Dim::Head, None),
            Self::AttnNorm
            | Self::PostAttnNorm
            | Self::FfnNorm
            | Self::PostFfnNorm
            | Self::FinalNorm => (Dim::Model, None),
        }
    }

    /// Whether it is embedding or head, which non-embedding counts leave out.
    pub const fn is_embedding(self) -> bool {
        matches!(self, Self::Embedding | Self::Head)
    }

    /// As in [`TensorId`]'s text.
    const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::AttnNorm => "attn_norm",
            Self::Q => "q",
            Self::K => "k",
            Self::V => "v",
            Self::QNorm => "q_norm",
            Self::KNorm => "k_norm",
            Self::O => "o",
            Self::PostAttnNorm => "post_attn_norm",
            Self::FfnNorm => "ffn_norm",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Down => "down",
            Self::PostFfnNorm => "post_ffn_norm",
            Self::FinalNorm => "norm",
            Self::Head => "head",
        }
    }
}

impl TensorInfo {
    /// Whether single weights may be pruned: those of the matrices of blocks, not norms, biases, embedding and head.
    pub const fn is_prunable(self) -> bool {
        self.columns.is_some() && !matches!(self.rows, Dim::Vocab)
    }
}

impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let param = match self.param {
            Param::Weight => "weight",
            Param::Bias => "bias",
        };
        match self.layer {
            Some(layer) => write!(f, "layers.{layer}.{}.{param}", self.part.name()),
            None => write!(f, "{}.{param}", self.part.name()),
        }
    }
}

impl std::str::FromStr for TensorId {
    type Err = ();

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (layer, rest) = match text.strip_prefix("layers.") {
            Some(rest) => {
                let (layer, rest) = rest.split_once('.').ok_or(())?;
                (Some(layer.parse().map_err(|_| ())?), rest)
            }
            None => (None, text),
        };
        let (part, param) = rest.split_once('.').ok_or(())?;
        let parts = if layer.is_some() { &OF_A_BLOCK[..] } else { &OUTSIDE[..] };
        let part = *parts.iter().find(|known| known.name() == part).ok_or(())?;
        let param = match param {
            "weight" => Param::Weight,
            "bias" => Param::Bias,
            _ => return Err(()),
        };
        Ok(Self { layer, part, param })
    }
}

impl ModelSpec {
    /// Every tensor the model has, outside the blocks first; a tied head is not one.
    pub fn tensors(&self) -> Vec<(TensorId, TensorInfo)> {
        let outside = OUTSIDE.into_iter().filter(|part| *part != Part::Head || !self.tied);
        let blocks = (0..self.layers.len()).flat_map(|layer| {
            let params = move |part| [TensorId::weight(layer, part), TensorId::bias(layer, part)];
            OF_A_BLOCK.into_iter().flat_map(params).filter(move |id| self.block_has(layer, *id))
        });
        let ids = outside.map(TensorId::outside).chain(blocks);
        ids.filter_map(|id| Some((id, id.info()?))).collect()
    }

    /// Whether a block has a tensor.
    fn block_has(&self, layer: usize, id: TensorId) -> bool {
        let spec = self.layers[layer];
        let after = spec.norms == crate::NormPlacement::BeforeAndAfter;
        let is_bias = id.param == Param::Bias;
        match id.part {
            Part::Q | Part::K | Part::V => {
                spec.attention.is_some_and(|attention| !is_bias || attention.qkv_bias)
            }
            Part::O => spec.attention.is_some_and(|attention| !is_bias || attention.o_bias),
            Part::QNorm | Part::KNorm => {
                !is_bias && spec.attention.is_some_and(|attention| attention.qk_norm)
            }
            Part::AttnNorm => !is_bias && spec.attention.is_some(),
            Part::PostAttnNorm => !is_bias && spec.attention.is_some() && after,
            Part::Gate | Part::Up | Part::Down => spec.ffn.is_some_and(|ffn| !is_bias || ffn.bias),
            Part::FfnNorm => !is_bias && spec.ffn.is_some(),
            Part::PostFfnNorm => !is_bias && spec.ffn.is_some() && after,
            Part::Embedding | Part::FinalNorm | Part::Head => false,
        }
    }

    /// Every tensor with its extents.
    pub fn shapes(&self) -> impl Iterator<Item = (TensorId, Vec<usize>)> + '_ {
        self.tensors().into_iter().map(|(id, info)| (id, self.shape(id, info)))
    }

    /// The extents of a tensor, outermost first.
    ///
    /// # Panics
    ///
    /// If the model has no such layer.
    pub fn shape(&self, id: TensorId, info: TensorInfo) -> Vec<usize> {
        let dims = std::iter::once(info.rows).chain(info.columns);
        dims.map(|dim| self.extent(id.layer, dim)).collect()
    }

    /// What an axis counts in a block; `layer` may be `None` where the axis is the whole model's.
    fn extent(&self, layer: Option<usize>, dim: Dim) -> usize {
        let block = layer.map(|layer| self.layers[layer]);
        let of_block = |extent: fn(&crate::LayerSpec) -> usize| block.as_ref().map_or(0, extent);
        match dim {
            Dim::Vocab => self.vocab,
            Dim::Model => self.d_model,
            Dim::Query => of_block(|layer| layer.n_heads() * layer.d_head()),
            Dim::KeyValue => of_block(|layer| layer.n_kv_heads() * layer.d_head()),
            Dim::Head => of_block(crate::LayerSpec::d_head),
            Dim::Ffn => of_block(crate::LayerSpec::d_ffn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        let outside = OUTSIDE.map(TensorId::outside);
        let block = OF_A_BLOCK
            .into_iter()
            .flat_map(|part| [TensorId::weight(12, part), TensorId::bias(0, part)]);
        for id in outside.into_iter().chain(block) {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(TensorId::bias(3, Part::Down).to_string(), "layers.3.down.bias");
        for text in ["", "q.weight", "layers.3.head.weight", "layers.x.q.weight", "layers.3.q.mask"]
        {
            assert_eq!(text.parse::<TensorId>(), Err(()), "{text}");
        }
    }

    #[test]
    fn only_matrices_of_blocks_are_prunable() {
        let is_prunable = |id: TensorId| id.info().is_some_and(TensorInfo::is_prunable);
        assert!(is_prunable(TensorId::weight(0, Part::Up)));
        assert!(is_prunable(TensorId::weight(0, Part::O)));
        assert!(!is_prunable(TensorId::weight(0, Part::AttnNorm)));
        assert!(!is_prunable(TensorId::bias(0, Part::Q)));
        for part in OUTSIDE {
            assert!(!is_prunable(TensorId::outside(part)), "{part:?}");
        }
    }
}
