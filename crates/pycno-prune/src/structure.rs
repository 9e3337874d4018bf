//! What leaves: single weights, a pattern of them, or whole parts, and how many.

use std::{collections::BTreeMap, fmt};

use pycno_model::ModelSpec;
use serde::{Deserialize, Serialize};

use crate::{Axis, PruneError};

/// What is removed, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Structure {
    /// `"weights"`: single weights of the matrices of blocks, this share of them.
    Weights(Sparsity),
    /// `"2:4"` and the like: in every run of inputs of a row, all but so many.
    Pattern(Pattern),
    /// `"layers"`, `"kv-groups"`, `"ffn"` or a table of them: whole parts.
    Parts(BTreeMap<Axis, Amount>),
}

/// A structure without its amounts: what a criterion must be able to rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StructureKind {
    /// Single weights.
    Weights,
    /// `keep:of`.
    Pattern,
    /// Whole parts along an axis.
    Parts(Axis),
}

/// How many parts of a place stay.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many.
    Keep(usize),
    /// All but this share.
    Share {
        /// The share that goes.
        sparsity: Sparsity,
    },
}

/// Share of parts to remove, in `[0, 1)`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Sparsity(f64);

/// `keep` weights of every `of` inputs in a row stay, written `keep:of`.
///
/// DIFFERENCE: SparseGPT's code counts what goes (its 1:4 keeps 3); hardware counts what stays, as this does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pattern {
    keep: usize,
    of: usize,
}

impl Structure {
    /// What it asks a criterion to rate.
    pub fn kinds(&self) -> Vec<StructureKind> {
        match self {
            Self::Weights(_) => vec![StructureKind::Weights],
            Self::Pattern(_) => vec![StructureKind::Pattern],
            Self::Parts(amounts) => amounts.keys().copied().map(StructureKind::Parts).collect(),
        }
    }

    /// The shape that is left. Which layers stay is known only after measuring, so that the bottom ones stand for
    /// them: in a model of equal layers that is the shape.
    ///
    /// # Errors
    ///
    /// [`PruneError::Keep`] if it keeps no part of a place, or more than there are; [`PruneError::Group`] for a pattern
    /// that does not tile the inputs of a matrix.
    pub fn spec_after(&self, spec: &ModelSpec) -> Result<ModelSpec, PruneError> {
        let amounts = match self {
            Self::Weights(_) => return Ok(spec.clone()),
            Self::Pattern(pattern) => return pattern.check_all(spec).map(|()| spec.clone()),
            Self::Parts(amounts) => amounts,
        };
        let mut after = spec.clone();
        for (axis, amount) in amounts {
            let kept = amount.kept_along(*axis, spec)?;
            match axis {
                Axis::Layers => after.layers.truncate(kept[0]),
                Axis::KvGroups | Axis::Ffn => {
                    let layers = after.layers.iter_mut().zip(kept);
                    layers.for_each(|(layer, keep)| *layer = axis.resized(*layer, keep));
                }
            }
        }
        Ok(after)
    }
}

impl fmt::Display for Structure {
    /// As a config would say it in few words: `ffn keep 1024, kv-groups keep 2`, `weights 0.5`, `2:4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights(sparsity) => write!(f, "weights, sparsity {}", sparsity.0),
            Self::Pattern(pattern) => write!(f, "{pattern}"),
            Self::Parts(amounts) => {
                let part = |(axis, amount): (&Axis, &Amount)| format!("{} {amount}", axis.name());
                f.write_str(&amounts.iter().map(part).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl StructureKind {
    /// All of them, finest first.
    pub const ALL: [Self; 5] = [
        Self::Weights,
        Self::Pattern,
        Self::Parts(Axis::Ffn),
        Self::Parts(Axis::KvGroups),
        Self::Parts(Axis::Layers),
    ];

    /// As configs write it; `keep:of` stands for every pattern.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Pattern => "keep:of",
            Self::Parts(axis) => axis.name(),
        }
    }
}

impl Amount {
    /// Parts that stay of `available`.
    pub fn kept(self, available: usize) -> usize {
        match self {
            Self::Keep(keep) => keep,
            Self::Share { sparsity } => sparsity.kept(available),
        }
    }

    /// Parts that stay in each place of an axis.
    ///
    /// # Errors
    ///
    /// [`PruneError::Keep`] naming the place.
    pub(crate) fn kept_along(self, axis: Axis, spec: &ModelSpec) -> Result<Vec<usize>, PruneError> {
        let places = axis.available(spec).into_iter().enumerate();
        places
            .map(|(place, available)| match self.kept(available) {
                keep if (1..=available).contains(&keep) => Ok(keep),
                keep => Err(PruneError::Keep { field: field(axis, place), available, keep }),
            })
            .collect()
    }
}

/// The parts of a place, for a message.
fn field(axis: Axis, place: usize) -> String {
    match axis {
        Axis::Layers => format!("{axis} kept"),
        Axis::KvGroups | Axis::Ffn => format!("{axis} kept of layer {place}"),
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep(keep) => write!(f, "keep {keep}"),
            Self::Share { sparsity } => write!(f, "sparsity {}", sparsity.0),
        }
    }
}

impl Sparsity {
    /// A share to remove.
    ///
    /// # Errors
    ///
    /// [`PruneError::Sparsity`] outside `[0, 1)`, `NaN` included.
    pub fn new(sparsity: f64) -> Result<Self, PruneError> {
        if (0.0..1.0).contains(&sparsity) {
            Ok(Self(sparsity))
        } else {
            Err(PruneError::Sparsity { sparsity })
        }
    }

    /// Parts that stay of `n`: all but `floor(n * sparsity)`, and at least one of them.
    pub fn kept(self, n: usize) -> usize {
        // Written 0.29, a share of 100 comes out as 28.999..96; the nudge makes it 29.
        let removed = (n as f64).mul_add(self.0, 1e-9).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, n]")]
        let removed = removed as usize;
        n - removed.min(n.saturating_sub(1))
    }
}

impl TryFrom<f64> for Sparsity {
    type Error = PruneError;

    fn try_from(sparsity: f64) -> Result<Self, PruneError> {
        Self::new(sparsity)
    }
}

impl From<Sparsity> for f64 {
    fn from(sparsity: Sparsity) -> Self {
        sparsity.0
    }
}

impl Pattern {
    /// `keep` of every `of` weights.
    ///
    /// # Errors
    ///
    /// [`PruneError::Keep`] unless some stay and no more than there are.
    pub fn new(keep: usize, of: usize) -> Result<Self, PruneError> {
        if (1..=of).contains(&keep) {
            Ok(Self { keep, of })
        } else {
            let field = format!("weights kept of every {of}");
            Err(PruneError::Keep { field, available: of, keep })
        }
    }

    /// Weights that stay of each group.
    pub const fn keep(self) -> usize {
        self.keep
    }

    /// Weights of a group.
    pub const fn of(self) -> usize {
        self.of
    }

    /// Refuses a model with a matrix whose rows groups do not tile.
    pub(crate) fn check_all(self, spec: &ModelSpec) -> Result<(), PruneError> {
        let matrices = spec.tensors().into_iter().filter(|(_, info)| info.is_prunable());
        let mut widths = matrices.map(|(id, info)| spec.shape(id, info)[1]);
        widths.try_for_each(|width| self.check(width))
    }

    /// Refuses rows that groups do not tile.
    pub(crate) const fn check(self, d_input: usize) -> Result<(), PruneError> {
        if d_input.is_multiple_of(self.of) {
            Ok(())
        } else {
            Err(PruneError::Group { of: self.of, d_input })
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.keep, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Shape;

    #[test]
    fn a_sparsity_lies_in_zero_to_one() {
        let fits = |x: f64| Sparsity::new(x).is_ok();
        assert!(fits(0.0) && fits(0.999));
        assert!(!fits(1.0) && !fits(-0.1) && !fits(f64::NAN) && !fits(f64::INFINITY));
        let error = Sparsity::new(f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "sparsity must lie in [0, 1), got NaN");
    }

    #[test]
    fn a_sparsity_removes_the_floor_of_its_share_and_never_all() {
        let kept = |sparsity: f64, n: usize| Sparsity::new(sparsity).unwrap().kept(n);
        assert_eq!(kept(0.25, 5632), 4224);
        assert_eq!(kept(0.29, 100), 71);
        assert_eq!(kept(0.5, 3), 2);
        assert_eq!(kept(0.0, 8), 8);
        assert_eq!(kept(1.0 - 1e-16, 8), 1);
    }

    #[test]
    fn the_shape_after_counts_every_axis_and_refuses_what_cannot_be() {
        let spec =
            Shape { layers: vec![[2, 2, 7], [2, 2, 5], [2, 2, 9]], ..Shape::default() }.spec();
        let half = Amount::Share { sparsity: Sparsity::new(0.5).unwrap() };
        let parts = |amounts: &[(Axis, Amount)]| {
            Structure::Parts(amounts.iter().copied().collect()).spec_after(&spec)
        };
        let after = parts(&[
            (Axis::Layers, Amount::Keep(2)),
            (Axis::KvGroups, Amount::Keep(1)),
            (Axis::Ffn, half),
        ]);
        let widths: Vec<_> = after
            .unwrap()
            .layers
            .iter()
            .map(|l| (l.n_kv_heads(), l.n_heads(), l.d_ffn()))
            .collect();
        assert_eq!(widths, [(1, 2, 4), (1, 2, 3)]);
        let refused = |axis, keep| parts(&[(axis, Amount::Keep(keep))]).unwrap_err().to_string();
        assert_eq!(refused(Axis::Layers, 4), "layers kept must lie in [1, 3], got 4");
        assert_eq!(refused(Axis::Ffn, 6), "FFN channels kept of layer 1 must lie in [1, 5], got 6");
        assert_eq!(
            refused(Axis::KvGroups, 0),
            "key/value groups kept of layer 0 must lie in [1, 2], got 0"
        );
    }
}
