//! Plain tables for the terminal.

/// Lays rows out in columns; the first row is the head. A column whose cells are mostly numbers goes
/// right, its head with it.
pub(crate) fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let columns: Vec<Column> = (0..columns).map(|index| Column::of(rows, index)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&columns).map(|(cell, column)| column.pad(cell));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            let rule = columns.iter().map(|column| "-".repeat(column.width));
            text.push_str(&rule.collect::<Vec<_>>().join("  "));
            text.push('\n');
        }
    }
    text
}

/// [`layout`] of rows below a head.
pub(crate) fn under<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    layout(&std::iter::once(row(head)).chain(rows).collect::<Vec<_>>())
}

/// A row of a table from whatever prints.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

struct Column {
    width: usize,
    numeric: bool,
}

impl Column {
    fn of(rows: &[Vec<String>], index: usize) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(index));
        let filled: Vec<&String> = cells().skip(1).filter(|cell| !cell.is_empty()).collect();
        let numbers = filled.iter().filter(|cell| is_number(cell)).count();
        Self {
            width: cells().map(|cell| cell.chars().count()).max().unwrap_or(0),
            numeric: 2 * numbers > filled.len(),
        }
    }

    fn pad(&self, cell: &str) -> String {
        let width = self.width;
        if self.numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    }
}

/// A number, maybe with a unit's letter behind it, or the dash of a missing one.
fn is_number(cell: &str) -> bool {
    let body = cell.trim_start_matches(['-', '+']);
    let body = body.strip_suffix(['K', 'M', 'B', 'T', '%']).unwrap_or(body);
    cell == "-" || body.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_go_right() {
        let rows = [row(["model", "size"]), row(["a", "7"])];
        assert_eq!(layout(&rows), "model  size\n-----  ----\na         7\n");
    }

    #[test]
    fn a_column_goes_one_way_with_its_head() {
        let rows = [row(["n", "x"]), row(["1.50B", "ab"]), row(["none", "2"]), row(["20M", "c"])];
        assert_eq!(layout(&rows), "    n  x\n-----  --\n1.50B  ab\n none  2\n  20M  c\n");
    }

    #[test]
    fn dates_and_names_that_begin_with_a_digit_are_no_numbers() {
        assert!(!is_number("2024-02-01") && !is_number("7B-chat") && !is_number("[0.1, 2]"));
        assert!(is_number("-0.5") && is_number("12%") && is_number("3.1e-5"));
    }
}
