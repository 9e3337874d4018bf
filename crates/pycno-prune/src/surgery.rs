//! Applying a plan: [`slice()`] takes parts out, [`mask`] silences them at full shape. Both give the same
//! function, which is the test of every move.
//!
//! A part leaves with all that is coupled to it: an FFN channel is a row of gate and up and a column of
//! down, a key/value group is `d_head` rows of k and v and the rows of q and columns of o of the query
//! heads it serves, a layer is the whole block. Biases go with their rows.
//!
//! Tokenizer files travel along. `config` still says the old sizes: whoever writes the checkpoint to
//! disk builds those keys from `spec`.

use std::collections::BTreeMap;

use pycno_model::{Checkpoint, Dim, HostTensor, LayerSpec, TensorId};
use rayon::prelude::*;

use crate::{LayerPlan, PruneError, PrunePlan};

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
    let kept = kept_layers(checkpoint, plan);
    let tensors = checkpoint.tensors.par_iter().filter_map(|(id, tensor)| {
        let Some(layer_idx) = id.layer else { return Some((*id, tensor.clone())) };
        let layer = kept.get(&layer_idx)?;
        let cut = |tensor: HostTensor, (axis, kept): (Axis, &[usize])| take(&tensor, axis, kept);
        let sliced = layer.cuts(*id).into_iter().fold(tensor.clone(), cut);
        Some((id.in_layer(layer.new_idx), sliced))
    });
    Ok(Checkpoint { tensors: tensors.collect(), spec, ..checkpoint.clone() })
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
    let kept = kept_layers(checkpoint, plan);
    let tensors = checkpoint.tensors.par_iter().map(|(id, tensor)| {
        let masked = match id.layer.map(|layer_idx| kept.get(&layer_idx)) {
            None => tensor.clone(),
            Some(Some(layer)) => {
                let cut =
                    |tensor: HostTensor, (axis, kept): (Axis, &[usize])| zero(&tensor, axis, kept);
                layer.cuts(*id).into_iter().fold(tensor.clone(), cut)
            }
            Some(None) if id.info().is_some_and(|info| info.writes_residual) => zeros(tensor),
            Some(None) => tensor.clone(),
        };
        (*id, masked)
    });
    Ok(Checkpoint { tensors: tensors.collect(), ..checkpoint.clone() })
}

#[derive(Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// Rows and columns that stay, by what they count.
struct KeptLayer {
    new_idx: usize,
    query: Vec<usize>,
    key_value: Vec<usize>,
    ffn: Vec<usize>,
}

fn kept_layers(checkpoint: &Checkpoint, plan: &PrunePlan) -> BTreeMap<usize, KeptLayer> {
    let layers = plan.layers.iter().enumerate();
    layers
        .map(|(new_idx, layer)| {
            let shape = checkpoint.spec.layers[layer.layer_idx];
            (layer.layer_idx, KeptLayer::new(new_idx, layer, shape))
        })
        .collect()
}

impl KeptLayer {
    fn new(new_idx: usize, plan: &LayerPlan, shape: LayerSpec) -> Self {
        let d_head = shape.d_head();
        let rows_per_group = shape.n_heads() / shape.n_kv_heads().max(1) * d_head;
        Self {
            new_idx,
            query: spans(&plan.kv_groups, rows_per_group),
            key_value: spans(&plan.kv_groups, d_head),
            ffn: plan.ffn.clone(),
        }
    }

    /// What stays along each axis of a tensor; axes that stay whole are not listed.
    fn cuts(&self, id: TensorId) -> Vec<(Axis, &[usize])> {
        let Some(info) = id.info() else { return Vec::new() };
        let axes = [(Axis::Rows, Some(info.rows)), (Axis::Columns, info.columns)];
        axes.into_iter().filter_map(|(axis, dim)| Some((axis, self.of(dim?)?))).collect()
    }

    /// The indices that stay of what an axis counts; `None` if no plan cuts it.
    fn of(&self, dim: Dim) -> Option<&[usize]> {
        match dim {
            Dim::Query => Some(&self.query),
            Dim::KeyValue => Some(&self.key_value),
            Dim::Ffn => Some(&self.ffn),
            Dim::Vocab | Dim::Model | Dim::Head => None,
        }
    }
}

/// The members of runs of `len`: `spans(&[0, 2], 3)` is `[0, 1, 2, 6, 7, 8]`.
fn spans(runs: &[usize], len: usize) -> Vec<usize> {
    runs.iter().flat_map(|run| run * len..(run + 1) * len).collect()
}

/// Rows of a vector are its entries.
fn row_len(tensor: &HostTensor) -> usize {
    tensor.shape()[1..].iter().product()
}

fn take(tensor: &HostTensor, axis: Axis, kept: &[usize]) -> HostTensor {
    let (data, len) = (tensor.data(), row_len(tensor));
    let mut shape = tensor.shape().to_vec();
    let extent = match axis {
        Axis::Rows => &mut shape[0],
        Axis::Columns => &mut shape[1],
    };
    if kept.len() == *extent {
        return tensor.clone();
    }
    *extent = kept.len();
    let taken = match axis {
        Axis::Rows => {
            kept.iter().flat_map(|row| &data[row * len..(row + 1) * len]).copied().collect()
        }
        Axis::Columns => {
            data.chunks_exact(len).flat_map(|row| kept.iter().map(|column| row[*column])).collect()
        }
    };
    HostTensor::new(shape, taken)
}

fn zero(tensor: &HostTensor, axis: Axis, kept: &[usize]) -> HostTensor {
    let len = row_len(tensor);
    let mut data = vec![0.0; tensor.data().len()];
    let source = tensor.data();
    match axis {
        Axis::Rows => {
            for row in kept {
                let row = row * len..(row + 1) * len;
                data[row.clone()].copy_from_slice(&source[row]);
            }
        }
        Axis::Columns => {
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
    HostTensor::new(tensor.shape().to_vec(), vec![0.0; tensor.data().len()])
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
            if matches!(which, Move::Ffn | Move::All) {
                layer.ffn = bits.subset(layer.ffn.len());
            }
            if matches!(which, Move::KvGroups | Move::All) {
                layer.kv_groups = bits.subset(layer.kv_groups.len());
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
                prop_assert!(error <= TOLERANCE, "{which:?}: {error}");
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
                    prop_assert!(error <= TOLERANCE, "{one:?} then {two:?}: {error}");
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
        plan.layers[1].kv_groups = vec![1];
        let sliced = slice(&checkpoint, &plan).unwrap();
        assert!(error(&sliced, &checkpoint) > 1e-3);
        plan.layers[1].kv_groups = vec![0];
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
            fixture::edit(&mut rotated, id, |i, _| source.data()[row(i) * d_model + i % d_model]);
            let id = TensorId::bias(1, part);
            let source = checkpoint.tensors[&id].clone();
            fixture::edit(&mut rotated, id, |i, _| source.data()[(i + 3) % d_ffn]);
        }
        let id = TensorId::weight(1, Part::Down);
        let source = checkpoint.tensors[&id].clone();
        let column = |i: usize| (i % d_ffn + 3) % d_ffn;
        fixture::edit(&mut rotated, id, |i, _| source.data()[i / d_ffn * d_ffn + column(i)]);
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
            assert_eq!((found.shape(), found.data()), (&shape[..], data));
        };
        check(take(&tensor, Axis::Rows, &[1]), [1, 3], &[4.0, 5.0, 6.0]);
        check(take(&tensor, Axis::Columns, &[0, 2]), [2, 2], &[1.0, 3.0, 4.0, 6.0]);
        check(zero(&tensor, Axis::Rows, &[1]), [2, 3], &[0.0, 0.0, 0.0, 4.0, 5.0, 6.0]);
        check(zero(&tensor, Axis::Columns, &[1]), [2, 3], &[0.0, 2.0, 0.0, 0.0, 5.0, 0.0]);
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
