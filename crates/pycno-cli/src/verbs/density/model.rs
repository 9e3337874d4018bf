//! Rows of a table of models, read and checked.

use anyhow::{Context as _, anyhow, bail, ensure};
use pycno_density::{Ruler, ScoreError, ScoreSummary, Sizes};
use pycno_units::ParamCount;
use time::Date;

use super::{
    evidence::{self, Percent},
    sizes,
};
use crate::sheet::{self, Row, Sheet};

/// Columns that are no task.
const COLUMNS: [&str; 8] =
    ["model", "params", "total", "active", "non_zero", "bits", "parent", "date"];
const ITEMS: &str = "items:";
const STDERR: &str = "stderr:";

/// A row of the table.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) params: ParamCount,
    pub(super) sizes: Option<Sizes>,
    pub(super) parent: Option<String>,
    pub(super) date: Option<Date>,
    pub(super) scores: Vec<ScoreSummary>,
}

impl Model {
    /// The tasks it is scored on.
    pub(super) fn tasks(&self) -> Vec<&str> {
        self.scores.iter().map(|score| score.task.as_str()).collect()
    }
}

/// Reads every row, then what can only be seen over all of them.
pub(super) fn read(sheet: &Sheet, ruler: &Ruler) -> anyhow::Result<Vec<Model>> {
    sheet.needs(&["model", "params"])?;
    check_head(sheet, ruler)?;
    let mut models: Vec<Model> = Vec::new();
    for row in sheet.rows() {
        let model = model(&row, ruler)?;
        if models.iter().any(|other| other.name == model.name) {
            bail!("{}: expected a name of its own, got {:?} again", row.place("model"), model.name);
        }
        models.push(model);
    }
    let is_model = |name: &str| models.iter().any(|model| model.name == name);
    for row in sheet.rows() {
        let own = row.text("model");
        let unfit = |name: &&str| !is_model(name) || Some(*name) == own;
        if row.text("parent").as_ref().is_some_and(unfit) {
            return Err(row.error("parent", "the name of another model of this table"));
        }
    }
    for task in ruler.task_names() {
        let cells: Vec<Percent> = sheet
            .rows()
            .filter_map(|row| row.text(task).and_then(|text| evidence::percent(text).ok()))
            .collect();
        ensure!(
            !evidence::are_shares(&cells),
            "{}, column {task:?} {}",
            sheet.path.display(),
            evidence::SHARES
        );
    }
    Ok(models)
}

fn check_head(sheet: &Sheet, ruler: &Ruler) -> anyhow::Result<()> {
    let (head, place) = (&sheet.head, format!("{}, line 1", sheet.path.display()));
    let tasks = ruler.task_names();
    let task = |name: &str| tasks.contains(&name);
    for name in head {
        let of_task = name.strip_prefix(ITEMS).or_else(|| name.strip_prefix(STDERR));
        let known = COLUMNS.contains(&name.as_str()) || task(name) || of_task.is_some_and(task);
        ensure!(
            known,
            "{place}, column {name:?}: expected one of {}, or a task of ruler {} ({}), or {ITEMS}TASK \
             or {STDERR}TASK",
            COLUMNS.join(", "),
            ruler.family().name,
            tasks.join(", "),
        );
    }
    ensure!(head.iter().any(|name| task(name)), "{place}: expected a column for at least one task");
    Ok(())
}

fn model(row: &Row<'_>, ruler: &Ruler) -> anyhow::Result<Model> {
    let name = row.text("model").ok_or_else(|| row.error("model", "a name"))?.to_owned();
    let size = |text: &str| ParamCount::of_model(text).ok();
    let expected = "a whole number of parameters, at least 1000, such as 6.98B";
    let params = row.required("params", expected, size)?;
    let total = row.parsed("total", expected, size)?;
    let sizes = Sizes {
        total: total.unwrap_or(params),
        non_embedding: params,
        active: row.parsed("active", expected, size)?,
        non_zero: row.parsed("non_zero", expected, size)?,
        weight_bits: row.parsed("bits", "a positive number of bits", sheet::positive)?,
    };
    for column in ["active", "non_zero", "bits"] {
        ensure!(total.is_some() || row.text(column).is_none(), "{}", row.error("total", expected));
    }
    sizes::by_rule(&sizes).with_context(|| row.place("total"))?;
    let scores = ruler.task_names().into_iter().map(|task| score(row, task));
    let scores: Vec<ScoreSummary> =
        scores.filter_map(Result::transpose).collect::<anyhow::Result<_>>()?;
    ensure!(!scores.is_empty(), "{}: model {name:?} has no score at all", row.place("model"));
    Ok(Model {
        name,
        params,
        sizes: total.map(|_| sizes),
        parent: row.text("parent").map(str::to_owned),
        date: row.parsed("date", "a date such as 2024-02-01", sheet::date)?,
        scores,
    })
}

/// The score of a task with its error, if the cell is filled.
fn score(row: &Row<'_>, task: &str) -> anyhow::Result<Option<ScoreSummary>> {
    let (items, stderr) = (format!("{ITEMS}{task}"), format!("{STDERR}{task}"));
    let count = row.parsed(&items, "a positive whole number of items", evidence::item_count)?;
    let points = row.parsed(&stderr, evidence::POINTS, evidence::stderr)?;
    let Some(text) = row.text(task) else { return Ok(None) };
    let percent =
        evidence::percent(text).map_err(|error| anyhow!("{}: {error}", row.place(task)))?;
    if count.is_some() && points.is_some() {
        bail!("{}: expected a number of items or a standard error, got both", row.place(&items));
    }
    let error = count.or(points).unwrap_or(ScoreError::Unknown);
    Ok(Some(ScoreSummary { task: task.to_owned(), score: percent.score, error }))
}
