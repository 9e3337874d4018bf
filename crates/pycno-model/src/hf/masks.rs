//! The masks of a student whose single weights were pruned, beside its weights: `pycno/masks.safetensors`, a tensor of
//! bytes `[d_out, ceil(d_in / 8)]` per matrix, under our own names.
//!
//! It lies in a folder of its own, since some loaders take every `.safetensors` file beside the weights for weights.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::stream;
use crate::{HostTensor, Mask, Masks, ModelError, TensorId, files::read_if_there};

/// The file's place in a checkpoint's folder.
pub(crate) const MASKS: &str = "pycno/masks.safetensors";
/// Version of the file, in its header.
const FORMAT: &str = "1";

/// The masks of a folder whose tensors are these; none if it has no such file.
///
/// # Errors
///
/// [`ModelError::Malformed`] for a file that is not masks of just these tensors, or that removes a weight that is not
/// zero; [`ModelError::Io`].
pub(super) fn read(
    folder: &Path,
    tensors: &BTreeMap<TensorId, HostTensor>,
) -> Result<Masks, ModelError> {
    let path = folder.join(MASKS);
    let Some(bytes) = read_if_there(&path)? else { return Ok(Masks::new()) };
    let refuse = |part: &str, expected: &str, found: String| {
        Err(ModelError::malformed(&path, part, expected, found))
    };
    let file = match SafeTensors::deserialize(&bytes) {
        Ok(file) => file,
        Err(error) => return refuse("header", "a safetensors file", error.to_string()),
    };
    let mut masks = Masks::new();
    for (name, view) in file.tensors() {
        let Some((id, matrix)) = named(&name, tensors) else {
            return refuse(&name, "the name of a matrix of a block", "another".to_owned());
        };
        masks.insert(id, mask(&path, &name, &view, matrix)?);
    }
    Ok(masks)
}

/// The prunable matrix of that name.
fn named<'a>(
    name: &str,
    tensors: &'a BTreeMap<TensorId, HostTensor>,
) -> Option<(TensorId, &'a HostTensor)> {
    let id: TensorId = name.parse().ok()?;
    let prunable = id.info().is_some_and(crate::TensorInfo::is_prunable);
    Some((id, tensors.get(&id).filter(|_| prunable)?))
}

fn mask(
    path: &Path,
    name: &str,
    view: &TensorView<'_>,
    matrix: &HostTensor,
) -> Result<Mask, ModelError> {
    let shape = [matrix.shape()[0], matrix.shape()[1]];
    let expected = [shape[0], shape[1].div_ceil(8)];
    if view.dtype() != Dtype::U8 || view.shape() != expected {
        let found = format!("{:?} {:?}", view.dtype(), view.shape());
        return Err(ModelError::malformed(path, name, &format!("U8 {expected:?}"), found));
    }
    let Some(mask) = Mask::from_bits(shape, view.data().to_vec()) else {
        let expected = "0 in the bits beyond the last input";
        return Err(ModelError::malformed(path, name, expected, "1"));
    };
    match mask.violation(matrix) {
        None => Ok(mask),
        Some((i, weight)) => {
            let expected = "0 for every weight that the mask removes";
            let (row, column) = (i / shape[1], i % shape[1]);
            let found = format!("{weight} at output {row}, input {column}");
            Err(ModelError::malformed(path, name, expected, found))
        }
    }
}

/// Writes the file.
///
/// # Errors
///
/// [`ModelError::Save`], [`ModelError::Io`].
pub(super) fn write(masks: &Masks, path: &Path) -> Result<(), ModelError> {
    let named = masks.iter().map(|(id, mask)| {
        let [rows, columns] = mask.shape();
        (id.to_string(), ([rows, columns.div_ceil(8)], mask.bits()))
    });
    stream::save_bytes(&named.collect(), path, ("pycno.masks", FORMAT))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::{
        Checkpoint, Part,
        hf::{self, SaveDtype, fixture},
    };

    const ID: TensorId = TensorId::weight(1, Part::Down);

    /// The tiny model without every third weight of one matrix.
    fn masked() -> Checkpoint {
        let mut checkpoint = fixture::checkpoint(&json!({}));
        let matrix = &checkpoint.tensors[&ID];
        let shape = [matrix.shape()[0], matrix.shape()[1]];
        let kept: Vec<bool> = (0..matrix.n_values()).map(|i| i % 3 != 0).collect();
        let mask = Mask::new(shape, &kept);
        checkpoint.tensors.insert(ID, mask.apply(&checkpoint.tensors[&ID]));
        checkpoint.masks.insert(ID, mask);
        checkpoint
    }

    #[test]
    fn masks_come_back_with_the_weights_and_are_absent_without() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        let checkpoint = masked();
        hf::write(&checkpoint, &folder, SaveDtype::F32).unwrap();
        assert_eq!(hf::read(&folder).unwrap().masks, checkpoint.masks);
        fs::remove_file(folder.join(MASKS)).unwrap();
        assert!(hf::read(&folder).unwrap().masks.is_empty());
        let dense = place.path().join("dense");
        hf::write(&fixture::checkpoint(&json!({})), &dense, SaveDtype::F32).unwrap();
        assert!(!dense.join("pycno").exists());
    }

    /// Writes the tiny model with another file of masks.
    #[track_caller]
    fn check_refused(file: &[u8], message: &str) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        hf::write(&masked(), &folder, SaveDtype::F32).unwrap();
        fs::write(folder.join(MASKS), file).unwrap();
        let error = hf::read(&folder).unwrap_err().to_string();
        assert!(error.contains("masks.safetensors") && error.contains(message), "{error}");
    }

    fn file(name: &str, dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape, bytes).unwrap();
        safetensors::serialize([(name, view)], None).unwrap()
    }

    #[test]
    fn masks_that_lie_are_refused_by_name() {
        let name = ID.to_string();
        let [rows, columns] = masked().masks[&ID].shape();
        let bytes = rows * columns.div_ceil(8);
        let shape = || vec![rows, columns.div_ceil(8)];
        let none = vec![0; bytes];
        check_refused(
            &file(&name, Dtype::U8, shape(), &none),
            "every weight that the mask removes",
        );
        check_refused(&file(&name, Dtype::U8, shape(), &vec![255; bytes]), "beyond the last input");
        check_refused(&file(&name, Dtype::I8, shape(), &none), "expected U8");
        check_refused(&file(&name, Dtype::U8, vec![bytes], &none), "expected U8");
        for other in ["layers.9.down.weight", "layers.1.ffn_norm.weight", "embedding.weight", "x"] {
            check_refused(&file(other, Dtype::U8, shape(), &none), "matrix of a block");
        }
        let whole = file(&name, Dtype::U8, shape(), &none);
        for length in [0, 7, 8, 20, whole.len() - 1] {
            check_refused(&whole[..length], "a safetensors file");
        }
    }
}
