//! The header of a GGUF file: a bounds-checked cursor, metadata, tensor infos.
//!
//! Nothing here trusts a count: memory is only taken for bytes that were there.

use std::{collections::BTreeMap, path::Path};

use super::metadata::{Metadata, Value};
use crate::{ModelError, encoding::Encoding};

const MAGIC: &[u8] = b"GGUF";
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=3;
const ALIGNMENT_KEY: &str = "general.alignment";
/// Where the file does not say otherwise.
const DEFAULT_ALIGNMENT: u64 = 32;
/// As many as GGML has.
const MAX_DIMS: u32 = 4;

/// A parsed file: metadata and where each tensor lies.
#[derive(Debug)]
pub(super) struct Gguf<'a> {
    pub(super) metadata: Metadata,
    pub(super) tensors: BTreeMap<String, StoredTensor<'a>>,
}

/// A tensor as stored.
#[derive(Debug)]
pub(super) struct StoredTensor<'a> {
    /// Extents, outermost first (the file has them innermost first).
    pub(super) shape: Vec<usize>,
    pub(super) encoding: Encoding,
    /// Where its bytes begin in the file.
    pub(super) start: usize,
    pub(super) bytes: &'a [u8],
}

/// What the header says of a tensor.
struct TensorEntry {
    name: String,
    shape: Vec<usize>,
    type_id: u32,
    offset: u64,
}

impl<'a> Gguf<'a> {
    /// Parses the header and finds every tensor's bytes.
    pub(super) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, ModelError> {
        let mut cursor = Cursor { metadata: Metadata::new(path), bytes, position: 0 };
        cursor.magic()?;
        let n_tensors = cursor.u64("tensor count")?;
        let n_values = cursor.u64("metadata count")?;
        for _ in 0..n_values {
            cursor.key_and_value()?;
        }
        let entries: Vec<TensorEntry> =
            (0..n_tensors).map(|_| cursor.tensor_entry()).collect::<Result<_, _>>()?;
        let tensors = locate(&cursor, entries)?;
        Ok(Self { metadata: cursor.metadata, tensors })
    }
}

/// Finds the bytes of every tensor behind the header.
fn locate<'a>(
    cursor: &Cursor<'a>,
    entries: Vec<TensorEntry>,
) -> Result<BTreeMap<String, StoredTensor<'a>>, ModelError> {
    let alignment = cursor.alignment()?;
    let start = (cursor.position as u64).next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for entry in entries {
        let place = format!("tensor {}", entry.name);
        let wrong =
            |expected: String, found: String| Err(cursor.metadata.wrong(&place, expected, found));
        if !entry.offset.is_multiple_of(alignment) {
            return wrong(format!("an offset that {alignment} divides"), entry.offset.to_string());
        }
        let tensor = stored(cursor, &entry, &place, start)?;
        let end = entry.offset + tensor.bytes.len() as u64;
        if let Some((_, other)) = ends.insert(entry.offset, (end, entry.name.clone())) {
            return wrong("bytes of its own".to_owned(), format!("those of {other}"));
        }
        if tensors.insert(entry.name, tensor).is_some() {
            return wrong("one of that name".to_owned(), "two".to_owned());
        }
    }
    check_overlap(&cursor.metadata, &ends)?;
    Ok(tensors)
}

/// `ends`: by offset, where the tensor ends and its name.
fn check_overlap(
    metadata: &Metadata,
    ends: &BTreeMap<u64, (u64, String)>,
) -> Result<(), ModelError> {
    for ((_, (end, before)), (offset, (_, name))) in ends.iter().zip(ends.iter().skip(1)) {
        if end > offset {
            let found = format!("{offset} inside {before}, which ends at {end}");
            return Err(metadata.wrong(&format!("tensor {name}"), "an offset of its own", found));
        }
    }
    Ok(())
}

fn stored<'a>(
    cursor: &Cursor<'a>,
    entry: &TensorEntry,
    place: &str,
    start: u64,
) -> Result<StoredTensor<'a>, ModelError> {
    let encoding = Encoding::from_id(entry.type_id).ok_or_else(|| {
        let expected = format!("one of the types {}", Encoding::supported());
        cursor.metadata.wrong(place, expected, Encoding::name_of(entry.type_id))
    })?;
    let row = entry.shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(encoding.block_len()) {
        let expected = format!("rows that blocks of {} divide", encoding.block_len());
        return Err(cursor.metadata.wrong(place, expected, format!("rows of {row}")));
    }
    let length = entry
        .shape
        .iter()
        .try_fold(1_usize, |product, extent| product.checked_mul(*extent))
        .and_then(|len| (len / encoding.block_len()).checked_mul(encoding.block_bytes()))
        .ok_or_else(|| cursor.metadata.wrong(place, "a size below 2^64", "more"))?;
    let place_in_file = start
        .checked_add(entry.offset)
        .and_then(|from| usize::try_from(from).ok())
        .and_then(|from| Some((from, cursor.bytes.get(from..from.checked_add(length)?)?)));
    let (start, bytes) = place_in_file.ok_or_else(|| {
        let left = (cursor.bytes.len() as u64).saturating_sub(start).saturating_sub(entry.offset);
        cursor.truncated(place, length as u64, left)
    })?;
    Ok(StoredTensor { shape: entry.shape.clone(), encoding, start, bytes })
}

/// Reads little-endian values front to back.
struct Cursor<'a> {
    metadata: Metadata,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    fn truncated(&self, place: &str, needed: u64, left: u64) -> ModelError {
        let (expected, found) = (format!("{needed} bytes"), format!("{left} before the end"));
        self.metadata.wrong(place, expected, found)
    }

    fn take(&mut self, len: u64, place: &str) -> Result<&'a [u8], ModelError> {
        let left = &self.bytes[self.position..];
        let taken = usize::try_from(len).ok().and_then(|len| left.get(..len));
        let taken = taken.ok_or_else(|| self.truncated(place, len, left.len() as u64))?;
        self.position += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, place: &str) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64, place)?);
        Ok(array)
    }

    fn u32(&mut self, place: &str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array(place)?))
    }

    fn u64(&mut self, place: &str) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array(place)?))
    }

    fn string(&mut self, place: &str) -> Result<String, ModelError> {
        let len = self.u64(place)?;
        let bytes = self.take(len, place)?.to_vec();
        String::from_utf8(bytes).map_err(|error| {
            let found = format!("a bad byte at {}", error.utf8_error().valid_up_to());
            self.metadata.wrong(place, "a string in UTF-8", found)
        })
    }

    fn magic(&mut self) -> Result<(), ModelError> {
        let magic = self.take(4, "magic")?;
        if magic != MAGIC {
            let found = magic.escape_ascii().to_string();
            return Err(self.metadata.wrong("magic", "GGUF", found));
        }
        let version = self.u32("version")?;
        if VERSIONS.contains(&version) {
            return Ok(());
        }
        let found = if VERSIONS.contains(&version.swap_bytes()) {
            format!("version {} in big endian", version.swap_bytes())
        } else {
            version.to_string()
        };
        Err(self.metadata.wrong("version", "2 or 3 in little endian", found))
    }

    fn key_and_value(&mut self) -> Result<(), ModelError> {
        let key = self.string("metadata key")?;
        let type_id = self.u32(&key)?;
        let value = self.value(type_id, &key)?;
        if self.metadata.values.insert(key.clone(), value).is_some() {
            return Err(self.metadata.wrong(&key, "one value", "two"));
        }
        Ok(())
    }

    fn value(&mut self, type_id: u32, key: &str) -> Result<Value, ModelError> {
        Ok(match type_id {
            6 => Value::Single(f32::from_le_bytes(self.array(key)?)),
            7 => Value::Bool(self.bool(key)?),
            8 => Value::Text(self.string(key)?),
            9 => self.array_value(key)?,
            10 => Value::Integer(u64::from_le_bytes(self.array(key)?).into()),
            12 => Value::Double(f64::from_le_bytes(self.array(key)?)),
            other => Value::Integer(self.integer(other, key)?.into()),
        })
    }

    fn array_value(&mut self, key: &str) -> Result<Value, ModelError> {
        let type_id = self.u32(key)?;
        let n = self.u64(key)?;
        Ok(match type_id {
            6 => Value::Floats(self.repeat(n, |it| Ok(f32::from_le_bytes(it.array(key)?).into()))?),
            7 => Value::Bools(self.repeat(n, |it| it.bool(key))?),
            8 => Value::Texts(self.repeat(n, |it| it.string(key))?),
            9 => return Err(self.metadata.wrong(key, "an array of plain values", "nested arrays")),
            12 => Value::Floats(self.repeat(n, |it| Ok(f64::from_le_bytes(it.array(key)?)))?),
            other => Value::Integers(self.repeat(n, |it| it.integer(other, key))?),
        })
    }

    /// Grows as it reads: a lying `n` meets the end of the file first.
    fn repeat<T>(
        &mut self,
        n: u64,
        mut read: impl FnMut(&mut Self) -> Result<T, ModelError>,
    ) -> Result<Vec<T>, ModelError> {
        let mut values = Vec::new();
        for _ in 0..n {
            values.push(read(self)?);
        }
        Ok(values)
    }

    fn bool(&mut self, key: &str) -> Result<bool, ModelError> {
        match self.array(key)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(self.metadata.wrong(key, "a bool of 0 or 1", other.to_string())),
        }
    }

    fn integer(&mut self, type_id: u32, key: &str) -> Result<i64, ModelError> {
        Ok(match type_id {
            0 => u8::from_le_bytes(self.array(key)?).into(),
            1 => i8::from_le_bytes(self.array(key)?).into(),
            2 => u16::from_le_bytes(self.array(key)?).into(),
            3 => i16::from_le_bytes(self.array(key)?).into(),
            4 => u32::from_le_bytes(self.array(key)?).into(),
            5 => i32::from_le_bytes(self.array(key)?).into(),
            10 => {
                let number = self.u64(key)?;
                let found = || self.metadata.wrong(key, "integers below 2^63", number.to_string());
                i64::try_from(number).map_err(|_| found())?
            }
            11 => i64::from_le_bytes(self.array(key)?),
            other => {
                return Err(self.metadata.wrong(key, "a value type of 0 to 12", other.to_string()));
            }
        })
    }

    fn tensor_entry(&mut self) -> Result<TensorEntry, ModelError> {
        let name = self.string("tensor name")?;
        let place = format!("tensor {name}");
        let n_dims = self.u32(&place)?;
        if n_dims == 0 || n_dims > MAX_DIMS {
            let found = n_dims.to_string();
            return Err(self.metadata.wrong(&place, "1 to 4 dimensions", found));
        }
        let mut shape = self.repeat(n_dims.into(), |it| it.extent(&place))?;
        shape.reverse();
        Ok(TensorEntry { name, shape, type_id: self.u32(&place)?, offset: self.u64(&place)? })
    }

    fn extent(&mut self, place: &str) -> Result<usize, ModelError> {
        let extent = self.u64(place)?;
        let wrong = || self.metadata.wrong(place, "extents of at least 1", extent.to_string());
        usize::try_from(extent).ok().filter(|extent| *extent > 0).ok_or_else(wrong)
    }

    fn alignment(&self) -> Result<u64, ModelError> {
        let alignment = self.metadata.size(ALIGNMENT_KEY)?;
        let alignment = alignment.map_or(DEFAULT_ALIGNMENT, |alignment| alignment as u64);
        if alignment.is_power_of_two() {
            Ok(alignment)
        } else {
            Err(self.metadata.wrong(ALIGNMENT_KEY, "a power of two", alignment.to_string()))
        }
    }
}
