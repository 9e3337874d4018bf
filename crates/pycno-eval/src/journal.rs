//! The journal of an evaluation: one JSON line a finished batch, so that a killed run goes on where it was.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{EvalError, score::Likelihood};

/// First line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Head {
    plan: String,
}

/// Every other line. Numbers are written in the shortest decimal form that reads back to the same bits.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    batch: usize,
    scores: Vec<Likelihood>,
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    path: PathBuf,
    file: File,
}

impl JournalFile {
    /// Opens a journal, or starts one, and gives the finished batches in order. A torn last line is cut off.
    ///
    /// # Errors
    ///
    /// [`EvalError::OtherJournal`] for another plan's, [`EvalError::JournalLine`] for what was never written so.
    pub(crate) fn open(path: &Path, plan: &str) -> Result<(Self, Vec<Vec<Likelihood>>), EvalError> {
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(io_error("read", path, source)),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let done = parse(path, &text[..whole], plan)?;
        // Not truncated on opening: what is whole stays.
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let file = file.map_err(|source| io_error("write", path, source))?;
        let mut journal = Self { path: path.to_path_buf(), file };
        journal.cut(whole as u64).map_err(|source| io_error("write", path, source))?;
        if whole == 0 {
            journal.append(&Head { plan: plan.to_owned() })?;
        }
        Ok((journal, done))
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(len)?;
        self.file.seek(io::SeekFrom::Start(len)).map(|_| ())
    }

    /// Adds a finished batch and sees it to the disk.
    pub(crate) fn push(&mut self, batch: usize, scores: &[Likelihood]) -> Result<(), EvalError> {
        self.append(&Line { batch, scores: scores.to_vec() })
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), EvalError> {
        let write = |file: &mut File| {
            let mut bytes = serde_json::to_vec(line)?;
            bytes.push(b'\n');
            file.write_all(&bytes)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|source| io_error("write", &self.path, source))
    }
}

fn parse(path: &Path, bytes: &[u8], plan: &str) -> Result<Vec<Vec<Likelihood>>, EvalError> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let Some(first) = lines.next() else { return Ok(Vec::new()) };
    let head: Head =
        serde_json::from_slice(first).map_err(|_| bad_line(path, 1, "the hash of a plan"))?;
    if head.plan != plan {
        let (expected, found) = (plan.to_owned(), head.plan);
        return Err(EvalError::OtherJournal { path: path.to_path_buf(), expected, found });
    }
    let batch = |(i, line): (usize, &[u8])| {
        let line: Option<Line> = serde_json::from_slice(line).ok();
        let line = line.filter(|line| line.batch == i);
        line.map(|line| line.scores)
            .ok_or_else(|| bad_line(path, i + 2, &format!("the scores of batch {i}")))
    };
    lines.enumerate().map(batch).collect()
}

pub(crate) fn bad_line(path: &Path, line: usize, expected: &str) -> EvalError {
    EvalError::JournalLine { path: path.to_path_buf(), line, expected: expected.to_owned() }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> EvalError {
    EvalError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(nats: f64) -> Vec<Likelihood> {
        vec![Likelihood { nats, greedy: true }, Likelihood { nats: nats / 3.0, greedy: false }]
    }

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("journal.jsonl");
        let (mut journal, done) = JournalFile::open(&path, "p").unwrap();
        assert!(done.is_empty());
        journal.push(0, &scores(0.1)).unwrap();
        journal.push(1, &scores(1e300)).unwrap();
        path
    }

    #[test]
    fn what_was_pushed_reads_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let (mut journal, done) = JournalFile::open(&path, "p").unwrap();
        assert_eq!(done, [scores(0.1), scores(1e300)]);
        journal.push(2, &scores(3.0)).unwrap();
        assert_eq!(JournalFile::open(&path, "p").unwrap().1.len(), 3);
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_batches_that_were_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(written(folder.path())).unwrap();
        let path = folder.path().join("cut.jsonl");
        for len in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let whole = bytes[..len].split(|byte| *byte == b'\n').count() - 1;
            let (mut journal, done) = JournalFile::open(&path, "p").unwrap();
            assert_eq!(done.len(), whole.saturating_sub(1), "{len} bytes");
            journal.push(done.len(), &scores(0.5)).unwrap();
            assert_eq!(JournalFile::open(&path, "p").unwrap().1.len(), done.len() + 1);
        }
    }

    #[test]
    fn another_plan_and_a_broken_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let error = JournalFile::open(&path, "q").unwrap_err().to_string();
        assert!(error.contains("expected the journal of plan q, found one of plan p"), "{error}");
        let text = std::fs::read_to_string(&path).unwrap().replace("\"batch\":1", "\"batch\":7");
        std::fs::write(&path, text).unwrap();
        let error = JournalFile::open(&path, "p").unwrap_err().to_string();
        assert!(error.contains("line 3: expected the scores of batch 1"), "{error}");
    }
}
