//! The header of a safetensors file, checked against the file it stands in.
//!
//! Layout: 8 bytes with the header's length (little endian), the header (JSON: name to dtype, shape
//! and byte range), then the data, which the ranges cover without gap or overlap.

use std::{collections::BTreeMap, ops::Range, path::Path};

use serde::Deserialize;

use crate::{ModelError, encoding::Encoding};

/// Longest header accepted, as in the reference implementation.
const LONGEST: usize = 100_000_000;
const LENGTH_BYTES: usize = 8;

/// A floating-point type that weights come in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum FileDtype {
    F32,
    F16,
    Bf16,
}

/// Where a tensor lies.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) dtype: FileDtype,
    pub(crate) shape: Vec<usize>,
    /// Bytes within the file.
    pub(crate) bytes: Range<usize>,
}

/// An entry as written.
#[derive(Deserialize)]
struct Raw {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl FileDtype {
    /// Bytes a value takes.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            _ => None,
        }
    }
}

impl From<FileDtype> for Encoding {
    fn from(dtype: FileDtype) -> Self {
        match dtype {
            FileDtype::F32 => Self::F32,
            FileDtype::F16 => Self::F16,
            FileDtype::Bf16 => Self::BF16,
        }
    }
}

/// Reads and checks the header of a whole file.
///
/// # Errors
///
/// [`ModelError::Malformed`] or [`ModelError::Json`], naming the file and the tensor.
pub(crate) fn parse(path: &Path, file: &[u8]) -> Result<BTreeMap<String, Entry>, ModelError> {
    let (raw, data_start) = raw_entries(path, file)?;
    let mut entries = BTreeMap::new();
    for (name, raw) in raw {
        let entry = check_entry(path, &name, raw, data_start)?;
        entries.insert(name, entry);
    }
    check_cover(path, &entries, data_start, file.len())?;
    Ok(entries)
}

fn raw_entries(path: &Path, file: &[u8]) -> Result<(BTreeMap<String, Raw>, usize), ModelError> {
    let short = |expected: String| {
        ModelError::malformed(path, "header", &expected, format!("{} bytes", file.len()))
    };
    let Some((length, rest)) = file.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(short(format!("a file of at least {LENGTH_BYTES} bytes")));
    };
    let promised = u64::from_le_bytes(*length);
    let Some(length) = usize::try_from(promised).ok().filter(|length| *length <= LONGEST) else {
        let expected = format!("a length of at most {LONGEST}");
        return Err(ModelError::malformed(path, "header", &expected, promised));
    };
    let Some(header) = rest.get(..length) else {
        return Err(short(format!("a file that holds its header of {length} bytes")));
    };
    let json = |source| ModelError::Json { path: path.to_owned(), source };
    let mut header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(json)?;
    header.remove("__metadata__");
    let raw = header
        .into_iter()
        .map(|(name, value)| match serde_json::from_value(value) {
            Ok(raw) => Ok((name, raw)),
            Err(error) => {
                Err(ModelError::malformed(path, &name, "dtype, shape and data_offsets", error))
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((raw, LENGTH_BYTES + length))
}

fn check_entry(path: &Path, name: &str, raw: Raw, data_start: usize) -> Result<Entry, ModelError> {
    let Some(dtype) = FileDtype::parse(&raw.dtype) else {
        return Err(ModelError::malformed(path, name, "dtype F32, F16 or BF16", raw.dtype));
    };
    let (begin, end) = raw.data_offsets;
    let size = raw.shape.iter().try_fold(dtype.size(), |size, extent| size.checked_mul(*extent));
    if end.checked_sub(begin) != size || size.is_none() {
        let expected = format!("a byte range that holds {} {:?}", raw.dtype, raw.shape);
        return Err(ModelError::malformed(path, name, &expected, format!("{begin}..{end}")));
    }
    let (Some(begin), Some(end)) = (begin.checked_add(data_start), end.checked_add(data_start))
    else {
        return Err(ModelError::malformed(
            path,
            name,
            "a byte range within the file",
            format!("{begin}..{end}"),
        ));
    };
    Ok(Entry { dtype, shape: raw.shape, bytes: begin..end })
}

/// Ranges must follow one another from the header's end to the file's.
fn check_cover(
    path: &Path,
    entries: &BTreeMap<String, Entry>,
    data_start: usize,
    file_len: usize,
) -> Result<(), ModelError> {
    let mut by_place: Vec<_> = entries.iter().collect();
    by_place.sort_by_key(|(_, entry)| (entry.bytes.start, entry.bytes.end));
    let mut at = data_start;
    for (name, Entry { bytes, .. }) in by_place {
        if bytes.start != at {
            let expected = format!("data from byte {} on", at - data_start);
            return Err(ModelError::malformed(path, name, &expected, bytes.start - data_start));
        }
        if bytes.end > file_len {
            let expected = format!("{} bytes of data in the file", bytes.end - data_start);
            return Err(ModelError::malformed(path, name, &expected, file_len - data_start));
        }
        at = bytes.end;
    }
    if at != file_len {
        let expected = format!("a file of {at} bytes");
        return Err(ModelError::malformed(path, "data", &expected, format!("{file_len} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(vec![0; data]);
        file
    }

    /// Checks that the message says each of `words`.
    #[track_caller]
    fn check(file: &[u8], words: &[&str]) {
        let error = parse(Path::new("w.safetensors"), file).unwrap_err().to_string();
        for word in ["w.safetensors"].iter().chain(words) {
            assert!(error.contains(word), "{error:?} does not say {word:?}");
        }
    }

    fn two(first: &str, second: &str) -> String {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{first}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{second}}}}}"#
        )
    }

    #[test]
    fn a_sound_file_is_read() {
        let file = file(&two("[0,8]", "[8,16]"), 16);
        let entries = parse(Path::new("w"), &file).unwrap();
        assert_eq!(entries["b"].bytes, file.len() - 8..file.len());
        assert_eq!(entries["a"].shape, [2]);
    }

    #[test]
    fn a_file_too_short_for_a_length_is_refused() {
        check(&[1, 2, 3], &["header", "at least 8 bytes", "3 bytes"]);
        check(&[], &["header", "0 bytes"]);
    }

    #[test]
    fn a_header_longer_than_the_file_is_refused() {
        let mut short = file("{}", 0);
        short[0] = 200;
        check(&short, &["header of 200 bytes", "found 10 bytes"]);
        check(&[255; 16], &["at most 100000000", "18446744073709551615"]);
    }

    #[test]
    fn a_header_that_is_no_json_is_refused() {
        check(&file("{\"a\": nonsense", 0), &["JSON"]);
        check(&file("[1, 2]", 0), &["JSON"]);
        check(&file(r#"{"a": {"dtype": "F32"}}"#, 0), &["a:", "data_offsets", "missing field"]);
        check(&file(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4), &["a:"]);
    }

    #[test]
    fn ranges_that_overlap_or_leave_a_gap_are_refused() {
        check(&file(&two("[0,8]", "[4,12]"), 12), &["b:", "from byte 8 on", "found 4"]);
        check(&file(&two("[0,8]", "[12,20]"), 20), &["b:", "from byte 8 on", "found 12"]);
        check(&file(&two("[0,8]", "[0,8]"), 8), &["b:", "found 0"]);
    }

    #[test]
    fn a_truncated_file_is_refused_by_tensor() {
        check(&file(&two("[0,8]", "[8,16]"), 11), &["b:", "16 bytes", "found 11"]);
    }

    #[test]
    fn bytes_after_the_last_tensor_are_refused() {
        check(
            &file(&two("[0,8]", "[8,16]"), 17),
            &["data: expected a file of 132 bytes, found 133 bytes"],
        );
    }

    #[test]
    fn a_range_that_does_not_fit_its_shape_is_refused() {
        check(&file(&two("[0,8]", "[8,12]"), 12), &["b:", "F32 [2]", "8..12"]);
        check(&file(&two("[0,8]", "[16,8]"), 16), &["b:", "16..8"]);
        let huge = r#"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#;
        check(&file(huge, 4), &["a:", "0..4"]);
        let far = two("[0,8]", "[18446744073709551607,18446744073709551615]");
        check(&file(&far, 16), &["b:", "within the file"]);
    }

    #[test]
    fn other_number_types_are_refused() {
        let int = r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        check(&file(int, 8), &["a:", "F32, F16 or BF16", "I64"]);
    }
}
