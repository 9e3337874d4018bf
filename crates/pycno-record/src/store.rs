//! Records as files.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{FORMAT, Record, RecordError, atomic, finite};

/// Writes a record as indented JSON, whole or not at all; floats come back bit for bit.
///
/// # Errors
///
/// [`RecordError::NotFinite`] for a `NaN` or an infinity, which JSON lacks;
/// [`RecordError::Io`] if the file cannot be written.
pub fn write(record: &Record, path: &Path) -> Result<(), RecordError> {
    finite::check(record)?;
    let mut text =
        serde_json::to_vec_pretty(record).map_err(|source| RecordError::Serialize { source })?;
    text.push(b'\n');
    atomic::write_file(path, &text)
}

/// Reads a record of any format up to [`FORMAT`].
///
/// # Errors
///
/// [`RecordError::Io`] if there is no such file; [`RecordError::Format`] for a later format,
/// whatever else it holds; [`RecordError::Json`] for all else that is no record, unknown keys
/// included.
pub fn read(path: &Path) -> Result<Record, RecordError> {
    let text = fs::read(path).map_err(RecordError::io("read", path))?;
    let json = |source| RecordError::Json { path: path.to_owned(), source };
    let head: Head = serde_json::from_slice(&text).map_err(json)?;
    if !(1..=u64::from(FORMAT)).contains(&head.format) {
        return Err(RecordError::Format {
            path: path.to_owned(),
            found: head.format,
            known: FORMAT,
        });
    }
    serde_json::from_slice(&text).map_err(json)
}

/// The one key every format has; the others are not looked at.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;

    /// Writes the sample as JSON with one change, and reads it.
    fn reread(change: impl Fn(String) -> String) -> Result<Record, RecordError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        fs::write(&path, change(serde_json::to_string_pretty(&sample()).unwrap())).unwrap();
        read(&path)
    }

    #[track_caller]
    fn check(change: impl Fn(String) -> String, expect: &str) {
        let error = reread(change).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause}");
        assert!(text.contains("record.json"), "names the file: {text}");
        assert!(text.contains(expect), "{text}");
    }

    #[test]
    fn what_is_written_is_read_and_equal_records_are_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.json"), folder.path().join("b.json"));
        let record = sample();
        write(&record, &a).unwrap();
        let back = read(&a).unwrap();
        assert_eq!(back, record);
        write(&back, &b).unwrap();
        assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
    }

    #[test]
    fn floats_come_back_bit_for_bit() {
        let mut record = sample();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        for value in [0.1 + 0.2, f64::MIN_POSITIVE, 1.0 / 3.0, -0.0, 5e-324, f64::MAX] {
            record.models[0].weighing.overall.density = Some(value);
            write(&record, &path).unwrap();
            let back = read(&path).unwrap().models[0].weighing.overall.density.unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{value:e}");
        }
    }

    #[test]
    fn a_record_that_says_recovery_is_read() {
        let before = reread(|text| text.replacen("\"training\": {", "\"recovery\": {", 1)).unwrap();
        assert!(before.models[0].training.is_some());
        assert_eq!(before, sample());
    }

    #[test]
    fn a_later_format_is_refused_by_the_version_it_needs() {
        let later = |text: String| text.replacen("\"format\": 1", "\"format\": 7", 1);
        check(later, "needs a pycno of format 7");
        check(|_| "{\"format\": 9, \"shape\": [\"all\", \"new\"]}".to_owned(), "format 9");
        check(|text| text.replacen("\"format\": 1", "\"format\": 0", 1), "expected 1 to 1");
    }

    #[test]
    fn hostile_files_are_refused() {
        check(|text| text[..text.len() / 2].to_owned(), "EOF");
        check(|_| String::new(), "EOF");
        check(|_| "[]".to_owned(), "not a pycno record");
        check(|_| "{\"format\": -1}".to_owned(), "invalid value");
        check(|text| text + "}", "trailing characters");
        check(|text| text.replacen("\"study\"", "\"studio\"", 1), "unknown field `studio`");
        check(|text| text.replacen("\"factor\"", "\"fact\"", 1), "unknown field `fact`");
        check(|text| text.replacen("\"seed\"", "\"seed\": 1, \"seed\"", 1), "duplicate field");
        check(|text| text.replacen("\"mean_score\": 4", "\"mean_score\": 400", 1), "score");
        check(|text| text.replacen("\"teacher\"", "\"tutor\"", 1), "unknown variant `tutor`");
    }

    #[test]
    fn a_number_json_cannot_hold_is_refused_before_the_file_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let mut record = sample();
        record.models[0].weighing.overall.interval.high = Some(f64::NAN);
        let error = write(&record, &path).unwrap_err().to_string();
        assert_eq!(
            error,
            "expected a finite number at `models[0].weighing.overall.interval.high`, got NaN"
        );
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("no/record.json")).unwrap_err();
        assert_eq!(error.to_string(), "could not read no/record.json");
    }
}
