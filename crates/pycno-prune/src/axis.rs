//! What a plan cuts along: the kinds of parts that leave a model, and which dimensions of a tensor each owns.

use std::fmt;

use pycno_model::{Dim, LayerSpec, ModelSpec};
use serde::{Deserialize, Serialize};

/// A kind of part that leaves as a whole, with every row and column coupled to it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Whole blocks.
    Layers,
    /// Key/value heads, each with the query heads it serves.
    KvGroups,
    /// FFN channels: a row of gate and up, a column of down.
    Ffn,
}

impl Axis {
    /// All of them, the whole block first.
    pub const ALL: [Self; 3] = [Self::Layers, Self::KvGroups, Self::Ffn];
    /// Those of the parts within a block.
    pub const IN_BLOCK: [Self; 2] = [Self::KvGroups, Self::Ffn];

    /// The name in configs, where it is the whole structure.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::KvGroups => "kv-groups",
            Self::Ffn => "ffn",
        }
    }

    /// The axis of that name; a table's key may have `_` for `-`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|axis| axis.name() == name.replace('_', "-"))
    }

    /// How many parts there are to choose from, by place: the model's layers, or the parts of each block.
    pub fn available(self, spec: &ModelSpec) -> Vec<usize> {
        match self {
            Self::Layers => vec![spec.layers.len()],
            Self::KvGroups | Self::Ffn => spec.layers.iter().map(|l| self.in_block(l)).collect(),
        }
    }

    /// How many parts a block has; a block is one layer.
    pub fn in_block(self, layer: &LayerSpec) -> usize {
        match self {
            Self::Layers => 1,
            Self::KvGroups => layer.n_kv_heads(),
            Self::Ffn => layer.d_ffn(),
        }
    }

    /// The block with `keep` of its parts; query heads follow the groups that serve them.
    pub(crate) fn resized(self, layer: LayerSpec, keep: usize) -> LayerSpec {
        match self {
            Self::Layers => layer,
            Self::KvGroups => layer.with_kv_heads(keep),
            Self::Ffn => layer.with_d_ffn(keep),
        }
    }

    /// The axis whose parts tile a dimension; `None` where no plan cuts it.
    pub(crate) const fn tiling(dim: Dim) -> Option<Self> {
        match dim {
            Dim::Query | Dim::KeyValue => Some(Self::KvGroups),
            Dim::Ffn => Some(Self::Ffn),
            Dim::Vocab | Dim::Model | Dim::Head => None,
        }
    }
}

impl fmt::Display for Axis {
    /// The parts, as in "FFN channels".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layers => "layers",
            Self::KvGroups => "key/value groups",
            Self::Ffn => "FFN channels",
        })
    }
}
