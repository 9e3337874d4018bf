//! What a run was made with: machine, driver, build.

use std::process::Command;

use pycno_study::{Computes, DeviceClass, FoundDevice};
use time::{OffsetDateTime, macros::format_description};

/// Questions to a machine about its driver; whichever it answers is written down.
const ABOUT_DRIVERS: [(&str, &[&str]); 3] = [
    ("nvidia-smi", &["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]),
    ("vulkaninfo", &["--summary"]),
    ("dpkg-query", &["--show", "mesa-vulkan-drivers"]),
];

/// The machine and the build.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Names and what was found, in the order of the file.
    pub facts: Vec<(String, String)>,
}

/// What a device says of itself.
#[derive(Clone, Debug)]
pub struct DeviceSetup(pub FoundDevice);

impl Setup {
    /// Looks around. `command` is what was typed.
    pub fn here(command: &str) -> Self {
        let mut facts = Vec::new();
        let mut put = |name: &str, fact: String| facts.push((name.to_owned(), fact));
        put("date", today());
        put("command", command.to_owned());
        put("pycno", pycno_study::commit());
        put("burn", pycno_study::BURN.to_owned());
        put("backends", backends());
        let profile =
            if cfg!(debug_assertions) { "debug: these are no timings" } else { "release" };
        put("profile", profile.to_owned());
        put(
            "system",
            answer("uname", &["-srm"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
        );
        put("processor", processor());
        put("threads", threads().to_string());
        put("load", first_line("/proc/loadavg"));
        for (program, arguments) in ABOUT_DRIVERS {
            let silent = || "not here, or no answer".to_owned();
            put(program, answer(program, arguments).unwrap_or_else(silent));
        }
        Self { facts }
    }
}

/// A folder's name for a run on this machine: the date, then the first GPU's name, else the processor's with
/// its number of threads.
pub fn run_name(devices: &[DeviceSetup]) -> String {
    let gpu = devices.iter().find_map(|DeviceSetup(found)| match found.class {
        DeviceClass::Host | DeviceClass::Software => None,
        _ => found.opened.as_ref().ok()?.part.clone(),
    });
    let machine = gpu.unwrap_or_else(|| format!("{} {} threads", processor(), threads()));
    format!("{}-{}", today(), slug(&machine))
}

/// Small letters and digits, everything else one hyphen.
fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

impl DeviceSetup {
    /// One line about the device.
    pub fn line(&self) -> String {
        let FoundDevice { name, class, opened } = &self.0;
        match opened {
            Ok(Computes { part, dtypes }) => {
                let able = dtypes.iter().filter(|(_, yes)| *yes).map(|(dtype, _)| *dtype);
                let part = part.as_deref().unwrap_or("no name of its own");
                format!("{name}: {class}, {part}; {}", able.collect::<Vec<_>>().join(", "))
            }
            Err(reason) => format!("{name}: {class}, does not open: {reason}"),
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn today() -> String {
    let format = format_description!("[year]-[month]-[day]");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

fn backends() -> String {
    let built = pycno_study::backends().filter(|(_, built)| *built).map(|(name, _)| name);
    built.collect::<Vec<_>>().join(", ")
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown", |line| line.trim_start_matches(['\t', ' ', ':'])).to_owned()
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// What a program prints, if it is here and succeeds.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use pycno_study::DeviceName;

    use super::*;

    #[test]
    fn a_setup_names_build_and_machine() {
        let Setup { facts } = Setup::here("bench");
        let fact = |name: &str| facts.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert_eq!(fact("command"), "bench");
        assert!(fact("backends").contains("flex"));
        assert_eq!(fact("date").len(), 10);
    }

    #[test]
    fn a_run_is_named_after_its_gpu_or_its_processor() {
        assert_eq!(slug("NVIDIA H100 80GB HBM3"), "nvidia-h100-80gb-hbm3");
        assert_eq!(slug("Intel(R) Xeon(R) 2 threads"), "intel-r-xeon-r-2-threads");
        let gpu = |class| {
            let part = Some("Best GPU".to_owned());
            let opened = Ok(Computes { part, dtypes: [("f32", true); 3] });
            DeviceSetup(FoundDevice { name: DeviceName::FLEX, class, opened })
        };
        assert!(run_name(&[gpu(DeviceClass::Gpu)]).ends_with("-best-gpu"));
        assert!(run_name(&[gpu(DeviceClass::Software)]).ends_with("-threads"));
    }

    #[test]
    fn a_program_that_is_not_here_gives_no_answer() {
        assert_eq!(answer("no-such-program-anywhere", &[]), None);
    }
}
