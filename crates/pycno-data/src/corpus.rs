//! Corpora on disk: plain text, JSON lines, JSON arrays, folders of these.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pycno_units::without_byte_order_mark;
use serde_json::Value;

use crate::{DataError, hash::sha256_hex};

/// Texts read from a file or a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// The path as the caller gave it.
    pub source: String,
    /// Hash over the files' hashes; of a single file, that file's SHA-256.
    pub sha256: String,
    /// The files, in the order of their names.
    pub files: Vec<CorpusFile>,
}

/// One file of a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct CorpusFile {
    /// The file's path.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its documents, in order.
    pub documents: Vec<String>,
}

impl Corpus {
    /// All documents, file by file.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.files.iter().flat_map(|file| file.documents.iter().map(String::as_str))
    }
}

/// Reads a corpus: a `.txt` file is one document, a `.jsonl` file has one per line under `text`, a
/// `.json` file is an array of texts or of objects with `text` or `story`, a folder is the files of
/// these kinds directly in it.
///
/// # Errors
///
/// A [`DataError`] with file and line for what cannot be read as such; a corpus without text is one.
pub fn read(path: &Path) -> Result<Corpus, DataError> {
    let files =
        files_of(path)?.iter().map(|path| read_file(path)).collect::<Result<Vec<_>, _>>()?;
    if files.iter().flat_map(|file| &file.documents).all(String::is_empty) {
        return Err(DataError::NoDocuments { path: path.to_path_buf() });
    }
    let sha256 = match &files[..] {
        [only] => only.sha256.clone(),
        all => {
            let hashes: Vec<&str> = all.iter().map(|file| file.sha256.as_str()).collect();
            sha256_hex(hashes.join("\n").as_bytes())
        }
    };
    Ok(Corpus { source: path.display().to_string(), sha256, files })
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: path.to_path_buf(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.is_file() && matches!(extension(file), "txt" | "jsonl" | "json"));
    files.sort();
    Ok(files)
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or("")
}

fn read_file(path: &Path) -> Result<CorpusFile, DataError> {
    let parse = match extension(path) {
        "txt" => |_: &Path, text: &str| Ok(vec![text.to_owned()]),
        "jsonl" => lines,
        "json" => array,
        _ => return Err(DataError::Extension { path: path.to_path_buf() }),
    };
    let bytes =
        fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let documents = parse(path, utf8(path, &bytes)?)?;
    Ok(CorpusFile { path: path.display().to_string(), sha256: sha256_hex(&bytes), documents })
}

/// The bytes of a file as text, without the byte order mark that it may begin with.
///
/// # Errors
///
/// [`DataError::Utf8`] with the line of the first bad byte.
pub fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    let bytes = without_byte_order_mark(bytes);
    std::str::from_utf8(bytes).map_err(|source| {
        let line = bytes[..source.valid_up_to()].split(|byte| *byte == b'\n').count();
        DataError::Utf8 { path: path.to_path_buf(), line, source }
    })
}

fn lines(path: &Path, text: &str) -> Result<Vec<String>, DataError> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    numbered
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(line, json)| {
            let value = serde_json::from_str::<Value>(json).map_err(|source| DataError::Json {
                path: path.to_path_buf(),
                line,
                source,
            })?;
            match value.get("text") {
                Some(Value::String(text)) => Ok(text.clone()),
                _ => Err(shape(path, line, "an object with a string under `text`", &value)),
            }
        })
        .collect()
}

fn array(path: &Path, text: &str) -> Result<Vec<String>, DataError> {
    let value: Value = serde_json::from_str(text).map_err(|source| DataError::Json {
        path: path.to_path_buf(),
        line: 1,
        source,
    })?;
    let Value::Array(entries) = value else {
        return Err(shape(path, 0, "an array of documents", &value));
    };
    let document = |(i, entry): (usize, &Value)| {
        let text = entry.get("text").or_else(|| entry.get("story")).unwrap_or(entry);
        let expected = "a string, or an object with one under `text` or `story`";
        text.as_str().map(str::to_owned).ok_or_else(|| shape(path, i + 1, expected, entry))
    };
    entries.iter().enumerate().map(document).collect()
}

fn shape(path: &Path, entry: usize, expected: &'static str, found: &Value) -> DataError {
    let found = match found {
        Value::Object(map) => {
            let keys: Vec<&str> = map.keys().map(String::as_str).collect();
            format!("an object with keys [{}]", keys.join(", "))
        }
        Value::Array(_) => "an array".to_owned(),
        Value::String(_) => "a string".to_owned(),
        other => other.to_string(),
    };
    DataError::Shape { path: path.to_path_buf(), entry, expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[track_caller]
    fn check(name: &str, bytes: &str, expect: &[&str]) {
        let (_folder, path) = write(name, bytes.as_bytes());
        let corpus = read(&path).unwrap();
        assert_eq!(corpus.documents().collect::<Vec<_>>(), expect);
        assert_eq!(corpus.sha256, sha256_hex(bytes.as_bytes()));
    }

    #[track_caller]
    fn check_refused(name: &str, bytes: &[u8], message: &str) {
        let (_folder, path) = write(name, bytes);
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn every_kind_of_file_gives_its_documents() {
        check("a.txt", "one\ntwo\n", &["one\ntwo\n"]);
        check("a.jsonl", "{\"text\": \"one\", \"n\": 1}\n\n{\"text\": \"two\"}", &["one", "two"]);
        check(
            "a.json",
            r#"["one", {"text": "two"}, {"story": "three"}]"#,
            &["one", "two", "three"],
        );
    }

    #[test]
    fn a_folder_is_its_files_by_name() {
        let (folder, _) = write("b.txt", b"second");
        fs::write(folder.path().join("a.jsonl"), b"{\"text\": \"first\"}").unwrap();
        fs::write(folder.path().join("README.md"), b"not this").unwrap();
        let corpus = read(folder.path()).unwrap();
        assert_eq!(corpus.documents().collect::<Vec<_>>(), ["first", "second"]);
        assert_ne!(corpus.sha256, corpus.files[0].sha256);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        check_refused(
            "a.jsonl",
            b"{\"text\": \"one\"}\n{\"text\": ",
            "a.jsonl line 2: expected JSON",
        );
        check_refused(
            "a.jsonl",
            b"{\"body\": \"one\"}",
            "entry 1: expected an object with a string",
        );
        check_refused("a.json", b"[\"one\", 2]", "a.json entry 2: expected a string");
        check_refused("a.json", b"{}", "expected an array of documents, found an object");
        check_refused("a.txt", b"one\ntwo\xff", "a.txt line 2: expected UTF-8");
        check_refused("a.txt", b"", "expected at least one document");
        check_refused("a.csv", b"x", "expected a .txt, .jsonl or .json file");
    }

    #[test]
    fn a_missing_file_and_an_empty_folder_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("no.txt")).unwrap_err().to_string();
        assert!(missing.contains("cannot read") && missing.contains("no.txt"), "{missing}");
        assert!(matches!(read(folder.path()), Err(DataError::NoDocuments { .. })));
    }
}
