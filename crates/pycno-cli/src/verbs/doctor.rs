//! `pycno doctor`: what this machine and this build can do.

use std::path::Path;

use super::show;
use crate::{args::DoctorArguments, environment, table};

#[expect(clippy::unnecessary_wraps, reason = "verbs share a signature")]
pub(crate) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<()> {
    let mut rows = vec![["check", "finding"].map(str::to_owned).to_vec()];
    let mut put = |check: &str, finding: String| rows.push(vec![check.to_owned(), finding]);
    put("pycno", format!("{} ({})", env!("CARGO_PKG_VERSION"), pycno_study::commit()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    put("threads", threads.to_string());
    for (backend, built) in pycno_study::backends() {
        let missing = || format!("not in this build; build with --features {backend}");
        put(&format!("backend {backend}"), if built { "built".to_owned() } else { missing() });
    }
    for device in pycno_study::devices() {
        put("device", device);
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
    show(&table::layout(&rows));
    Ok(())
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
