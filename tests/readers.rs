//! Every reader of users' files, from bytes to a value or an error: what damaged files are tried on, by seed in a test and at
//! length by a fuzzer.

use std::{collections::BTreeMap, fmt::Display, fs, path::Path, sync::OnceLock};

use pycno_data::{Tokenizer, corpus};
use pycno_density::{Ruler, RulerSpec, reference_models};
use pycno_eval::{Selection, Task, items};
use pycno_model::{Checkpoint, gguf, hf};
use pycno_prune::{MeasuredOn, PrunePlan, Statistics};
use pycno_units::Seed;
use tempfile::TempDir;

use crate::world::{STUDY, World, teacher};

/// Root of the workspace, one folder above this package.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

type Files = BTreeMap<String, Vec<u8>>;

/// A reader and a file that it reads.
#[derive(Debug)]
pub struct Reader {
    /// What it reads, in a word.
    pub name: &'static str,
    /// A file that is sound.
    pub sample: fn() -> Vec<u8>,
    /// Reads a file and all that is in it; an error is an answer, a panic is not.
    pub read: fn(&[u8]) -> Result<(), String>,
}

/// All of them.
pub const READERS: [Reader; 20] = [
    Reader { name: "weights", sample: || of_teacher(WEIGHTS), read: |x| folder(WEIGHTS, x) },
    Reader { name: "config", sample: || of_teacher(CONFIG), read: |x| folder(CONFIG, x) },
    Reader { name: "masks", sample: masks, read: read_masks },
    Reader { name: "gguf", sample: || repository(GGUF), read: read_gguf },
    Reader { name: "gguf-k", sample: || repository(GGUF_K), read: read_gguf },
    Reader { name: "tokenizer", sample: || of_teacher(TOKENIZER), read: |x| tokens(TOKENIZER, x) },
    Reader {
        name: "tokenizer-lab",
        sample: of_lab,
        read: |x| read_tokens(&[(TOKENIZER, x)].into()),
    },
    Reader {
        name: "tokenizer-config",
        sample: || of_teacher(SETTINGS),
        read: |x| tokens(SETTINGS, x),
    },
    Reader { name: "study", sample: || STUDY.into(), read: |x| read_study(&text(x)) },
    Reader { name: "family", sample: || repository(FAMILY), read: |x| read_family(&text(x)) },
    Reader {
        name: "task",
        sample: || repository(TASK),
        read: |x| done(Task::parse(&text(x), "task.toml")),
    },
    Reader { name: "items", sample: questions, read: read_items },
    Reader { name: "jsonl", sample: || JSONL.into(), read: |x| read_text("a.jsonl", x) },
    Reader { name: "json", sample: || JSON.into(), read: |x| read_text("a.json", x) },
    Reader { name: "ruler", sample: || repository(RULER), read: |x| done(Ruler::parse(&text(x))) },
    Reader {
        name: "ruler-spec",
        sample: || repository(SPEC),
        read: |x| done(RulerSpec::parse(&text(x))),
    },
    Reader { name: "table", sample: || TABLE.into(), read: |x| done(reference_models(&text(x))) },
    Reader { name: "plan", sample: plan, read: |x| read_plan(&text(x)) },
    Reader { name: "statistics", sample: statistics, read: |x| done(Statistics::parse(&text(x))) },
    Reader { name: "record", sample: record, read: read_record },
];

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const SETTINGS: &str = "tokenizer_config.json";
const GGUF: &str = "tests/golden/gguf/types.gguf";
const GGUF_K: &str = "tests/golden/gguf/types256.gguf";
const FAMILY: &str = "experiments/lab-ladder/family.toml";
const TASK: &str = "configs/tasks/arc_easy.toml";
const RULER: &str = "configs/rulers/pythia.toml";
const SPEC: &str = "configs/ruler-specs/pythia.toml";
const RECORD: &str = "reports/quickstart/record.json";
const JSONL: &str = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
const JSON: &str = "[\"one\", {\"story\": \"two\"}]";
const TABLE: &str = "run,suite,cluster,params,tokens,loss:quiz,score:quiz\nm0,s,m0,19M,300B,2.1,28.2\nm1,s,m1,85M,300B,,34.1\n";

/// The reader of that name.
///
/// # Panics
///
/// If there is none.
#[expect(clippy::expect_used, reason = "names stand in tests alone")]
pub fn reader(name: &str) -> &'static Reader {
    READERS.iter().find(|reader| reader.name == name).expect("the name of a reader")
}

fn done<T, E: Display>(outcome: Result<T, E>) -> Result<(), String> {
    outcome.map(drop).map_err(|error| error.to_string())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(clippy::expect_used, reason = "a test without its files has failed")]
fn repository(path: &str) -> Vec<u8> {
    fs::read(Path::new(ROOT).join(path)).expect("a file of the repository")
}

/// A world that is made once.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

/// Puts bytes where a reader by path finds them, in a file of the calling thread.
#[expect(clippy::expect_used, reason = "a test without its folder has failed")]
fn written(name: &str, bytes: &[u8]) -> std::path::PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let path = folder.path().join(format!("{:?}-{name}", std::thread::current().id()));
    fs::write(&path, bytes).expect("a file");
    path
}

/// The teacher's folder, in memory.
#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn files() -> Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    let read = || {
        let entries = fs::read_dir(world().teacher()).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        entries.filter(|p| p.is_file()).map(|p| (name(&p), fs::read(p).unwrap())).collect()
    };
    FILES.get_or_init(read).clone()
}

fn of_teacher(name: &str) -> Vec<u8> {
    files()[name].clone()
}

/// Reads the teacher's folder with one file of other bytes, and every weight.
fn folder(name: &str, bytes: &[u8]) -> Result<(), String> {
    let mut files = files();
    files.insert(name.to_owned(), bytes.to_vec());
    weights(hf::from_files(Path::new("memory"), files))
}

fn weights(read: Result<Checkpoint, pycno_model::ModelError>) -> Result<(), String> {
    let checkpoint = read.map_err(|error| error.to_string())?;
    checkpoint.tensors.values().for_each(|tensor| drop(tensor.values()));
    Ok(())
}

/// The masks of half of the teacher's weights.
#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn masks() -> Vec<u8> {
    fs::read(sparse().join("pycno/masks.safetensors")).unwrap()
}

/// The folder of a student whose single weights were pruned.
#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn sparse() -> std::path::PathBuf {
    static SPARSE: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let place = tempfile::tempdir().unwrap();
        let words = ["criterion=magnitude", "structure=weights", "sparsity=0.5"];
        let config = pycno_study::settings(&words.map(str::to_owned));
        let config: pycno_prune::PruneConfig = config.unwrap();
        let pruned = pycno_prune::prune(&teacher(), &config, &mut pycno_prune::Uncalibrated);
        hf::write(&pruned.unwrap().student, &place.path().join("m"), hf::SaveDtype::F32).unwrap();
        place
    };
    SPARSE.get_or_init(make).path().join("m")
}

fn read_masks(bytes: &[u8]) -> Result<(), String> {
    let path = sparse().join("pycno/masks.safetensors");
    fs::write(path, bytes).map_err(|error| error.to_string())?;
    weights(hf::read(&sparse()))
}

fn read_gguf(bytes: &[u8]) -> Result<(), String> {
    let checkpoint = gguf::read(&written("m.gguf", bytes)).map_err(|error| error.to_string())?;
    read_tokens(&checkpoint.files.iter().map(|(name, x)| (name.as_str(), x.as_slice())).collect())?;
    weights(Ok(checkpoint))
}

/// The teacher's tokenizer with one file of other bytes.
fn tokens(name: &str, bytes: &[u8]) -> Result<(), String> {
    let files = files();
    let mut files: BTreeMap<&str, &[u8]> =
        files.iter().map(|(name, x)| (name.as_str(), x.as_slice())).collect();
    files.insert(name, bytes);
    read_tokens(&files)
}

/// Reads a tokenizer and asks it something.
fn read_tokens(files: &BTreeMap<&str, &[u8]>) -> Result<(), String> {
    let files: Files = files.iter().map(|(name, x)| ((*name).to_owned(), x.to_vec())).collect();
    let asked = || {
        let tokenizer = Tokenizer::from_files(&files)?;
        let ids = tokenizer.encode_default("Question : the old cat sings ? \u{e9}")?;
        tokenizer.encode_with_ends("a dog")?;
        tokenizer.encode_all(&["a dog", ""])?;
        tokenizer.decode(&ids)
    };
    done::<_, pycno_data::DataError>(asked())
}

fn of_lab() -> Vec<u8> {
    pycno_data::lab::tokenizer_files()[TOKENIZER].clone()
}

fn read_study(text: &str) -> Result<(), String> {
    done(pycno_study::parse(text, Path::new("study.toml")))
}

fn read_family(text: &str) -> Result<(), String> {
    done(pycno_study::family::parse(text, Path::new("family.toml")))
}

#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn questions() -> Vec<u8> {
    fs::read(world().data().join("benchmarks/arc_easy.jsonl")).unwrap()
}

fn read_items(bytes: &[u8]) -> Result<(), String> {
    let task = Task::parse(&text(&repository(TASK)), "task.toml").map_err(|e| e.to_string())?;
    let path = written("items.jsonl", bytes);
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let task = Task { file, ..task };
    done(items::load(&task, path.parent(), Selection { limit: None, seed: Seed(1) }))
}

fn read_text(name: &str, bytes: &[u8]) -> Result<(), String> {
    done(corpus::read(&written(name, bytes)))
}

fn plan() -> Vec<u8> {
    PrunePlan::keep_all(&teacher().spec, "weights".to_owned()).to_json().into()
}

fn read_plan(text: &str) -> Result<(), String> {
    done(PrunePlan::from_json(text, &teacher().spec))
}

fn statistics() -> Vec<u8> {
    let on = MeasuredOn { checkpoint: "weights".to_owned(), calibration: "text".to_owned() };
    Statistics::new(&teacher().spec, on).to_json().into()
}

/// A record with lists of two entries at most, so that thousands of inputs are read in seconds.
#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn record() -> Vec<u8> {
    let mut record = serde_json::from_slice(&repository(RECORD)).unwrap();
    shortened(&mut record);
    record.to_string().into()
}

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

fn read_record(bytes: &[u8]) -> Result<(), String> {
    done(pycno_record::read(&written("record.json", bytes)))
}
