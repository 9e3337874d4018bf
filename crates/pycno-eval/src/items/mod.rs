//! Items of a task: parsed, chosen under a limit, hashed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use pycno_data::{Manifest, Role, hash::sha256_hex, lab, order};
use pycno_units::Seed;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{EvalError, Task, TaskKind};

mod build;
mod table;
mod template;

/// One thing a model is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Row of the file, counted from 0; lm-evaluation-harness's `doc_id`.
    pub id: String,
    /// Paradigm or other group the item belongs to.
    pub stratum: Option<String>,
    /// Index of the right pair.
    pub gold: usize,
    /// The texts to score.
    pub pairs: Vec<Pair>,
}

/// A text whose likelihood is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// What comes before; empty for none.
    pub context: String,
    /// What is scored.
    pub continuation: String,
    /// The answer itself, without delimiters: what `acc_norm` divides by the length of.
    pub answer: String,
}

/// How many items to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// At most this many; `None` for all. Of a text, its first windows.
    pub limit: Option<usize>,
    /// Chooses which. The same for every model, so that they can be compared item by item.
    pub seed: Seed,
}

/// A task with its chosen items.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskItems {
    /// The definition.
    pub task: Task,
    /// SHA-256 of the file.
    pub file_sha256: String,
    /// Items in the file; 1 for a text, whose windows depend on the tokenizer.
    pub n_available: usize,
    /// The chosen items, in the file's order.
    pub items: Vec<Item>,
    /// Windows of a text to score; `None` for all.
    pub window_limit: Option<usize>,
    /// SHA-256 over contexts, continuations and gold of the chosen items.
    pub prompts_hash: String,
    /// SHA-256 over all of the chosen items: ids, strata and answers too.
    pub items_sha256: String,
}

/// All of a task that an outcome depends on; where its file lies and how its prompts are spelled does not count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskIdentity<'a> {
    name: &'a str,
    version: u32,
    kind: &'static str,
    metric: &'static str,
    drawn_from: Option<u64>,
    n_available: usize,
    window: Option<usize>,
    window_limit: Option<usize>,
    items: &'a str,
}

impl TaskItems {
    /// What an outcome depends on besides model and tokenizer.
    pub fn identity(&self) -> TaskIdentity<'_> {
        let task = &self.task;
        let window = match &task.kind {
            TaskKind::BitsPerByte(kind) => Some(kind.window),
            _ => None,
        };
        TaskIdentity {
            name: &task.name,
            version: task.version,
            kind: task.kind.name(),
            metric: task.metric().name(),
            drawn_from: task.drawn_from,
            n_available: self.n_available,
            window,
            window_limit: self.window_limit,
            items: &self.items_sha256,
        }
    }

    /// The task's file as test data, to be checked against calibration and training by
    /// [`pycno_data::disjoint`].
    pub fn manifest(&self) -> Manifest {
        Manifest::whole_file(Role::Test, &self.task.file, &self.file_sha256)
    }
}

/// Reads the items of a task: from the data folder, or those of the lab, which are made here.
///
/// A limit takes a seeded random subset; where items have strata, every stratum gives the same number,
/// up to one. A smaller limit's items are among a larger one's.
///
/// # Errors
///
/// [`EvalError::MissingData`] without the file, [`EvalError::LabFile`] for one the lab has not,
/// [`EvalError::LimitZero`], [`EvalError::Hash`], or file and line of an item that is not what the task says.
pub fn load(
    task: &Task,
    data: Option<&Path>,
    selection: Selection,
) -> Result<TaskItems, EvalError> {
    if selection.limit == Some(0) {
        return Err(EvalError::LimitZero { task: task.name.clone() });
    }
    let path = match (task.lab_file(), data) {
        (None, Some(folder)) => folder.join(&task.file),
        _ => PathBuf::from(&task.file),
    };
    let bytes = match task.lab_file() {
        Some(name) => made(task, name)?,
        None => read(task, &path)?,
    };
    let text = pycno_data::corpus::utf8(&path, &bytes)
        .map_err(|source| EvalError::Data { task: task.name.clone(), source })?;
    let all = build::items(task, &path, text)?;
    if all.is_empty() {
        return Err(EvalError::NoItems { task: task.name.clone(), path });
    }
    let n_available = all.len();
    let is_text = matches!(task.kind, TaskKind::BitsPerByte(_));
    let items = match selection.limit {
        Some(limit) if !is_text => choose(all, limit, selection.seed.split(&task.name)),
        _ => all,
    };
    let window_limit = selection.limit.filter(|_| is_text);
    let windows = match &task.kind {
        TaskKind::BitsPerByte(kind) => format!("window {}, limit {window_limit:?}", kind.window),
        _ => String::new(),
    };
    Ok(TaskItems {
        prompts_hash: prompts_hash(&items, windows),
        items_sha256: items_sha256(task, &items)?,
        window_limit,
        file_sha256: sha256_hex(&bytes),
        task: task.clone(),
        n_available,
        items,
    })
}

fn made(task: &Task, name: &str) -> Result<Vec<u8>, EvalError> {
    let found = lab::task_file(name).map(String::into_bytes);
    found.ok_or_else(|| EvalError::LabFile {
        task: task.name.clone(),
        name: name.to_owned(),
        known: lab::FILES.join(", "),
    })
}

fn read(task: &Task, path: &Path) -> Result<Vec<u8>, EvalError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => EvalError::MissingData {
            task: task.name.clone(),
            file: task.file.clone(),
            path: path.to_path_buf(),
        },
        _ => EvalError::Io { action: "read", path: path.to_path_buf(), source },
    })
}

/// Takes items stratum by stratum in turn, each in its own seeded order, until there are `limit`.
fn choose(items: Vec<Item>, limit: usize, seed: Seed) -> Vec<Item> {
    let mut strata: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        strata.entry(item.stratum.clone()).or_default().push(i);
    }
    let turns = order(strata.len(), seed.split("strata"));
    // Round of the item within its stratum, turn of the stratum, item.
    let mut ranked: Vec<(usize, usize, usize)> = Vec::with_capacity(items.len());
    for ((stratum, members), turn) in strata.iter().zip(turns) {
        let seed = seed.split(stratum.as_deref().unwrap_or(""));
        let rounds = order(members.len(), seed).into_iter().enumerate();
        ranked.extend(rounds.map(|(round, member)| (round, turn, members[member])));
    }
    ranked.sort_unstable();
    let mut chosen: Vec<usize> = ranked.into_iter().take(limit).map(|(_, _, i)| i).collect();
    chosen.sort_unstable();
    let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
    chosen.into_iter().filter_map(|i| items[i].take()).collect()
}

/// Once per task, not per model: the items of a large one are megabytes.
fn items_sha256(task: &Task, items: &[Item]) -> Result<String, EvalError> {
    let json = serde_json::to_vec(items)
        .map_err(|source| EvalError::Hash { task: task.name.clone(), source })?;
    Ok(sha256_hex(&json))
}

/// Equal for two runs exactly if they were asked the same things with the same right answers.
fn prompts_hash(items: &[Item], windows: String) -> String {
    let texts = |item: &Item| {
        let pairs = item.pairs.iter().map(|pair| {
            let pair = [("context", &pair.context), ("continuation", &pair.continuation)];
            Value::Object(
                pair.map(|(key, text)| (key.to_owned(), text.clone().into())).into_iter().collect(),
            )
        });
        let mut map = Map::new();
        map.insert("gold".to_owned(), item.gold.into());
        map.insert("pairs".to_owned(), pairs.collect());
        Value::Object(map).to_string()
    };
    let lines: Vec<String> = items.iter().map(texts).chain([windows]).collect();
    sha256_hex(lines.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(i: usize, stratum: Option<&str>) -> Item {
        Item { id: i.to_string(), stratum: stratum.map(str::to_owned), gold: 0, pairs: vec![] }
    }

    fn chosen(items: &[Item], limit: usize, seed: u64) -> Vec<String> {
        choose(items.to_vec(), limit, Seed(seed)).into_iter().map(|item| item.id).collect()
    }

    #[test]
    fn every_stratum_gives_the_same_number() {
        let items: Vec<Item> =
            (0..60).map(|i| item(i, Some(["a", "b", "c"][i % 10 % 3]))).collect();
        for limit in [3, 9, 30] {
            let picked = choose(items.clone(), limit, Seed(1));
            let of = |name| picked.iter().filter(|i| i.stratum.as_deref() == Some(name)).count();
            assert_eq!([of("a"), of("b"), of("c")], [limit / 3; 3]);
        }
    }

    #[test]
    fn a_smaller_limit_is_part_of_a_larger_and_order_is_the_files() {
        let items: Vec<Item> = (0..100).map(|i| item(i, None)).collect();
        let (small, large) = (chosen(&items, 10, 7), chosen(&items, 50, 7));
        assert!(small.iter().all(|id| large.contains(id)));
        assert!(large.is_sorted_by_key(|id| id.parse::<usize>().unwrap()));
        assert_ne!(small, chosen(&items, 10, 8));
        assert_eq!(chosen(&items, 1000, 7).len(), 100);
    }

    const TASK: &str = "name = \"t\"\nversion = 1\nfile = \"t.jsonl\"\nchance = 50.0\n\
        license = \"MIT\"\n[kind.multiple-choice]\ncontext = \"{q}?\"\ncontinuation = \" {choice}\"\n\
        choices = \"c\"\ngold = \"g\"\nmetric = \"acc\"\n";

    fn load_text(bytes: &[u8], limit: Option<usize>) -> Result<TaskItems, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("t.jsonl"), bytes).unwrap();
        let task = Task::parse(TASK, "t").unwrap();
        load(&task, Some(folder.path()), Selection { limit, seed: Seed(1) })
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], part: &str) {
        let message = load_text(bytes, None).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn the_prompts_hash_sees_texts_and_gold() {
        let hash = |line: &str| load_text(line.as_bytes(), None).unwrap().prompts_hash;
        let base = hash(r#"{"q": "a", "c": ["x", "y"], "g": 0}"#);
        assert_eq!(base, hash(r#"{"g": 0, "q": "a", "c": ["x", "y"], "more": 1}"#));
        assert_ne!(base, hash(r#"{"q": "b", "c": ["x", "y"], "g": 0}"#));
        assert_ne!(base, hash(r#"{"q": "a", "c": ["x", "z"], "g": 0}"#));
        assert_ne!(base, hash(r#"{"q": "a", "c": ["x", "y"], "g": 1}"#));
    }

    #[test]
    fn the_identity_sees_ids_and_answers_too() {
        let first = br#"{"q": "a", "c": ["x", "y"], "g": 0}"#;
        let items = load_text(first, None).unwrap();
        let json = serde_json::to_vec(&items.items).unwrap();
        assert_eq!(serde_json::to_value(items.identity()).unwrap()["items"], sha256_hex(&json));
        let moved = Item { id: "7".to_owned(), ..items.items[0].clone() };
        assert_ne!(items.items_sha256, items_sha256(&items.task, &[moved]).unwrap());
    }

    #[test]
    fn items_that_lie_are_refused_with_their_line() {
        let good = r#"{"q": "a", "c": ["x", "y"], "g": 0}"#;
        let second = |line: &str| format!("{good}\n{line}").into_bytes();
        check_refused(&second("{"), "t.jsonl line 2: expected a JSON object");
        check_refused(
            &second(r#"{"q": "a", "c": [], "g": 0}"#),
            "line 2: expected at least one choice",
        );
        check_refused(
            &second(r#"{"q": "a", "c": ["x"], "g": 1}"#),
            "expected a gold below 1, found 1",
        );
        check_refused(&second(r#"{"q": "a", "c": ["x"], "g": -1}"#), "found -1");
        check_refused(&second(r#"{"q": "a", "c": ["x", ""], "g": 0}"#), "an empty choice");
        check_refused(&second(r#"{"c": ["x"], "g": 0}"#), "a column `q`");
        check_refused(b"", "expected at least one item");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_line() {
        let error = load_text(b"{}\n\xff", None).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("line 2: expected UTF-8"), "{source}");
    }

    #[test]
    fn the_lab_needs_no_folder() {
        let all = Selection { limit: None, seed: Seed(1) };
        let task = crate::task::builtin("lab_facts").unwrap();
        let loaded = load(&task, None, all).unwrap();
        assert_eq!(loaded.n_available, loaded.items.len());
        assert!(loaded.items.iter().all(|item| item.pairs.len() == 4 && item.stratum.is_some()));
        let other = Task { file: "lab:chess".to_owned(), ..task };
        let message = load(&other, None, all).unwrap_err().to_string();
        assert!(message.contains("\"chess\"") && message.contains("facts, tracking"), "{message}");
    }

    #[test]
    fn a_limit_of_zero_and_a_missing_file_are_named() {
        let message = load_text(b"", Some(0)).unwrap_err().to_string();
        assert_eq!(message, "task t: a limit must be at least 1, got 0");
        let folder = tempfile::tempdir().unwrap();
        let task = crate::task::builtin("piqa").unwrap();
        let all = Selection { limit: None, seed: Seed(1) };
        let message = load(&task, Some(folder.path()), all).unwrap_err().to_string();
        assert!(
            message.contains("task piqa needs benchmarks/piqa.jsonl, not found at"),
            "{message}"
        );
        assert!(message.contains("PYCNO_DATA"), "{message}");
    }
}
