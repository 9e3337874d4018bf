//! Families of models through the binary: no data folder, killed and resumed, one thread or two, a full
//! disk.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use pycno_tests::skipped;
use tempfile::TempDir;

use crate::shell::succeeded;

const FAMILY: &str = r#"
[family]
name = "tiny"
seed = 3
[data]
source = "lab:train/60K"
tokenizer = "lab"
length = 64
held_out = 16
[model]
norm_eps = 1e-5
rope_theta = 100.0
tied = true
max_positions = 128
[train]
budgets = ["16K", "8K", "32K"]
learning_rate = { peak = 6e-3, at = 32e3, power = 0.25 }
batch = 4
warmup = "2K"
[eval]
tasks = ["lab_programs", "lab_programs_steps"]
limit = 24
[[size]]
name = "small"
d_model = 16
layers = 1
heads = 2
kv_heads = 1
d_ffn = 32
[[size]]
name = "large"
d_model = 24
layers = 2
heads = 2
kv_heads = 1
d_ffn = 64
"#;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("family.toml");
    std::fs::write(&path, FAMILY).unwrap();
    (folder, path)
}

/// Nothing of the environment is needed.
fn train(family: &Path, run: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pycno"));
    command.env_clear().env("HOME", run.parent().unwrap()).stdin(Stdio::null());
    command.arg("train").arg(family).arg("--run").arg(run).args(more);
    command
}

fn trained(family: &Path, run: &Path, more: &[&str]) -> Output {
    train(family, run, more).output().unwrap()
}

fn started(family: &Path, run: &Path) -> Child {
    train(family, run, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The table and every model's weights.
fn made(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let stages = std::fs::read_dir(run.join("stages")).unwrap();
    let weights = stages.filter_map(|stage| {
        let stage = stage.unwrap();
        let bytes = std::fs::read(stage.path().join("model/model.safetensors")).ok()?;
        Some((stage.file_name().to_string_lossy().into_owned(), bytes))
    });
    let table = ("runs.csv".to_owned(), std::fs::read(run.join("runs.csv")).unwrap());
    weights.chain([table]).collect()
}

#[test]
fn ten_kills_change_no_byte() {
    let (folder, family) = folder();
    let (killed, whole) = (folder.path().join("killed"), folder.path().join("whole"));
    for wait in [15, 40, 70, 100, 130, 170, 210, 260, 320, 400] {
        let mut child = started(&family, &killed);
        sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
    }
    succeeded(&trained(&family, &killed, &[]));
    let table = succeeded(&trained(&family, &whole, &[]));
    assert!(table.contains("large-32.00K"), "{table}");
    let made = made(&whole);
    assert_eq!(made.len(), 7);
    assert!(made == self::made(&killed));
}

#[test]
fn threads_and_jobs_change_no_byte() {
    let (folder, family) = folder();
    let runs = [["1", "1"], ["2", "1"], ["2", "2"]].map(|[threads, jobs]| {
        let run = folder.path().join(format!("{threads}-{jobs}"));
        succeeded(&trained(&family, &run, &["--threads", threads, "--jobs", jobs]));
        made(&run)
    });
    assert!(runs[0] == runs[1] && runs[1] == runs[2]);
}

#[test]
fn a_second_process_on_one_run_is_turned_away() {
    let (folder, family) = folder();
    let run = folder.path().join("run");
    let mut child = started(&family, &run);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !run.join("lock").exists() && Instant::now() < deadline {
        sleep(Duration::from_millis(1));
    }
    let second = trained(&family, &run, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(message.contains("another process is writing"), "{message}");
}

#[test]
fn a_size_may_have_budgets_of_its_own() {
    let (folder, family) = folder();
    let run = folder.path().join("run");
    succeeded(&trained(&family, &run, &["--set", "size.1.budgets=[\"12K\", \"4K\"]"]));
    let table = std::fs::read_to_string(run.join("runs.csv")).unwrap();
    let names: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let expected = ["small-8000", "small-16.00K", "small-32.00K", "large-4000", "large-12.00K"];
    assert_eq!(names, expected);
}

#[test]
fn a_size_may_have_seeds_and_a_suite_of_its_own() {
    const SMALL: usize = 0;
    const LARGE: usize = 1;
    const SECOND: usize = 2;
    const LOSS: usize = 5;
    let (folder, family) = folder();
    let rows = |name: &str, set: &[&str]| {
        let run = folder.path().join(name);
        let set = set.iter().chain(&["train.budgets=[\"8K\"]"]).flat_map(|set| ["--set", set]);
        succeeded(&trained(&family, &run, &set.collect::<Vec<_>>()));
        let table = std::fs::read_to_string(run.join("runs.csv")).unwrap();
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        table.lines().skip(1).map(cells).collect::<Vec<_>>()
    };
    let plain = rows("plain", &[]);
    let seeded = rows("seeded", &["size.1.suite=\"second\"", "size.0.seeds=[3, 4]"]);
    let other = rows("other", &["family.seed=4"]);
    assert_eq!(
        [&seeded[SMALL], &seeded[LARGE][3..].to_vec()],
        [&plain[SMALL], &plain[LARGE][3..].to_vec()]
    );
    assert_eq!(seeded[LARGE][..3], ["large-8000", "second", "large"]);
    assert_eq!(seeded[SECOND][..3], ["smallb-8000", "tiny", "smallb"]);
    assert_eq!(seeded[SECOND][LOSS], other[SMALL][LOSS]);
    assert_ne!(seeded[SECOND][LOSS], plain[SMALL][LOSS]);
}

#[test]
fn a_family_that_cannot_be_is_refused_by_name() {
    let (folder, family) = folder();
    let run = folder.path().join("run");
    for (set, part) in [
        ("size.0.heads=3", "\"small\""),
        ("train.budgets=[]", "train.budgets is empty"),
        ("size.1.budgets=[]", "budgets of size \"large\" is empty"),
        ("size.0.seeds=[3, 4, 3]", "seeds of size \"small\""),
        ("size.0.seeds=[]", "seeds of size \"small\""),
        ("size.1.name=\"small\"", "two sizes are named \"small\""),
        ("train.warmup=\"1M\"", "at most 1 of the run"),
        ("train.batch={sequences = 8, at = 1e-3, power = 3.0}", "train.batch gives"),
        ("data.source=\"lab:chess\"", "lab:train/16M"),
        ("eval.tasks=[\"lab_chess\"]", "lab_chess"),
        ("model.max_positions=8", "lab_programs"),
    ] {
        let output = trained(&family, &run, &["--set", set]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{set}");
        assert!(message.contains(part), "{set}: {message}");
        assert!(!run.join("runs.csv").exists());
    }
}

#[test]
fn a_text_that_is_no_family_is_called_so_with_and_without_overrides() {
    let (folder, family) = folder();
    std::fs::write(&family, "[family\n").unwrap();
    for more in [&[][..], &["--set", "train.batch=2"]] {
        let output = trained(&family, &folder.path().join("run"), more);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(message.contains("is not a family of models"), "{message}");
    }
}

/// Runs on a file system of so many KiB, and copies what is there afterwards to `kept`; `None` where this
/// machine lets nobody mount one.
fn on_a_small_disk(family: &Path, kept: &Path, kib: u32) -> Option<Output> {
    let disk = kept.with_extension("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kib}k none \"$1\" || exit 77
        \"$2\" train \"$3\" --run \"$1/run\"
        code=$?
        cp -R \"$1/run\" \"$4\"
        exit $code"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(&disk).arg(env!("CARGO_BIN_EXE_pycno")).arg(family).arg(kept);
    let output = command.stdin(Stdio::null()).output().ok()?;
    let refused = output.status.code() == Some(77)
        || String::from_utf8_lossy(&output.stderr).starts_with("unshare:");
    (!refused).then_some(output)
}

/// The disk fills up at every size in turn; what is on it is whole, and the run goes on elsewhere.
#[test]
fn a_full_disk_is_named_and_costs_nothing() {
    let (folder, family) = folder();
    let whole = folder.path().join("whole");
    succeeded(&trained(&family, &whole, &[]));
    let mut filled = 0;
    for kib in [120, 300, 500, 900] {
        let kept = folder.path().join(format!("kept-{kib}"));
        let Some(output) = on_a_small_disk(&family, &kept, kib) else {
            return skipped("a_full_disk_is_named_and_costs_nothing", "cannot mount a small disk");
        };
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(message.contains("No space left"), "{kib} KiB: {message}");
            filled += 1;
        }
        succeeded(&trained(&family, &kept, &[]));
        assert!(made(&kept) == made(&whole), "{kib} KiB");
    }
    assert!(filled >= 2, "{filled} disks were full");
}
