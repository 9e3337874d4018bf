//! Plain tables for the terminal.

/// Lays rows out in columns; the first row is the head. Numbers are aligned right.
pub(crate) fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| pad(cell, *width));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            let rule = widths.iter().map(|width| "-".repeat(*width));
            text.push_str(&rule.collect::<Vec<_>>().join("  "));
            text.push('\n');
        }
    }
    text
}

fn pad(cell: &str, width: usize) -> String {
    let numeric = cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_go_right() {
        let rows = [vec!["model".to_owned(), "size".to_owned()], vec!["a".into(), "7".into()]];
        assert_eq!(layout(&rows), "model  size\n-----  ----\na         7\n");
    }
}
