//! Rows of a `.jsonl` or `.tsv` file, with the line each stands on.

use std::path::Path;

use serde_json::{Map, Value};

use crate::EvalError;

/// One row of a file.
pub(crate) struct Row<'a> {
    pub(crate) path: &'a Path,
    pub(crate) line: usize,
    pub(crate) columns: Map<String, Value>,
}

impl Row<'_> {
    pub(crate) fn refuse(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> EvalError {
        EvalError::Item {
            path: self.path.to_path_buf(),
            line: self.line,
            expected: expected.into(),
            found: found.into(),
        }
    }

    pub(crate) fn column(&self, name: &str) -> Result<&Value, EvalError> {
        self.columns.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.columns.keys().map(String::as_str).collect();
            self.refuse(format!("a column `{name}`"), format!("[{}]", names.join(", ")))
        })
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, EvalError> {
        let value = self.column(name)?;
        value
            .as_str()
            .ok_or_else(|| self.refuse(format!("a string under `{name}`"), value.to_string()))
    }
}

/// Reads rows by the file's extension: `.tsv` has a header line and no quoting, all else is JSON lines.
pub(crate) fn rows<'a>(path: &'a Path, text: &str) -> Result<Vec<Row<'a>>, EvalError> {
    if path.extension().is_some_and(|extension| extension == "tsv") {
        return tsv(path, text);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, json)| {
            let columns = serde_json::from_str(json).map_err(|source| EvalError::Json {
                path: path.to_path_buf(),
                line: i + 1,
                source,
            })?;
            Ok(Row { path, line: i + 1, columns })
        })
        .collect()
}

fn tsv<'a>(path: &'a Path, text: &str) -> Result<Vec<Row<'a>>, EvalError> {
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> =
        lines.next().map_or_else(Vec::new, |(_, line)| line.split('\t').collect());
    lines
        .map(|(i, line)| {
            let cells: Vec<&str> = line.split('\t').collect();
            let pairs = header.iter().zip(&cells);
            let columns = pairs.map(|(name, cell)| ((*name).to_owned(), (*cell).into())).collect();
            let row = Row { path, line: i + 1, columns };
            if cells.len() == header.len() {
                Ok(row)
            } else {
                Err(row.refuse(format!("{} cells", header.len()), cells.len().to_string()))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_header_and_takes_quotes_as_they_are() {
        let rows = rows(Path::new("t.tsv"), "a\tb\n1\t\"x\n2\ty\n").unwrap();
        let cells: Vec<_> = rows
            .iter()
            .map(|row| (row.line, row.text("a").unwrap(), row.text("b").unwrap()))
            .collect();
        assert_eq!(cells, [(2, "1", "\"x"), (3, "2", "y")]);
    }

    #[test]
    fn a_row_of_another_length_is_refused_with_its_line() {
        let error = rows(Path::new("t.tsv"), "a\tb\n1\t2\n3\n").err().unwrap().to_string();
        assert_eq!(error, "t.tsv line 3: expected 2 cells, found 1");
    }
}
