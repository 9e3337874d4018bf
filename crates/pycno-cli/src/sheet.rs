//! CSV tables from files, with errors that name file, line and column.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use time::{Date, format_description::StaticFormatDescription, macros::format_description};

const ISO_DATE: StaticFormatDescription = format_description!("[year]-[month]-[day]");

/// A table: a head and rows that are as long.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) path: PathBuf,
    pub(crate) head: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

/// A row, with what its errors say of the place.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    path: &'a Path,
    line: u64,
    cells: BTreeMap<&'a str, &'a str>,
}

impl Sheet {
    /// Reads a table with at least one row.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        Self::parse(path, &text).with_context(|| format!("{shown} is not the table it should be"))
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let own = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
        let head = own(reader.headers()?);
        for (i, name) in head.iter().enumerate() {
            ensure!(!head[..i].contains(name), "line 1: column {name:?} stands there twice");
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            rows.push((line(text, record.position()), own(&record)));
        }
        ensure!(!rows.is_empty(), "expected a line of column names and at least one row");
        Ok(Self { path: path.to_owned(), head, rows })
    }

    /// Checks that all these columns are there.
    pub(crate) fn needs(&self, columns: &[&str]) -> anyhow::Result<()> {
        for column in columns {
            if !self.head.iter().any(|name| name == column) {
                let expected = columns.join(", ");
                let found = self.head.join(", ");
                bail!(
                    "{}, line 1: expected the columns {expected}, got {found}",
                    self.path.display()
                );
            }
        }
        Ok(())
    }

    /// Its rows; empty cells are not there.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, cells)| {
            let pairs = self.head.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
            let cells = pairs.map(|(name, cell)| (name.as_str(), cell.as_str())).collect();
            Row { path: &self.path, line: *line, cells }
        })
    }
}

impl<'a> Row<'a> {
    /// A cell's text, if it is filled.
    pub(crate) fn text(&self, column: &str) -> Option<&'a str> {
        self.cells.get(column).copied()
    }

    /// A cell that must be filled.
    pub(crate) fn required<T>(
        &self,
        column: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.parsed(column, expected, parse)?.ok_or_else(|| self.error(column, expected))
    }

    /// A cell that may be empty.
    pub(crate) fn parsed<T>(
        &self,
        column: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<Option<T>> {
        let Some(text) = self.text(column) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| self.error(column, expected))
    }

    /// What is wrong with a cell, and where it is.
    pub(crate) fn error(&self, column: &str, expected: &str) -> anyhow::Error {
        let found =
            self.text(column).map_or("an empty cell".to_owned(), |text| format!("{text:?}"));
        anyhow!("{}: expected {expected}, got {found}", self.place(column))
    }

    /// File, line and column of a cell.
    pub(crate) fn place(&self, column: &str) -> String {
        format!("{}, line {}, column {column:?}", self.path.display(), self.line)
    }
}

/// Line on which a record begins: the reader's position lies before the empty lines that it skipped.
fn line(text: &str, position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + skipped.filter(|byte| **byte == b'\n').count() as u64
}

/// A date such as `2024-02-01`.
pub(crate) fn date(text: &str) -> Option<Date> {
    Date::parse(text, ISO_DATE).ok()
}

/// A positive finite number.
pub(crate) fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|x: &f64| x.is_finite() && *x > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Sheet> {
        Sheet::parse(Path::new("census.csv"), text)
    }

    #[test]
    fn a_cell_that_is_wrong_is_named_with_its_place() {
        let sheet = parse("model,density\na,0.5\n\r\n\nb,nan\nc,\n").unwrap();
        let read = |row: Row<'_>| row.required("density", "a positive number", positive);
        let found: Vec<_> = sheet.rows().map(read).collect();
        assert_eq!(found[0].as_ref().unwrap().to_string(), "0.5");
        let message = found[1].as_ref().unwrap_err().to_string();
        let expect =
            "census.csv, line 5, column \"density\": expected a positive number, got \"nan\"";
        assert_eq!(message, expect);
        assert!(found[2].as_ref().unwrap_err().to_string().contains("got an empty cell"));
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let message = format!("{:#}", parse(text).unwrap_err());
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        refused("", "at least one row");
        refused("model,density\n", "at least one row");
        refused("model,model\na,b\n", "column \"model\" stands there twice");
        refused("model,density\na\n", "line: 2");
    }

    #[test]
    fn a_missing_column_is_told_with_those_there_are() {
        let sheet = parse("model, density\na, 1\n").unwrap();
        assert!(sheet.needs(&["model", "density"]).is_ok());
        let message = sheet.needs(&["model", "date"]).unwrap_err().to_string();
        assert!(
            message.contains("expected the columns model, date, got model, density"),
            "{message}"
        );
    }

    #[test]
    fn dates_are_written_year_first() {
        assert!(date("2024-02-29").is_some());
        assert!(date("2023-02-29").is_none() && date("01/02/2024").is_none());
    }
}
