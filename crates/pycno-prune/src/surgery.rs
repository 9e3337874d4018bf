//! Applying a plan: [`slice()`] takes parts out, [`mask`] zeroes them at full shape. Both give the same
//! function, which is the test of every move.
//!
//! A part leaves with all that is coupled to it: an FFN channel is a row of gate and up and a column of
//! down, a key/value group is `d_head` rows of k and v and the rows of q and columns of o of the query
//! heads it serves, a layer is the whole block. Biases go with their rows, masks of single weights with both.
//!
//! The parts of the student's tensors are taken where they are read, so that it takes no memory beside its teacher's.
//! Tokenizer files travel along. `config` still says the old sizes: whoever writes the checkpoint to
//! disk builds those keys from `spec`.

use std::collections::BTreeMap;

use pycno_model::{Checkpoint, HostTensor, LayerSpec, Mask, TensorId};
use rayon::prelude::*;

use crate::{Axis, LayerPlan, PruneError, PrunePlan};

/// Makes the smaller model: kept layers renumbered from 0, kept rows and columns in their order.
/// Tensors a plan leaves whole share their data with the source.
///
/// # Errors
///
/// [`PruneError::Model`] if tensors and spec of the checkpoint disagree, and those of
/// [`PrunePlan::check`] if the plan is of another shape.
pub fn slice(checkpoint: &Checkpoint, plan: &PrunePlan) -> Result<Checkpoint, PruneError> {
    checkpoint.check()?;
    let spec = plan.spec_after(&checkpoint.spec)?;
    let kept = Kept::of(checkpoint, plan);
    let tensors = checkpoint.tensors.par_iter().filter_map(|(id, tensor)| {
        Some((kept.renumbered(*id)?, take(tensor, &kept.cuts(*id, tensor.shape()))))
    });
    let masks = checkpoint.masks.par_iter().filter_map(|(id, mask)| {
        Some((kept.renumbered(*id)?, take_mask(mask, &kept.cuts(*id, &mask.shape()))))
    });
    Ok(Checkpoint {
        tensors: tensors.collect(),
        masks: masks.collect(),
        spec,
        ..checkpoint.clone()
    })
}

/// Makes the model of full shape that computes what the sliced one does: removed channels and groups
/// have zero rows and columns, removed layers add zero to the residual stream.
///
/// # Errors
///
/// As [`slice()`].
pub fn mask(checkpoint: &Checkpoint, plan: &PrunePlan) -> Result<Checkpoint, PruneError> {
    checkpoint.check()?;
    plan.check(&checkpoint.spec)?;
    let kept = Kept::of(checkpoint, plan);
    let tensors = checkpoint.tensors.par_iter().map(|(id, tensor)| {
        let masked = match kept.renumbered(*id) {
            Some(_) => zero(tensor, &kept.cuts(*id, tensor.shape())),
            None if id.info().is_some_and(|info| info.writes_residual) => zeros(tensor),
            None => tensor.clone(),
        };
        (*id, masked)
    });
    Ok(Checkpoint { tensors: tensors.collect(), ..checkpoint.clone() })
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Rows,
    Columns,
}

/// What stays of one side of a tensor.
type Cut = (Side, Vec<usize>);

/// The layers that stay by their index in the source: their new index, shape and plan.
struct Kept<'a>(BTreeMap<usize, (usize, LayerSpec, &'a LayerPlan)>);

impl<'a> Kept<'a> {
    fn of(checkpoint: &Checkpoint, plan: &'a PrunePlan) -> Self {
        let layers = plan.layers.iter().enumerate().map(|(new, layer)| {
            (layer.layer_idx, (new, checkpoint.spec.layers[layer.layer_idx], layer))
        });
        Self(layers.collect())
    }

    /// The tensor's place in the student; `None` if it leaves with its layer.
    fn renumbered(&self, id: TensorId) -> Option<TensorId> {
        match id.layer {
            None => Some(id),
            Some(layer) => self.0.get(&layer).map(|(new, ..)| id.in_layer(*new)),
        }
    }

    /// What stays along each side of a tensor; sides that stay whole are not listed.
    fn cuts(&self, id: TensorId, shape: &[usize]) -> Vec<Cut> {
        let layer = id.layer.and_then(|layer| self.0.get(&layer));
        let (Some((_, spec, plan)), Some(info)) = (layer, id.info()) else { return Vec::new() };
        let sides = [(Side::Rows, Some(info.rows)), (Side::Columns, info.columns)];
        let cut = |((side, dim), extent): ((Side, Option<_>), &usize)| {
            let axis = Axis::tiling(dim?)?;
            let kept = plan.kept.get(&axis)?;
            let parts = axis.in_block(spec);
            (kept.len() < parts).then(|| (side, spans(kept, extent / parts)))
        };
        sides.into_iter().zip(shape).filter_map(cut).collect()
    }
}

/// The members of runs of `len`: `spans(&[0, 2], 3)` is `[0, 1, 2, 6, 7, 8]`.
fn spans(runs: &[usize], len: usize) -> Vec<usize> {
    runs.iter().flat_map(|run| run * len..(run + 1) * len).collect()
}

/// Rows of a vector are its entries.
fn row_len(shape: &[usize]) -> usize {
    shape[1..].iter().product()
}

fn take(tensor: &HostTensor, cuts: &[Cut]) -> HostTensor {
    cuts.iter().fold(tensor.clone(), |tensor, (side, kept)| match side {
        Side::Rows => tensor.with_rows(kept.clone()),
        Side::Columns => tensor.with_columns(kept.clone()),
    })
}

fn take_mask(mask: &Mask, cuts: &[Cut]) -> Mask {
    let kept = |side: Side, n: usize| {
        let cut = cuts.iter().find(|(of, _)| *of == side);
        cut.map_or_else(|| (0..n).collect(), |(_, kept)| kept.clone())
    };
    let (rows, columns) = (kept(Side::Rows, mask.shape()[0]), kept(Side::Columns, mask.shape()[1]));
    let [_, width] = mask.shape();
    let of_row =
        |row: &usize| columns.iter().map(|column| row * width + column).collect::<Vec<_>>();
    let kept: Vec<bool> = rows.iter().flat_map(of_row).map(|i| mask.keeps(i)).collect();
    Mask::new([rows.len(), columns.len()], &kept)
}

fn zero(tensor: &HostTensor, cuts: &[Cut]) -> HostTensor {
    cuts.iter().fold(tensor.clone(), |tensor, (side, kept)| zeroed(&tensor, *side, kept))
}

fn zeroed(tensor: &HostTensor, side: Side, kept: &[usize]) -> HostTensor {
    let len = row_len(tensor.shape());
    let source = tensor.values();
    let mut data = vec![0.0; source.len()];
    match side {
        Side::Rows => {
            for row in kept {
                let row = row * len..(row + 1) * len;
                data[row.clone()].copy_from_slice(&source[row]);
            }
        }
        Side::Columns => {
            for (masked, row) in data.chunks_exact_mut(len).zip(source.chunks_exact(len)) {
                for column in kept {
                    masked[*column] = row[*column];
                }
            }
        }
    }
    HostTensor::new(tensor.shape().to_vec(), data)
}

fn zeros(tensor: &HostTensor) -> HostTensor {
    HostTensor::new(tensor.shape().to_vec(), vec![0.0; tensor.n_values()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pycno_model::Part;

    use super::*;
    use crate::{
        compose,
        fixture::{self, Bits, Shape},
    };

    /// `f32` sums over channels in another order or with zeros between; relative to the largest logit.
    const TOLERANCE: f32 = 1e-5;
    /// A norm after a sub-layer divides by the size of what that adds; where a few channels nearly cancel, it
    /// enlarges their rounding.
    const TOLERANCE_NORM_AFTER: f32 = 1e-4;

    fn tolerance(shape: &Shape) -> f32 {
        if shape.gemma { TOLERANCE_NORM_AFTER } else { TOLERANCE }
    }

    /// Which parts a random plan removes.
    #[derive(Clone, Copy, Debug)]
    enum Move {
        Depth,
        Ffn,
        KvGroups,
        All,
    }

    const MOVES: [Move; 4] = [Move::Depth, Move::Ffn, Move::KvGroups, Move::All];

    fn random_plan(spec: &pycno_model::ModelSpec, bits: &mut Bits, which: Move) -> PrunePlan {
        let mut plan = PrunePlan::keep_all(spec, String::new());
        if matches!(which, Move::Depth | Move::All) {
            let kept = bits.subset(spec.layers.len());
            plan.layers.retain(|layer| kept.contains(&layer.layer_idx));
        }
        for layer in &mut plan.layers {
            let shape = &spec.layers[layer.layer_idx];
            let mut cut = |axis: Axis, bits: &mut Bits| {
                layer.kept.insert(axis, bits.subset(axis.in_block(shape)));
            };
            if matches!(which, Move::Ffn | Move::All) {
                cut(Axis::Ffn, bits);
            }
            if matches!(which, Move::KvGroups | Move::All) {
                cut(Axis::KvGroups, bits);
            }
        }
        plan
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let layers = prop::collection::vec([1..4_usize, 1..4_usize, 1..10_usize], 1..5);
        let options = (prop::array::uniform4(any::<bool>()), prop::option::of(1..4_usize));
        let widths = (5..12_usize, prop::sample::select(vec![2_usize, 4, 6]));
        (widths, layers, options).prop_map(|((d_model, d_head), layers, options)| {
            let ([attention_bias, mlp_bias, tied, gemma], window) = options;
            Shape { d_model, d_head, layers, attention_bias, mlp_bias, tied, window, gemma }
        })
    }

    fn error(a: &Checkpoint, b: &Checkpoint) -> f32 {
        let sequences = fixture::sequences(2, 5, 3);
        fixture::relative_error(&fixture::logits(a, &sequences), &fixture::logits(b, &sequences))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_masked_model_is_the_sliced_one(shape in shapes(), seed in any::<u64>()) {
            let checkpoint = fixture::checkpoint(&shape.spec(), seed);
            let mut bits = Bits::new(seed ^ 1);
            for which in MOVES {
                let plan = random_plan(&checkpoint.spec, &mut bits, which);
                let sliced = slice(&checkpoint, &plan).unwrap();
                let masked = mask(&checkpoint, &plan).unwrap();
                prop_assert!(masked.check().is_ok() && masked.spec == checkpoint.spec);
                let error = error(&sliced, &masked);
                prop_assert!(error <= tolerance(&shape), "{which:?}: {error}");
            }
        }

        #[test]
        fn a_composed_plan_does_what_its_parts_do(shape in shapes(), seed in any::<u64>()) {
            let checkpoint = fixture::checkpoint(&shape.spec(), seed);
            let mut bits = Bits::new(seed ^ 2);
            for (one, two) in MOVES.into_iter().flat_map(|a| MOVES.map(|b| (a, b))) {
                let first = random_plan(&checkpoint.spec, &mut bits, one);
                let between = slice(&checkpoint, &first).unwrap();
                let second = random_plan(&between.spec, &mut bits, two);
                let both = compose(&first, &second).unwrap();
                let (stepwise, at_once) =
                    (slice(&between, &second).unwrap(), slice(&checkpoint, &both).unwrap());
                prop_assert_eq!(&stepwise.spec, &at_once.spec);
                prop_assert_eq!(&stepwise.tensors, &at_once.tensors);
                if one as usize == two as usize {
                    let error = error(&at_once, &mask(&checkpoint, &both).unwrap());
                    prop_assert!(error <= tolerance(&shape), "{one:?} then {two:?}: {error}");
                }
            }
        }

        #[test]
        fn keeping_all_is_the_identity(shape in shapes(), seed in any::<u64>()) {
            let checkpoint = fixture::checkpoint(&shape.spec(), seed);
            let plan = PrunePlan::keep_all(&checkpoint.spec, String::new());
            for same in [slice(&checkpoint, &plan).unwrap(), mask(&checkpoint, &plan).unwrap()] {
                prop_assert_eq!(&same.spec, &checkpoint.spec);
                prop_assert_eq!(crate::fingerprint(&same), crate::fingerprint(&checkpoint));
            }
        }
    }

    #[test]
    fn a_removed_part_matters_so_the_oracle_can_fail() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let mut plan = PrunePlan::keep_all(&checkpoint.spec, String::new());
        plan.layers[1].kept.insert(Axis::KvGroups, vec![1]);
        let sliced = slice(&checkpoint, &plan).unwrap();
        assert!(error(&sliced, &checkpoint) > 1e-3);
        plan.layers[1].kept.insert(Axis::KvGroups, vec![0]);
        assert!(error(&sliced, &mask(&checkpoint, &plan).unwrap()) > 1e-3);
    }

    #[test]
    fn the_order_of_ffn_channels_is_irrelevant() {
        let checkpoint =
            fixture::checkpoint(&Shape { mlp_bias: true, ..Shape::default() }.spec(), 5);
        let mut rotated = checkpoint.clone();
        let (d_ffn, d_model) = (7, 10);
        for part in [Part::Gate, Part::Up] {
            let id = TensorId::weight(1, part);
            let source = checkpoint.tensors[&id].clone();
            let row = |i: usize| (i / d_model + 3) % d_ffn;
            fixture::edit(&mut rotated, id, |i, _| source.values()[row(i) * d_model + i % d_model]);
            let id = TensorId::bias(1, part);
            let source = checkpoint.tensors[&id].clone();
            fixture::edit(&mut rotated, id, |i, _| source.values()[(i + 3) % d_ffn]);
        }
        let id = TensorId::weight(1, Part::Down);
        let source = checkpoint.tensors[&id].clone();
        let column = |i: usize| (i % d_ffn + 3) % d_ffn;
        fixture::edit(&mut rotated, id, |i, _| source.values()[i / d_ffn * d_ffn + column(i)]);
        assert_ne!(rotated.tensors, checkpoint.tensors);
        assert!(error(&rotated, &checkpoint) <= TOLERANCE);
    }

    #[test]
    fn kept_layers_are_renumbered_in_order() {
        let checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let mut plan = PrunePlan::keep_all(&checkpoint.spec, String::new());
        plan.layers.remove(0);
        let student = slice(&checkpoint, &plan).unwrap();
        student.check().unwrap();
        for (new, old) in [(0, 1), (1, 2)] {
            let found = &student.tensors[&TensorId::weight(new, Part::Q)];
            assert_eq!(found, &checkpoint.tensors[&TensorId::weight(old, Part::Q)]);
        }
    }

    #[test]
    fn rows_and_columns_are_taken_and_silenced_as_by_hand() {
        let tensor = HostTensor::new(vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let check = |found: HostTensor, shape: [usize; 2], data: &[f32]| {
            assert_eq!((found.shape(), &*found.values()), (&shape[..], data));
        };
        let (row, columns) = ((Side::Rows, vec![1]), (Side::Columns, vec![0, 2]));
        check(take(&tensor, std::slice::from_ref(&row)), [1, 3], &[4.0, 5.0, 6.0]);
        check(take(&tensor, std::slice::from_ref(&columns)), [2, 2], &[1.0, 3.0, 4.0, 6.0]);
        check(take(&tensor, &[row.clone(), columns]), [1, 2], &[4.0, 6.0]);
        check(zero(&tensor, &[row]), [2, 3], &[0.0, 0.0, 0.0, 4.0, 5.0, 6.0]);
        check(zero(&tensor, &[(Side::Columns, vec![1])]), [2, 3], &[0.0, 2.0, 0.0, 0.0, 5.0, 0.0]);
        assert_eq!(spans(&[0, 2], 3), [0, 1, 2, 6, 7, 8]);
    }

    #[test]
    fn a_plan_of_another_shape_and_a_broken_checkpoint_are_refused() {
        let mut checkpoint = fixture::checkpoint(&Shape::default().spec(), 5);
        let deeper = Shape { layers: vec![[2, 2, 7]; 4], ..Shape::default() }.spec();
        let plan = PrunePlan::keep_all(&deeper, String::new());
        let message = "indices of the layers must lie below 3, got 3";
        assert_eq!(slice(&checkpoint, &plan).unwrap_err().to_string(), message);
        assert_eq!(mask(&checkpoint, &plan).unwrap_err().to_string(), message);

        let plan = PrunePlan::keep_all(&checkpoint.spec, String::new());
        checkpoint.tensors.remove(&TensorId::weight(2, Part::Up));
        assert!(matches!(slice(&checkpoint, &plan), Err(PruneError::Model { .. })));
    }
}
