//! The same works on every device that the build finds: the matrix product that bounds them, forward,
//! log-likelihood, training step, distillation step, cached decoding, and statistics for pruning.
//!
//! `cargo bench -p pycno-benches --features wgpu --bench device`; a filter chooses, such as `-- wgpu:0` or
//! `-- flex/llama-7m/decode`. Software GPUs get a small shape. Before a work is measured it runs twice, so that
//! kernels are compiled and tuned, and the clock is read while the device is idle. What was measured goes to
//! `benches/runs/DATE-MACHINE/device.md` as well; a run that only tests (`cargo test --bench device`) writes
//! nothing.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench shows its results")]
#![expect(clippy::print_stderr, reason = "and why it failed")]

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use pycno_benches::device::{
    DeviceSetup, Estimate, Inputs, Repetition, Row, Setup, Shape, Summary, Work, ready, run_name,
    time,
};
use pycno_study::{DeviceClass, FoundDevice};
use time::OffsetDateTime;

/// Samples per work; the fewest that criterion takes.
const SAMPLES: usize = 10;
/// Repetitions before criterion's own warm-up: the first tunes kernels, the second has an optimizer's state.
const TUNING: u64 = 2;

fn main() -> ExitCode {
    pycno_kernels::memory::keep_freed();
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run() -> anyhow::Result<()> {
    let (home, since) = (criterion_home()?, OffsetDateTime::now_utc());
    let devices = opened();
    let mut criterion = Criterion::default()
        .output_directory(&home)
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for device in &devices {
        bench_device(&mut criterion, &device.0)?;
    }
    criterion.final_summary();
    let rows = measured(&devices, &home, since)?;
    if rows.is_empty() {
        return Ok(());
    }
    let setup = Setup::here(&command());
    let summary = Summary { setup, devices, rows };
    let folder = runs().join(run_name(&summary.devices));
    summary.write(&folder).with_context(|| format!("cannot write {}", folder.display()))?;
    println!("{}\nwritten to {}", summary.table(), folder.join("device.md").display());
    Ok(())
}

/// Every device that opens; of the others, and of backends that list none, a line says why.
fn opened() -> Vec<DeviceSetup> {
    let (found, failed) = pycno_study::devices();
    for (backend, reason) in failed {
        println!("devices of {backend} cannot be listed: {reason}");
    }
    let (opened, closed): (Vec<_>, Vec<_>) =
        found.into_iter().map(DeviceSetup).partition(|device| device.0.opened.is_ok());
    for device in &closed {
        println!("not measured: {}", device.line());
    }
    opened
}

fn shape(device: &FoundDevice) -> Shape {
    if device.class == DeviceClass::Software { Shape::tiny() } else { Shape::llama_7m() }
}

fn group_id(device: &FoundDevice) -> String {
    format!("device/{}/{}", device.name, shape(device).name)
}

fn bench_device(criterion: &mut Criterion, found: &FoundDevice) -> anyhow::Result<()> {
    let device = found.name.open()?;
    let inputs = Inputs::new(shape(found), device)?;
    let mut group = criterion.benchmark_group(group_id(found));
    group.sampling_mode(SamplingMode::Flat);
    for work in Work::ALL {
        bench_work(&mut group, work, &inputs)
            .with_context(|| format!("{}, {}", group_id(found), work.name()))?;
    }
    group.finish();
    Ok(())
}

fn bench_work(
    group: &mut BenchmarkGroup<'_, WallTime>,
    work: Work,
    inputs: &Inputs,
) -> anyhow::Result<()> {
    let tokens = inputs.shape().tokens(work);
    if tokens > 0 {
        group.throughput(Throughput::Elements(tokens as u64));
    }
    let (mut repeat, mut failed) = (None, None);
    group.bench_function(work.name(), |bencher| {
        bencher.iter_custom(|n| {
            let timed = match &mut repeat {
                Some(repeat) => time(inputs.device(), n, repeat),
                None => tuned(work, inputs)
                    .and_then(|ready| time(inputs.device(), n, repeat.insert(ready))),
            };
            timed.unwrap_or_else(|error| {
                failed.get_or_insert(error);
                // Criterion asks for a time; the run ends with the error.
                Duration::from_millis(1)
            })
        });
    });
    failed.map_or(Ok(()), Err)
}

/// A work whose kernels are compiled and tuned.
fn tuned(work: Work, inputs: &Inputs) -> anyhow::Result<Repetition<'_>> {
    let mut repeat = ready(work, inputs)?;
    time(inputs.device(), TUNING, &mut repeat)?;
    Ok(repeat)
}

/// What this run measured, in the order of devices and works.
fn measured(
    devices: &[DeviceSetup],
    home: &Path,
    since: OffsetDateTime,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for DeviceSetup(device) in devices {
        let shape = shape(device);
        for work in Work::ALL {
            let id = format!("{}/{}", group_id(device), work.name());
            let Some(time) = Estimate::read(home, &id, since)? else { continue };
            let (tokens, flops) = (shape.tokens(work), shape.flops(work));
            let device = device.name.to_string();
            rows.push(Row { device, shape: shape.name, work, tokens, flops, time });
        }
    }
    Ok(rows)
}

/// Where criterion keeps its files: `CRITERION_HOME`, else beside the build's profiles.
fn criterion_home() -> anyhow::Result<PathBuf> {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return Ok(home.into());
    }
    // This program is `target/PROFILE/deps/device-HASH`.
    let program = env::current_exe().context("where this program lies")?;
    let target = program.ancestors().nth(3).context("a program below a target folder")?;
    Ok(target.join("criterion"))
}

/// `benches/runs`, when cargo starts the bench and when the repository's root is the working folder.
fn runs() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| "benches".into(), PathBuf::from).join("runs")
}

/// What was typed, without the folder of the program.
fn command() -> String {
    let words: Vec<String> = env::args().skip(1).collect();
    format!("--bench device {}", words.join(" "))
}
