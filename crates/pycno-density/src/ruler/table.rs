//! Reference models from a CSV table: what `pycno ruler fit` reads.
//!
//! Columns: `run` (required), `suite`, `cluster`, `params`, `tokens`, and any number of `loss:TASK` (nats per
//! token, or bits per byte throughout) and `score:TASK` (percent). Empty cells are unknown.

use std::collections::BTreeMap;

use pycno_units::{NatsPerToken, ParamCount, Score, TokenCount};

use super::spec::ReferenceModel;
use crate::DensityError;

/// Suite of rows that name none.
const DEFAULT_SUITE: &str = "reference";
const LOSS: &str = "loss:";
const SCORE: &str = "score:";

/// Reads reference models from the text of a CSV table.
///
/// # Errors
///
/// [`DensityError::Table`] for what is no table, [`DensityError::Column`] for a missing or unknown
/// column, [`DensityError::Cell`] with line and column for a cell that is no number of its kind, and
/// [`DensityError::Shares`] for a column of scores that all lie in `[0, 1]`.
pub fn reference_models(text: &str) -> Result<Vec<ReferenceModel>, DensityError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let table = |source| DensityError::Table { source };
    let header = reader.headers().map_err(table)?.clone();
    check_header(&header)?;
    let mut models = Vec::new();
    for record in reader.records() {
        let record = record.map_err(table)?;
        let line = record.position().map_or(0, |position| line(text, position));
        let cells = header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        models.push(model(&Row { line, cells: cells.collect() })?);
    }
    check_percent(&models)?;
    Ok(models)
}

/// Line of a record. The reader's position lies before the empty lines that it skipped.
fn line(text: &str, position: &csv::Position) -> u64 {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + skipped.filter(|byte| **byte == b'\n').count() as u64
}

struct Row<'a> {
    line: u64,
    cells: BTreeMap<&'a str, &'a str>,
}

fn check_header(header: &csv::StringRecord) -> Result<(), DensityError> {
    let plain = ["run", "suite", "cluster", "params", "tokens", "role"];
    let known =
        |name: &str| plain.contains(&name) || name.starts_with(LOSS) || name.starts_with(SCORE);
    if let Some(name) = header.iter().find(|name| !known(name)) {
        return Err(DensityError::Column { name: name.to_owned(), what: "is unknown" });
    }
    if header.iter().any(|name| name == "run") {
        Ok(())
    } else {
        Err(DensityError::Column { name: "run".to_owned(), what: "is missing" })
    }
}

fn model(row: &Row<'_>) -> Result<ReferenceModel, DensityError> {
    let text = |column: &str| row.cells.get(column).map(|cell| (*cell).to_owned());
    let mut model = ReferenceModel {
        name: text("run").ok_or_else(|| row.cell("run", "a name"))?,
        suite: text("suite").unwrap_or_else(|| DEFAULT_SUITE.to_owned()),
        cluster: text("cluster"),
        ..ReferenceModel::default()
    };
    let expected = "a whole number, at least 1000, such as 19M or 19000000";
    model.params = row.parsed("params", expected, |text| ParamCount::of_model(text).ok())?;
    model.tokens = row.parsed("tokens", expected, |text| TokenCount::of_training(text).ok())?;
    for column in row.cells.keys() {
        if let Some(task) = column.strip_prefix(LOSS) {
            let loss = row.parsed(column, "a positive loss", |text| {
                text.parse().ok().filter(|loss: &f64| loss.is_finite() && *loss > 0.0)
            })?;
            model.losses.extend(loss.map(|loss| (task.to_owned(), NatsPerToken(loss))));
        } else if let Some(task) = column.strip_prefix(SCORE) {
            let score = row.parsed(column, "a score in [0, 100] percent", |text| {
                Score::from_percent(text.parse().ok()?).ok()
            })?;
            model.scores.extend(score.map(|score| (task.to_owned(), score)));
        }
    }
    Ok(model)
}

impl Row<'_> {
    fn parsed<T>(
        &self,
        column: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DensityError> {
        let Some(cell) = self.cells.get(column) else { return Ok(None) };
        parse(cell).map(Some).ok_or_else(|| self.cell(column, expected))
    }

    fn cell(&self, column: &str, expected: &'static str) -> DensityError {
        let found = self.cells.get(column).map_or_else(String::new, |cell| (*cell).to_owned());
        DensityError::Cell { line: self.line, column: column.to_owned(), expected, found }
    }
}

/// Scores of a task that all lie in `[0, 1]` are shares, not percent.
fn check_percent(models: &[ReferenceModel]) -> Result<(), DensityError> {
    let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
    for (task, score) in models.iter().flat_map(|model| &model.scores) {
        let most = largest.entry(task).or_insert(0.0);
        *most = most.max(score.percent());
    }
    let share = largest.into_iter().find(|(_, most)| *most > 0.0 && *most <= 1.0);
    share.map_or(Ok(()), |(task, largest)| {
        Err(DensityError::Shares { task: task.to_owned(), largest })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_model_and_empty_cells_stay_unknown() {
        let text = "run,suite,params,tokens,loss:mmlu,score:mmlu\na,x,5M,2B,0.5,31.5\nb,,,,0.4,\n";
        let models = reference_models(text).unwrap();
        assert_eq!(models[0].params, Some(ParamCount(5e6)));
        assert_eq!(models[0].tokens, Some(TokenCount(2_000_000_000)));
        assert_eq!(models[0].scores["mmlu"], Score::from_percent(31.5).unwrap());
        assert_eq!((models[1].suite.as_str(), models[1].params), ("reference", None));
        assert_eq!(models[1].losses["mmlu"], NatsPerToken(0.4));
        assert!(models[1].scores.is_empty());
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let message = reference_models(text).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn what_is_no_table_of_runs_is_refused_with_its_place() {
        refused("name,params\n", "column \"name\" is unknown");
        refused("params\n1\n", "column \"run\" is missing");
        refused("run,params\na,-5\n", "line 2, column \"params\"");
        refused("run,params\na,0\n", "a whole number, at least 1000");
        refused("run,params\na,6.98\n", "at least 1000");
        refused("run,params\na,5M\nb,nan\n", "line 3");
        refused("run,params\n\n\na,5M\n\nb,nan\n", "line 6");
        refused("run,tokens\na,0\n", "a whole number, at least 1000");
        refused("run,tokens\na,300\n", "at least 1000");
        refused("run,loss:x\na,0\n", "a positive loss");
        refused("run,loss:x\na,inf\n", "a positive loss");
        refused("run,score:x\na,101\n", "[0, 100] percent");
        refused("run,score:x\na,0.31\nb,0.95\n", "shares, not percent");
        refused("run,score:x\na,1,2\n", "no table");
    }
}
