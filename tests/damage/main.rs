//! Damaged files of every kind, read in the process: each gives a value or an error, and no panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use pycno_data::{Tokenizer, corpus};
use pycno_density::{Ruler, RulerSpec, reference_models};
use pycno_eval::{Selection, Task, items};
use pycno_model::{gguf, hf};
use pycno_prune::{MeasuredOn, PrunePlan, Statistics};
use pycno_tests::{
    damage::damaged,
    world::{STUDY, World, teacher},
};
use pycno_units::Seed;

/// Root of the workspace, one folder above this package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Inputs per reader.
const INPUTS: u64 = 2000;

/// Reads the file as it is, which must work, and damaged in many ways, which may fail.
#[track_caller]
fn check<T, E: std::fmt::Display>(bytes: &[u8], read: impl Fn(&[u8]) -> Result<T, E>) {
    let whole = read(bytes).err().map(|error| error.to_string());
    assert_eq!(whole, None, "the file as it is");
    let mut refused = 0;
    for input in 0..INPUTS {
        let damaged = damaged(bytes, Seed(input));
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&damaged).is_err()));
        assert!(outcome.is_ok(), "input {input}: a panic");
        refused += u64::from(outcome.unwrap_or(false));
    }
    assert!(refused > INPUTS / 10, "{refused} refused: the damage reaches nothing");
}

/// As [`check`], for readers of text.
#[track_caller]
fn check_text<T, E: std::fmt::Display>(text: &str, read: impl Fn(&str) -> Result<T, E>) {
    check(text.as_bytes(), |bytes| read(&String::from_utf8_lossy(bytes)));
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// The teacher's folder, in memory.
fn folder() -> BTreeMap<String, Vec<u8>> {
    let world = World::new();
    let files = fs::read_dir(world.teacher()).unwrap().map(Result::unwrap);
    let files = files.filter(|file| file.path().is_file());
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect()
}

/// The folder with one file of other bytes.
fn with(name: &str, bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = folder_of_world();
    files.insert(name.to_owned(), bytes.to_vec());
    files
}

fn folder_of_world() -> BTreeMap<String, Vec<u8>> {
    static FOLDER: std::sync::OnceLock<BTreeMap<String, Vec<u8>>> = std::sync::OnceLock::new();
    FOLDER.get_or_init(folder).clone()
}

/// Damages one file of the folder; the others stay.
#[track_caller]
fn check_folder<T, E: std::fmt::Display>(
    name: &str,
    read: impl Fn(BTreeMap<String, Vec<u8>>) -> Result<T, E>,
) {
    check(&folder_of_world()[name], |bytes| read(with(name, bytes)));
}

#[test]
fn weights() {
    check_folder("model.safetensors", |files| hf::from_files(Path::new("memory"), files));
}

#[test]
fn config() {
    check_folder("config.json", |files| hf::from_files(Path::new("memory"), files));
}

/// Reads a tokenizer and asks it something.
fn tokenized(files: &BTreeMap<String, Vec<u8>>) -> Result<(), pycno_data::DataError> {
    let tokenizer = Tokenizer::from_files(files)?;
    let ids = tokenizer.encode_default("Question : the old cat sings ? \u{e9}")?;
    tokenizer.encode_with_ends("a dog")?;
    tokenizer.encode_all(&["a dog", ""])?;
    tokenizer.decode(&ids).map(drop)
}

#[test]
fn tokenizer() {
    check_folder("tokenizer.json", |files| tokenized(&files));
}

#[test]
fn tokenizer_of_the_lab() {
    let files = pycno_data::lab::tokenizer_files();
    let name = "tokenizer.json";
    check(&files[name], |bytes| tokenized(&BTreeMap::from([(name.to_owned(), bytes.to_vec())])));
}

#[test]
fn tokenizer_config() {
    check_folder("tokenizer_config.json", |files| tokenized(&files));
}

#[test]
fn gguf_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    for name in ["types.gguf", "types256.gguf"] {
        let bytes = fs::read(Path::new(ROOT).join("tests/golden/gguf").join(name)).unwrap();
        check(&bytes, |bytes| {
            fs::write(&path, bytes).unwrap();
            let checkpoint = gguf::read(&path).map_err(|error| error.to_string())?;
            tokenized(&checkpoint.files).map_err(|error| error.to_string())
        });
    }
}

#[test]
fn study_and_family() {
    let said = |error: pycno_study::StudyError| error.to_string();
    check_text(STUDY, |text| pycno_study::parse(text, Path::new("study.toml")).map_err(said));
    let family = text("experiments/lab-ladder/family.toml");
    check_text(&family, |text| {
        pycno_study::family::parse(text, Path::new("family.toml")).map_err(said)
    });
}

#[test]
fn task_and_its_items() {
    let toml = text("configs/tasks/arc_easy.toml");
    check_text(&toml, |text| Task::parse(text, "task.toml"));
    let world = World::new();
    let task = Task::parse(&toml, "task.toml").unwrap();
    let path = world.data().join(&task.file);
    let selection = Selection { limit: None, seed: Seed(1) };
    check(&fs::read(&path).unwrap(), |bytes| {
        fs::write(&path, bytes).unwrap();
        items::load(&task, Some(&world.data()), selection)
    });
}

#[test]
fn texts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n"),
        ("a.json", "[\"one\", {\"story\": \"two\"}]"),
    ] {
        let path = folder.path().join(name);
        check(content.as_bytes(), |bytes| {
            fs::write(&path, bytes).unwrap();
            corpus::read(&path)
        });
    }
}

#[test]
fn rulers_and_tables() {
    check_text(&text("configs/rulers/pythia.toml"), Ruler::parse);
    check_text(&text("configs/ruler-specs/pythia.toml"), RulerSpec::parse);
    let table = "run,suite,cluster,params,tokens,loss:quiz,score:quiz\nm0,s,m0,19M,300B,2.1,28.2\nm1,s,m1,85M,300B,,34.1\n";
    check_text(table, reference_models);
}

#[test]
fn plan_and_statistics() {
    let spec = teacher().spec;
    let plan = PrunePlan::keep_all(&spec, "weights".to_owned()).to_json();
    check_text(&plan, |text| PrunePlan::from_json(text, &spec));
    let measured = MeasuredOn { checkpoint: "weights".to_owned(), calibration: "text".to_owned() };
    let statistics = Statistics::new(&spec, measured.clone()).to_json();
    check_text(&statistics, |text| Statistics::from_json(text, &measured));
}

#[test]
fn record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    let mut record: serde_json::Value =
        serde_json::from_str(&text("reports/quickstart/record.json")).unwrap();
    shortened(&mut record);
    check(record.to_string().as_bytes(), |bytes| {
        fs::write(&path, bytes).unwrap();
        pycno_record::read(&path)
    });
}

/// Lists of two entries at most, so that thousands of inputs are read in seconds.
fn shortened(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(list) => {
            list.truncate(2);
            list.iter_mut().for_each(shortened);
        }
        serde_json::Value::Object(map) => map.values_mut().for_each(shortened),
        _ => {}
    }
}
