//! A safetensors file, written tensor by tensor in blocks of rows: a model on its way out takes no memory beyond a block.
//!
//! The bytes are those that [`safetensors::serialize`] gives, which holds a whole tensor at a time.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use super::write::SaveDtype;
use crate::{HostTensor, ModelError};

/// Tensors by their names in the file.
pub(super) type Named<'a> = BTreeMap<String, &'a HostTensor>;

/// Headers are padded with spaces to a multiple of so many bytes.
const ALIGNMENT: usize = 8;
/// Values narrowed by one task.
const VALUES_PER_TASK: usize = 1 << 16;
const BUFFER: usize = 1 << 20;

/// Writes a file of tensors, all in one type, and syncs it.
///
/// # Errors
///
/// [`ModelError::OutOfRange`] for a number that would become infinite, [`ModelError::Save`], [`ModelError::Io`].
pub(super) fn save(named: &Named<'_>, path: &Path, dtype: SaveDtype) -> Result<(), ModelError> {
    let (in_file, width) = (dtype.in_file().0, dtype.in_file().1.size());
    let entries = named.iter().map(|(name, x)| (name, in_file, x.shape(), x.n_values() * width));
    // `transformers` refuses a file that does not say which framework's layout it has.
    let mut file = Sink::begin(path, entries, ("format", "pt"))?;
    for (name, tensor) in named {
        for block in tensor.blocks() {
            file.write(&narrowed(name, &block, dtype)?)?;
        }
    }
    file.end()
}

/// Writes a file of bytes, by name, each with the shape that it has.
///
/// # Errors
///
/// [`ModelError::Save`], [`ModelError::Io`].
pub(super) fn save_bytes(
    named: &BTreeMap<String, ([usize; 2], &[u8])>,
    path: &Path,
    metadata: (&str, &str),
) -> Result<(), ModelError> {
    let entries = named.iter().map(|(name, (shape, x))| (name, Dtype::U8, &shape[..], x.len()));
    let mut file = Sink::begin(path, entries, metadata)?;
    named.values().try_for_each(|(_, bytes)| file.write(bytes))?;
    file.end()
}

/// A file on its way.
struct Sink<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Sink<'a> {
    /// Begins a file with its header; entries are a name, a type, a shape and how many bytes follow.
    fn begin<'b>(
        path: &'a Path,
        entries: impl Iterator<Item = (&'b String, Dtype, &'b [usize], usize)>,
        metadata: (&str, &str),
    ) -> Result<Self, ModelError> {
        let header = header(entries, metadata)
            .map_err(|source| ModelError::Save { path: path.to_owned(), source })?;
        let file = File::create(path).map_err(ModelError::io("write", path))?;
        let mut sink = Self { path, file: BufWriter::with_capacity(BUFFER, file) };
        sink.write(&header)?;
        Ok(sink)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.file.write_all(bytes).map_err(ModelError::io("write", self.path))
    }

    fn end(mut self) -> Result<(), ModelError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(ModelError::io("write", self.path))
    }
}

/// Length and JSON, padded.
fn header<'b>(
    entries: impl Iterator<Item = (&'b String, Dtype, &'b [usize], usize)>,
    (key, value): (&str, &str),
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let mut end = 0;
    let entry = |(name, dtype, shape, bytes): (&String, Dtype, &[usize], usize)| {
        let start = end;
        end += bytes;
        (name.clone(), TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (start, end) })
    };
    let metadata = Some([(key.to_owned(), value.to_owned())].into());
    let mut json = serde_json::to_vec(&Metadata::new(metadata, entries.map(entry).collect())?)?;
    json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
    Ok([&(json.len() as u64).to_le_bytes()[..], &json].concat())
}

/// Values as the file holds them; rounding must not turn a number into infinity.
fn narrowed(name: &str, values: &[f32], dtype: SaveDtype) -> Result<Vec<u8>, ModelError> {
    let narrow: fn(f32) -> f32 = match dtype {
        SaveDtype::F32 => |x| x,
        SaveDtype::Bf16 => |x| bf16::from_f32(x).to_f32(),
        SaveDtype::F16 => |x| f16::from_f32(x).to_f32(),
    };
    let lost = |x: &&f32| x.is_finite() && !narrow(**x).is_finite();
    if let Some(found) = values.par_iter().with_min_len(VALUES_PER_TASK).find_first(lost) {
        let (tensor, dtype) = (name.to_owned(), dtype.name());
        return Err(ModelError::OutOfRange { tensor, dtype, found: *found });
    }
    Ok(match dtype {
        SaveDtype::F32 => flat(values, f32::to_le_bytes),
        SaveDtype::Bf16 => flat(values, |x| bf16::from_f32(x).to_le_bytes()),
        SaveDtype::F16 => flat(values, |x| f16::from_f32(x).to_le_bytes()),
    })
}

fn flat<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N] + Sync) -> Vec<u8> {
    let values = values.par_iter().with_min_len(VALUES_PER_TASK);
    values.map(|x| bytes(*x)).collect::<Vec<[u8; N]>>().into_flattened()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_library() {
        let matrix = HostTensor::new(vec![3, 5], (0..15).map(|i| i as f32 / 4.0).collect());
        let vector = HostTensor::new(vec![7], (0..7).map(|i| i as f32 - 3.0).collect());
        let columns = matrix.with_columns(vec![4, 0]);
        let named: Named<'_> = [("b", &matrix), ("a.weight", &vector), ("c", &columns)]
            .map(|(k, x)| (k.to_owned(), x))
            .into();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.safetensors");
        let types = [
            (SaveDtype::F32, Dtype::F32),
            (SaveDtype::Bf16, Dtype::BF16),
            (SaveDtype::F16, Dtype::F16),
        ];
        for (dtype, in_library) in types {
            save(&named, &path, dtype).unwrap();
            let bytes: BTreeMap<&str, Vec<u8>> = named
                .iter()
                .map(|(name, x)| (name.as_str(), narrowed(name, &x.values(), dtype).unwrap()))
                .collect();
            let views = named.iter().map(|(name, x)| {
                let shape = x.shape().to_vec();
                (name, TensorView::new(in_library, shape, &bytes[name.as_str()]).unwrap())
            });
            let framework = Some([("format".to_owned(), "pt".to_owned())].into());
            let expected = safetensors::serialize(views, framework).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), expected, "{dtype:?}");
        }
    }

    #[test]
    fn a_full_disk_is_an_error_with_the_files_name() {
        let full = Path::new("/dev/full");
        if full.exists() {
            let vector = HostTensor::new(vec![7], vec![0.0; 7]);
            let error = save(&[("a".to_owned(), &vector)].into(), full, SaveDtype::F32);
            assert!(error.unwrap_err().to_string().contains("/dev/full"));
        }
    }
}
