//! Notes the commit a build is made from, for the records. Without git it is `unknown`.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // What the run itself writes does not make the code another.
    let changed = git(&["status", "--porcelain", "--", "crates", "configs", "Cargo.lock"]);
    println!("cargo::rustc-env=PYCNO_COMMIT={commit}");
    println!("cargo::rustc-env=PYCNO_DIRTY={}", changed.is_some_and(|text| !text.is_empty()));
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/index");
    println!("cargo::rerun-if-changed=../../crates");
    println!("cargo::rerun-if-changed=../../configs");
}
