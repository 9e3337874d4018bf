//! From importances of single weights to masks: the same share of every matrix, one share of all together, or a
//! pattern along the inputs of a row.

use pycno_model::{Checkpoint, HostTensor, Mask, Masks, TensorId, TensorInfo};
use rayon::prelude::*;

use crate::{
    Allocation, Pattern, PruneError, Sparsity,
    criterion::Rule,
    select::{self, Cut, GONE},
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
    let masks = groups.into_par_iter().map(|group| cut_group(group, rule, sparsity));
    Ok(masks.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Masks that keep the most important weights of every run of inputs.
pub(crate) fn by_pattern(
    checkpoint: &Checkpoint,
    rule: Rules<'_>,
    pattern: Pattern,
) -> Result<Masks, PruneError> {
    let mask = |matrix: &Matrix<'_>| {
        let importances = matrix.importances(rule)?;
        let runs = importances.chunks_exact(pattern.of());
        let kept = runs.flat_map(|run| select::largest(run, pattern.keep()));
        Ok((matrix.id, matrix.mask(kept.collect())))
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
    let remove = weights - sparsity.kept(weights);
    if let [matrix] = group {
        let importances = matrix.importances(rule)?;
        let mut cut = Cut::of(remove, 1, |_| Ok::<_, PruneError>(&importances))?;
        return Ok(vec![(matrix.id, matrix.mask(cut.kept(&importances)))]);
    }
    let mut cut = Cut::of(remove, group.len(), |i| group[i].importances(rule))?;
    let mut masks = Vec::with_capacity(group.len());
    for matrix in group {
        masks.push((matrix.id, matrix.mask(cut.kept(&matrix.importances(rule)?))));
    }
    Ok(masks)
}

impl Matrix<'_> {
    /// The importance of every weight; of those that are gone, [`GONE`].
    fn importances(&self, rule: Rules<'_>) -> Result<Vec<f32>, PruneError> {
        let mut importances = rule.weights(self.id, self.weight)?;
        if let Some(earlier) = self.earlier {
            earlier.fill_removed(0, &mut importances, GONE);
        }
        Ok(importances)
    }

    /// What an earlier pruning took stays out, however little this one takes.
    fn mask(&self, mut kept: Vec<bool>) -> Mask {
        if let Some(earlier) = self.earlier {
            earlier.fill_removed(0, &mut kept, false);
        }
        let shape = self.weight.shape();
        Mask::new([shape[0], shape[1]], &kept)
    }
}
