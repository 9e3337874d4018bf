//! From importances of single weights to masks: the same share of every matrix, one share of all together, or a
//! pattern along the inputs of a row.

use pycno_model::{Checkpoint, HostTensor, Mask, Masks, TensorId, TensorInfo};
use rayon::prelude::*;

use crate::{
    Allocation, Pattern, PruneError, Sparsity,
    criterion::Rule,
    select::{self, Cut, Key},
};

/// What a rule is asked about: a matrix, and what an earlier pruning took from it.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    id: TensorId,
    weight: &'a HostTensor,
    earlier: Option<&'a Mask>,
}

type Rules<'a> = &'a (dyn Rule + Sync);

/// Masks that remove this share of the weights of the matrices of blocks; a weight that is gone already counts as one
/// that goes, and stays gone if more are than the share asks for. Of equals the one that comes first goes.
pub(crate) fn by_share(
    checkpoint: &Checkpoint,
    rule: Rules<'_>,
    sparsity: Sparsity,
    allocation: Allocation,
) -> Result<Masks, PruneError> {
    let matrices = matrices(checkpoint);
    let groups: Vec<&[Matrix<'_>]> = match allocation {
        Allocation::Uniform => matrices.chunks(1).collect(),
        Allocation::Global => vec![&matrices],
    };
    let masks = groups.into_iter().map(|group| cut_group(group, rule, sparsity));
    Ok(masks.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Masks that keep the most important weights of every run of inputs.
pub(crate) fn by_pattern(
    checkpoint: &Checkpoint,
    rule: Rules<'_>,
    pattern: Pattern,
) -> Result<Masks, PruneError> {
    let mask = |matrix: &Matrix<'_>| {
        let keys = matrix.keys(rule)?;
        let kept =
            keys.chunks_exact(pattern.of()).flat_map(|run| select::largest(run, pattern.keep()));
        Ok((matrix.id, matrix.mask(&kept.collect::<Vec<_>>())))
    };
    let matrices = matrices(checkpoint);
    matrices.iter().try_for_each(|matrix| pattern.check(matrix.weight.shape()[1]))?;
    matrices.par_iter().map(mask).collect()
}

/// The matrices whose weights may go, in the order of their tensors.
fn matrices(checkpoint: &Checkpoint) -> Vec<Matrix<'_>> {
    let prunable = |id: &TensorId| id.info().is_some_and(TensorInfo::is_prunable);
    let tensors = checkpoint.tensors.iter().filter(|(id, _)| prunable(id));
    tensors
        .map(|(id, weight)| Matrix { id: *id, weight, earlier: checkpoint.masks.get(id) })
        .collect()
}

/// Takes the lowest of a group of matrices that compare with one another.
fn cut_group(
    group: &[Matrix<'_>],
    rule: Rules<'_>,
    sparsity: Sparsity,
) -> Result<Vec<(TensorId, Mask)>, PruneError> {
    let weights: usize = group.iter().map(|matrix| matrix.weight.n_values()).sum();
    let mut cut = Cut::of(weights - sparsity.kept(weights), group.len(), |i| group[i].keys(rule))?;
    let mut masks = Vec::with_capacity(group.len());
    for matrix in group {
        masks.push((matrix.id, matrix.mask(&cut.kept(&matrix.keys(rule)?))));
    }
    Ok(masks)
}

impl Matrix<'_> {
    /// The rank of every weight: those that are gone below all others.
    fn keys(&self, rule: Rules<'_>) -> Result<Vec<Key>, PruneError> {
        let importance = rule.weights(self.id, self.weight)?;
        let key = |(i, importance): (usize, &f32)| {
            let gone = self.earlier.is_some_and(|mask| !mask.keeps(i));
            if gone { Key::GONE } else { Key::of(*importance) }
        };
        Ok(importance.par_iter().enumerate().map(key).collect())
    }

    /// What an earlier pruning took stays out, however little this one takes.
    fn mask(&self, kept: &[bool]) -> Mask {
        let shape = self.weight.shape();
        let stays = |(i, kept): (usize, &bool)| {
            *kept && self.earlier.is_none_or(|earlier| earlier.keeps(i))
        };
        let kept: Vec<bool> = kept.iter().enumerate().map(stays).collect();
        Mask::new([shape[0], shape[1]], &kept)
    }
}
