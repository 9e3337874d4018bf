//! `pycno doctor`: what this machine and this build can do.

use std::path::Path;

use pycno_study::{
    Computes, FoundDevice,
    memory::{self, Work},
};
use pycno_units::{Bytes, ParamCount};

use super::show;
use crate::{args::DoctorArguments, environment, table};

/// Memory for the program and the activations of a usual batch.
const RESERVE: u64 = 1 << 30;

pub(crate) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let mut rows = vec![["check", "finding"].map(str::to_owned).to_vec()];
    let mut put = |check: &str, finding: String| rows.push(vec![check.to_owned(), finding]);
    put("pycno", format!("{} ({})", env!("CARGO_PKG_VERSION"), pycno_study::commit()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    put("threads", threads.to_string());
    let memory = memory::of_machine();
    put("memory", memory.to_string());
    for work in Work::ALL {
        put(&format!("largest model to {}", work.name()), largest(memory, work));
    }
    for (backend, built) in pycno_study::backends() {
        let missing = || format!("not in this build; build with --features {backend}");
        put(&format!("backend {backend}"), if built { "built".to_owned() } else { missing() });
    }
    let (found, failed) = pycno_study::devices();
    for device in found {
        put(&format!("device {}", device.name), ability(&device));
    }
    for (backend, reason) in failed {
        put(&format!("devices of {backend}"), format!("cannot be listed: {}", one_line(&reason)));
    }
    put("python3 (pypi: sources)", python());
    put("data folder", data(environment::data(arguments.data.as_ref()).as_deref()));
    put(
        "cache folder",
        match environment::cache(None) {
            Ok(folder) => folder.display().to_string(),
            Err(error) => error.to_string(),
        },
    );
    show(&table::layout(&rows))?;
    Ok(())
}

/// What fits into this memory beside the program and activations.
fn largest(memory: Bytes, work: Work) -> String {
    let per_parameter = work.bytes_per_parameter();
    let room = memory.0.saturating_sub(RESERVE) as f64;
    let most = ParamCount((room / per_parameter).floor());
    format!("{most} parameters ({per_parameter} bytes each; 1 GiB is left for activations)")
}

/// What a device is and computes in, or why it does not open.
fn ability(device: &FoundDevice) -> String {
    let class = device.class;
    match &device.opened {
        Ok(Computes { part, dtypes }) => {
            let part = part.as_ref().map(|part| format!(", {part}")).unwrap_or_default();
            let dtypes =
                dtypes.map(|(name, yes)| format!("{name} {}", if yes { "yes" } else { "no" }));
            format!("{class}{part}; {}", dtypes.join(", "))
        }
        Err(reason) => format!("{class}; does not open: {}", one_line(reason)),
    }
}

/// A table's cell has one line; a driver's message may have many.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn python() -> String {
    let output = std::process::Command::new("python3").args(["-m", "pip", "--version"]).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            text.split(" from ").next().unwrap_or_default().trim().to_owned()
        }
        Ok(_) => "python3 has no pip".to_owned(),
        Err(error) => format!("cannot start python3: {error}"),
    }
}

fn data(folder: Option<&Path>) -> String {
    match folder {
        None => "none: set PYCNO_DATA or pass --data DIR".to_owned(),
        Some(folder) if folder.is_dir() => folder.display().to_string(),
        Some(folder) => format!("{} is no folder", folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use pycno_study::{DeviceClass, DeviceName};

    use super::*;

    #[track_caller]
    fn check(class: DeviceClass, opened: Result<Computes, String>, expect: &str) {
        assert_eq!(ability(&FoundDevice { name: DeviceName::FLEX, class, opened }), expect);
    }

    #[test]
    fn a_device_says_what_it_is_and_computes_in() {
        let dtypes = [("f32", true), ("f16", true), ("bf16", false)];
        let part = Some("llvmpipe".to_owned());
        let expect = "software, only for tests, llvmpipe; f32 yes, f16 yes, bf16 no";
        check(DeviceClass::Software, Ok(Computes { part, dtypes }), expect);
        let expect = "the processor; f32 yes, f16 yes, bf16 no";
        check(DeviceClass::Host, Ok(Computes { part: None, dtypes }), expect);
    }

    #[test]
    fn one_that_does_not_open_says_why() {
        let expect = "GPU; does not open: no driver";
        check(DeviceClass::Gpu, Err("no\n driver".to_owned()), expect);
    }
}
