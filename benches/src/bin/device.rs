//! Times a small Llama on devices: forward, train step, cached decoding, and the matrix product that
//! bounds them. `cargo run --release -p pycno-benches --features wgpu --bin device -- --out FOLDER`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command shows its results")]

use std::path::PathBuf;

use anyhow::ensure;
use clap::Parser;
use pycno_benches::device::{DeviceSetup, Setup, Shape, Work, measure, write};
use pycno_study::{DeviceClass, DeviceName, FoundDevice};

/// Times a small Llama on devices.
#[derive(Debug, Parser)]
struct Arguments {
    /// A device as `pycno --device` takes it, may repeat; all but software ones if not given.
    #[arg(long)]
    device: Vec<DeviceName>,
    /// A model of two narrow layers: for software GPUs, which take minutes to tune large shapes.
    #[arg(long)]
    small: bool,
    /// Runs timed after the first.
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// Folder for setup and results, such as `benches/runs/DATE-MACHINE`; only shown if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    pycno_kernels::memory::keep_freed();
    let arguments = Arguments::parse();
    let shape = if arguments.small { Shape::tiny() } else { Shape::llama_7m() };
    let devices = chosen(&arguments.device)?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let setup = Setup::here(&format!("device {}", words.join(" ")));
    let mut rows = Vec::new();
    for device in &devices {
        println!("{}", device.line());
        for work in Work::ALL {
            let row = measure(device.0.name, &shape, work, arguments.repeats)?;
            println!("  {:<14} {:>12.3?}   first run {:.3?}", work.name(), row.median, row.first);
            rows.push(row);
        }
    }
    if let Some(out) = arguments.out {
        write(&out, &setup, &devices, &rows)?;
        println!("written to {}", out.display());
    }
    Ok(())
}

/// The devices named, else every one found that is not software.
fn chosen(named: &[DeviceName]) -> anyhow::Result<Vec<DeviceSetup>> {
    let (found, failed) = pycno_study::devices();
    for (backend, reason) in failed {
        println!("devices of {backend} cannot be listed: {reason}");
    }
    for name in named {
        // Opened by name first, for the error that says what there is.
        name.open()?;
    }
    let wanted = |device: &FoundDevice| match named {
        [] => device.class != DeviceClass::Software,
        named => named.contains(&device.name),
    };
    let devices: Vec<DeviceSetup> = found.into_iter().filter(wanted).map(DeviceSetup).collect();
    ensure!(!devices.is_empty(), "no device to time");
    Ok(devices)
}
