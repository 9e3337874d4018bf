//! One file or folder per verb.

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::ensure;
use serde_json::Value;

pub(crate) mod advise;
pub(crate) mod cost;
pub(crate) mod density;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod families;
pub(crate) mod methods;
pub(crate) mod plan;
pub(crate) mod prune;
pub(crate) mod report;
pub(crate) mod ruler;
pub(crate) mod run;
pub(crate) mod shipped;
pub(crate) mod train;
pub(crate) mod trend;

/// What was asked for could not be written to standard output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(crate) struct NotShown {
    source: io::Error,
}

impl NotShown {
    /// Whether the program that reads our output went away, having seen what it wanted.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Prints what the user asked for; the one place results are printed.
pub(crate) fn show(text: &str) -> Result<(), NotShown> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| NotShown { source })
}

/// Prints one JSON document.
pub(crate) fn show_json(document: &Value) -> anyhow::Result<()> {
    Ok(show(&format!("{}\n", serde_json::to_string_pretty(document)?))?)
}

/// What a plan or forecast takes for granted, to print below it.
pub(crate) fn assumed(assumptions: &[&str]) -> String {
    let lines: Vec<String> = assumptions.iter().map(|line| format!("  {line}\n")).collect();
    format!("\nThis takes for granted:\n{}", lines.concat())
}

/// The same for `--json`.
pub(crate) fn assumptions(assumptions: &[&str]) -> Value {
    assumptions.iter().map(|line| Value::from(*line)).collect()
}

/// Refuses to write over a file that is there.
pub(crate) fn refuse_existing(flag: &str, path: &Path) -> anyhow::Result<()> {
    ensure!(!path.exists(), "{flag} {} is there already", path.display());
    Ok(())
}
