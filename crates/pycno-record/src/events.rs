//! Metrics by step: an append-only file of JSON lines.
//!
//! A process killed while writing leaves half a line. Reading drops it, and the next writer cuts
//! it off before it appends.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{RecordError, finite};

/// Something that happened at a step.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Milliseconds since 1970, from the caller's clock.
    pub time_ms: u64,
    /// The stage it belongs to.
    pub stage: String,
    /// Step within the stage, counted from 1; 0 before the first.
    pub step: u64,
    /// What happened, such as `train` or `checkpoint`.
    pub name: String,
    /// Measured values by name.
    pub values: BTreeMap<String, f64>,
}

/// An event log open for appending. One process writes one log.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
}

impl EventLog {
    /// Opens a log, made if missing; a torn last line is cut off.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`] if it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(RecordError::io("open", path))?;
        let bytes = fs::read(path).map_err(RecordError::io("read", path))?;
        let whole = whole_lines(&bytes).len() as u64;
        file.set_len(whole).map_err(RecordError::io("cut the torn last line of", path))?;
        file.seek(SeekFrom::Start(whole)).map_err(RecordError::io("open", path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends an event as one line, in one write.
    ///
    /// # Errors
    ///
    /// [`RecordError::NotFinite`] for a `NaN` or an infinity; [`RecordError::Io`] if the line
    /// cannot be written.
    pub fn append(&mut self, event: &Event) -> Result<(), RecordError> {
        finite::check(event)?;
        let mut line =
            serde_json::to_vec(event).map_err(|source| RecordError::Serialize { source })?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(RecordError::io("append to", &self.path))
    }

    /// Waits until what was appended is on the disk.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`] if the disk refuses.
    pub fn sync(&self) -> Result<(), RecordError> {
        self.file.sync_data().map_err(RecordError::io("sync", &self.path))
    }
}

/// Reads a log in the order it was written; a torn last line is dropped.
///
/// # Errors
///
/// [`RecordError::Io`] if there is no such file; [`RecordError::Event`] for a whole line that is no
/// event.
pub fn read_events(path: &Path) -> Result<Vec<Event>, RecordError> {
    let bytes = fs::read(path).map_err(RecordError::io("read", path))?;
    let lines = whole_lines(&bytes).split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(idx, line)| {
            serde_json::from_slice(line).map_err(|source| RecordError::Event {
                path: path.to_owned(),
                line: idx + 1,
                source,
            })
        })
        .collect()
}

/// Everything up to and with the last line break.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64) -> Event {
        Event {
            time_ms: 1_700_000_000_000 + step,
            stage: "recover".to_owned(),
            step,
            name: "train".to_owned(),
            values: BTreeMap::from([("loss".to_owned(), 0.1 * step as f64)]),
        }
    }

    /// Steps read from a log that holds `text`, and again after step 9 was appended to it.
    #[track_caller]
    fn check(text: &str, expect: &[u64]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, text).unwrap();
        let steps = || read_events(&path).unwrap().iter().map(|e| e.step).collect::<Vec<_>>();
        assert_eq!(steps(), expect);
        EventLog::open(&path).unwrap().append(&event(9)).unwrap();
        assert_eq!(steps(), [expect, &[9]].concat());
    }

    fn line(step: u64) -> String {
        serde_json::to_string(&event(step)).unwrap()
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_cut_off_before_the_next_event() {
        let (one, two) = (line(1), line(2));
        check("", &[]);
        check(&format!("{one}\n{two}\n"), &[1, 2]);
        check(&format!("{one}\n{}", &two[..two.len() / 2]), &[1]);
        check(&format!("{one}\n{two}"), &[1]); // whole, but nobody can know
        check("{\"time_ms\":17", &[]);
    }

    #[test]
    fn events_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut log = EventLog::open(&path).unwrap();
        log.append(&event(1)).unwrap();
        log.append(&event(3)).unwrap();
        log.sync().unwrap();
        assert_eq!(read_events(&path).unwrap(), [event(1), event(3)]);
    }

    #[test]
    fn a_broken_line_inside_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for bad in ["{\"time_ms\":", "{}", "nonsense", "{\"time_ms\":1,\"extra\":2}"] {
            fs::write(&path, format!("{}\n{bad}\n{}\n", line(1), line(2))).unwrap();
            let error = read_events(&path).unwrap_err().to_string();
            assert!(error.ends_with("events.jsonl line 2 is not an event"), "{error}");
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::open(&folder.path().join("events.jsonl")).unwrap();
        let mut bad = event(1);
        bad.values.insert("loss".to_owned(), f64::INFINITY);
        let error = log.append(&bad).unwrap_err().to_string();
        assert_eq!(error, "expected a finite number at `values.loss`, got inf");
    }
}
