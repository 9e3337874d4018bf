//! `pycno report`: a run's report, made again from its record alone.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pycno_record::{Record, atomic};

use super::show;
use crate::args::ReportArguments;

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<()> {
    let given = &arguments.run;
    let path = if given.is_dir() { given.join("record.json") } else { given.clone() };
    let record = pycno_record::read(&path)?;
    let folder = arguments.out.as_deref().or_else(|| path.parent()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let written = write(&record, folder)?;
    show(&format!("{}\n", written.display()))?;
    Ok(())
}

/// Writes report.html, report.md and report.csv; gives the first's path.
pub(crate) fn write(record: &Record, folder: &Path) -> anyhow::Result<PathBuf> {
    let rendered = pycno_report::render(record)?;
    let html = folder.join("report.html");
    atomic::write_file(&html, rendered.html.as_bytes())?;
    atomic::write_file(&folder.join("report.md"), rendered.markdown.as_bytes())?;
    atomic::write_file(&folder.join("report.csv"), rendered.csv.as_bytes())?;
    Ok(html)
}
