//! The published figures: CSV files with comment lines, cells read by column name.

use std::{fs, path::Path};

use time::{Date, macros::format_description};

use super::{
    Fallible,
    sheet::{Check, word},
};

/// All files of the folder.
pub(crate) struct Published {
    /// Single figures by name.
    pub(crate) printed: Table,
    /// Constants as drawn, with an independent program's refits.
    pub(crate) constants: Table,
    /// Losses of the reference runs.
    pub(crate) losses: Table,
    /// Losses and scores of the models of the second step.
    pub(crate) performance: Table,
    /// Effective sizes by an independent program.
    pub(crate) vectors: Table,
    /// Benchmark scores of public models.
    pub(crate) scores: Table,
    /// Densities of figures 1 and 2.
    pub(crate) densities: Table,
    /// Densities of compressed models.
    pub(crate) compression: Table,
    /// Densities on MMLU alone.
    pub(crate) mmlu: Table,
    /// Prices.
    pub(crate) prices: Table,
}

/// A CSV file.
pub(crate) struct Table {
    file: &'static str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A row of a table.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    table: &'a Table,
    cells: &'a [String],
}

/// A single published figure.
#[derive(Clone, Copy)]
pub(crate) struct Figure<'a> {
    pub(crate) value: f64,
    pub(crate) decimals: i32,
    pub(crate) evidence: &'a str,
}

impl Published {
    /// Reads every file of the folder.
    pub(crate) fn read(folder: &Path) -> Fallible<Self> {
        let read = |file| Table::read(folder, file);
        Ok(Self {
            printed: read("printed.csv")?,
            constants: read("fitted_constants.csv")?,
            losses: read("extfig1a_loss_points.csv")?,
            performance: read("extfig1b_performance_points.csv")?,
            vectors: read("testvectors_Nhat.csv")?,
            scores: read("model_scores_reproduction.csv")?,
            densities: read("fig1_density.csv")?,
            compression: read("fig3b_compression.csv")?,
            mmlu: read("fig3c_density_mmlu.csv")?,
            prices: read("fig3a_prices.csv")?,
        })
    }

    /// A single figure by name.
    pub(crate) fn figure(&self, name: &str) -> Fallible<Figure<'_>> {
        let row = self.printed.find("figure", name)?;
        let (value, decimals) = (row.number("value")?, row.text("decimals")?.parse()?);
        Ok(Figure { value, decimals, evidence: row.text("evidence")? })
    }

    /// Row of Fig. 1 of a model.
    pub(crate) fn plotted(&self, model: &str) -> Fallible<Record<'_>> {
        self.densities.find("model", model)
    }
}

impl Figure<'_> {
    /// Whether our number rounds to the figure.
    pub(crate) fn met(self, ours: f64) -> bool {
        Check::Decimals(self.decimals).holds(self.value, ours)
    }

    /// The same as a word.
    pub(crate) fn word(self, ours: f64) -> &'static str {
        word(self.met(ours))
    }
}

impl Table {
    fn read(folder: &Path, file: &'static str) -> Fallible<Self> {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let cells = |row: &csv::StringRecord| row.iter().map(ToOwned::to_owned).collect();
        let columns = cells(reader.headers()?);
        let rows = reader.records().map(|row| row.map(|row| cells(&row)));
        Ok(Self { file, columns, rows: rows.collect::<Result<_, _>>()? })
    }

    /// All rows, in the order of the file.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Record<'_>> {
        self.rows.iter().map(|cells| Record { table: self, cells })
    }

    /// The first row with this text in a column.
    pub(crate) fn find(&self, column: &str, text: &str) -> Fallible<Record<'_>> {
        let found = self.rows().find(|row| row.text(column).is_ok_and(|cell| cell == text));
        found.ok_or_else(|| format!("{}: no {column} is {text:?}", self.file).into())
    }
}

impl<'a> Record<'a> {
    /// A cell as written; empty where nothing is known.
    pub(crate) fn text(&self, column: &str) -> Fallible<&'a str> {
        let index = self.table.columns.iter().position(|name| name == column);
        let cell = index.and_then(|index| self.cells.get(index));
        Ok(cell.ok_or_else(|| format!("{}: no column {column:?}", self.table.file))?)
    }

    /// A number that must be there.
    pub(crate) fn number(&self, column: &str) -> Fallible<f64> {
        self.maybe(column)?
            .ok_or_else(|| format!("{}: column {column:?} is empty", self.table.file).into())
    }

    /// A number; `None` where the cell is empty or says `nan`.
    pub(crate) fn maybe(&self, column: &str) -> Fallible<Option<f64>> {
        match self.text(column)? {
            "" | "nan" => Ok(None),
            cell => {
                let wrong = |_| format!("{}: {column:?} is no number: {cell:?}", self.table.file);
                Ok(Some(cell.parse().map_err(wrong)?))
            }
        }
    }

    /// Several numbers that must be there.
    pub(crate) fn numbers<const N: usize>(&self, columns: [&str; N]) -> Fallible<[f64; N]> {
        let mut found = [0.0; N];
        for (value, column) in found.iter_mut().zip(columns) {
            *value = self.number(column)?;
        }
        Ok(found)
    }

    /// A date written `2023-02-24`.
    pub(crate) fn date(&self, column: &str) -> Fallible<Date> {
        Ok(Date::parse(self.text(column)?, format_description!("[year]-[month]-[day]"))?)
    }
}
