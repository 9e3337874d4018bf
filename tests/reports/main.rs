//! The committed reports are what their records give today.
//!
//! After a change that is meant to move them: `pycno report reports/NAME/record.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
fn records() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut records: Vec<PathBuf> =
        folders.filter(|path| path.is_dir()).map(|folder| folder.join("record.json")).collect();
    records.sort();
    records
}

#[test]
fn every_committed_report_is_made_from_its_record() {
    let records = records();
    assert!(!records.is_empty(), "no report is committed");
    for path in records {
        let rendered = pycno_report::render(&pycno_record::read(&path).unwrap()).unwrap();
        let files = [
            ("report.html", rendered.html),
            ("report.md", rendered.markdown),
            ("report.csv", rendered.csv),
        ];
        for (name, now) in files {
            let committed = fs::read_to_string(path.with_file_name(name)).unwrap();
            assert!(committed == now, "{} is stale", path.with_file_name(name).display());
        }
    }
}
