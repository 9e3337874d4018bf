//! The report as Markdown: the page's sentences and tables, without figures.

use pycno_record::Record;

use crate::{
    html::level,
    limits,
    tables::{self, Row, Table},
    words,
};

/// Renders a record as Markdown.
pub fn markdown(record: &Record) -> String {
    let note = words::run_note(record).unwrap_or_default();
    let mut parts = vec![
        format!("# {}", inline(&record.study.name)),
        inline(&record.study.question),
        format!("**{}**", inline(&words::headline(record))),
        list(&words::branches(record)),
        "## Verdicts".to_owned(),
        verdicts(record),
        "## Before and after".to_owned(),
        format!("Intervals aim at {} coverage. {note}", level(record)).trim_end().to_owned(),
    ];
    parts.extend(tables::comparison(record).iter().map(table));
    parts.push("## By task".to_owned());
    parts.extend(tables::tasks(record).iter().map(table));
    parts.extend(measured(record));
    parts.extend(reproduction(record));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n") + "\n"
}

fn verdicts(record: &Record) -> String {
    let lines = words::students(record).map(|model| {
        let verdict = model.weighing.against_teacher.map_or("", |c| words::verdict(c.verdict));
        format!("{} ({verdict}): {}", model.name, words::sentence(model))
    });
    list(&lines.collect::<Vec<_>>())
}

fn measured(record: &Record) -> Vec<String> {
    let ruler = &record.ruler;
    let limits = limits::limits(record);
    vec![
        "## How it was measured".to_owned(),
        format!(
            "Ruler `{}`, hash `{}`: {}",
            code(&ruler.name),
            code(&ruler.hash),
            inline(&ruler.source)
        ),
        table(&tables::ruler(record)),
        "### Texts".to_owned(),
        table(&tables::data(record)),
        "### Limits".to_owned(),
        if limits.is_empty() { "None.".to_owned() } else { list(&limits) },
    ]
}

fn reproduction(record: &Record) -> Vec<String> {
    let card = tables::card(record);
    let lines: Vec<_> = card.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    vec![
        "## Reproduction".to_owned(),
        list(&lines),
        fenced(&record.provenance.config),
        table(&tables::hashes(record)),
    ]
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}", inline(line))).collect::<Vec<_>>().join("\n")
}

fn table(table: &Table) -> String {
    let width = table.head.len();
    let mut lines = Vec::new();
    if !table.caption.is_empty() {
        lines.push(format!("{}\n", inline(&table.caption)));
    }
    lines.push(columns(&table.head));
    lines.push(format!("|{}", "---|".repeat(width)));
    lines.extend(table.rows.iter().map(|row| table_row(row, width)));
    lines.join("\n")
}

fn table_row(row: &Row, width: usize) -> String {
    let label = if row.class == "group" { format!("**{}**", row.label) } else { row.label.clone() };
    let mut cells = vec![label];
    cells.extend(row.cells.iter().cloned());
    cells.resize(width, String::new());
    columns(&cells)
}

fn columns(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| inline(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// Text on one line that opens no tag, no table column and no code span.
fn inline(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('`', "'")
}

/// Text for a code span.
fn code(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'")
}

/// A code block whose fence is longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}toml\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn markdown_of_the_made_up_study() {
        insta::assert_snapshot!(markdown(&fixture::record()));
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let mut record = fixture::record();
        record.models[1].name = "a|b\n<script>`x`".to_owned();
        record.provenance.config = "x = '''\n```\n'''".to_owned();
        let text = markdown(&record);
        assert!(text.contains("a\\|b &lt;script>'x'"), "{text}");
        assert!(!text.contains("<script"));
        assert!(text.contains("\n````toml\nx = '''\n```\n'''\n````\n"));
    }
}
