//! The report as one page.

use minijinja::{AutoEscape, Environment, Value, context, syntax::SyntaxConfig, value::Serde};
use pycno_record::{ModelRecord, ModelRole, Record};
use serde::Serialize;

use crate::{ReportError, figure, limits, number, tables, words};

const PAGE: &str = include_str!("../templates/report.html");
const STYLE: &str = include_str!("../templates/report.css");

/// A student's line under the headline.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    verdict: &'static str,
    sentence: String,
}

/// Renders a record as a self-contained HTML page: style and figures are inline, nothing is loaded.
///
/// Whatever text the record holds is escaped.
///
/// # Errors
///
/// [`ReportError::Template`] if the template is broken, which no record can cause.
pub fn html(record: &Record) -> Result<String, ReportError> {
    let mut page = Environment::new();
    page.set_auto_escape_callback(|_| AutoEscape::Html);
    page.set_syntax(syntax()?);
    page.render_str(PAGE, view(record)).map_err(|source| ReportError::Template { source })
}

/// Tags alone on a line leave no empty line behind.
fn syntax() -> Result<SyntaxConfig, ReportError> {
    let mut builder = SyntaxConfig::builder();
    builder.trim_blocks(true).lstrip_blocks(true);
    builder.build().map_err(|source| ReportError::Template { source })
}

fn view(record: &Record) -> Value {
    context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        study => Serde(&record.study),
        headline => words::headline(record),
        branches => words::branches(record),
        lines => Serde(words::students(record).map(line).collect::<Vec<_>>()),
        level => level(record),
        run_note => words::run_note(record),
        comparison => Serde(tables::comparison(record)),
        forest => Value::from_safe_string(figure::forest(record)),
        sizes => Value::from_safe_string(figure::score_against_size(record)),
        rings => record.ruler.curves.get("mean").is_some_and(|curve| !curve.points.is_empty()),
        training => figure::training(record).map(Value::from_safe_string),
        tasks => Serde(tables::tasks(record)),
        ruler => Serde(&record.ruler),
        curves => Serde(tables::ruler(record)),
        data => Serde(tables::data(record)),
        limits => limits::limits(record),
        card => tables::card(record),
        config => &record.provenance.config,
        hashes => Serde(tables::hashes(record)),
    }
}

fn line(model: &ModelRecord) -> Line<'_> {
    let verdict = model.weighing.against_teacher.map(|against| words::verdict(against.verdict));
    Line {
        name: &model.name,
        verdict: verdict.unwrap_or("undecided"),
        sentence: words::sentence(model),
    }
}

/// Coverage of the intervals, from the teacher's.
pub(crate) fn level(record: &Record) -> String {
    let teacher = record.models.iter().find(|model| model.role == ModelRole::Teacher);
    let level = teacher.or(record.models.first()).map(|m| m.weighing.overall.interval.level);
    level.map_or_else(|| "no".to_owned(), number::percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Elements without an end tag.
    const VOID: [&str; 3] = ["meta", "br", "hr"];

    /// Walks the tags and returns those left open; text must hold no stray `<`.
    fn unbalanced(page: &str) -> Vec<String> {
        let mut open: Vec<String> = Vec::new();
        for part in page.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap();
            let name: String =
                tag.trim_start_matches('/').chars().take_while(|c| c.is_alphanumeric()).collect();
            if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name.as_str()) {
                continue;
            }
            if !tag.starts_with('/') {
                open.push(name);
            } else if open.pop().as_deref() != Some(&name) {
                return vec![format!("</{name}>")];
            }
        }
        open
    }

    #[test]
    fn the_page_is_well_formed_and_whole() {
        let page = html(&fixture::record()).unwrap();
        assert_eq!(unbalanced(&page), Vec::<String>::new());
        assert_eq!(unbalanced("<p><b></p>"), ["</p>"]);
        assert_eq!(page.matches("<svg").count(), 3);
        for word in ["NaN", "inf<", "None", "undefined<", "{{", "{%"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = html(&fixture::record()).unwrap();
        for part in ["http", "<script", "<link", "<img", "@import", "url(", "src=", "href="] {
            assert!(!page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let mut record = fixture::record();
        let evil = "<script>alert('x')</script>\"&";
        record.models[1].name = evil.to_owned();
        record.models[1].steps = vec![pycno_record::ModelStep::Loaded { source: evil.to_owned() }];
        record.models[1].tasks[0].task = evil.to_owned();
        record.study.name = evil.to_owned();
        record.study.question = evil.to_owned();
        record.ruler.source = evil.to_owned();
        record.data[0].source = evil.to_owned();
        record.provenance.config = evil.to_owned();
        record.provenance.command = evil.to_owned();
        let page = html(&record).unwrap();
        assert!(!page.contains("<script"), "escaped everywhere");
        assert!(page.contains("&lt;script&gt;"));
        assert_eq!(unbalanced(&page), Vec::<String>::new());
    }

    #[test]
    fn a_bare_record_still_gives_a_page() {
        let mut record = fixture::record();
        record.ruler.curves.clear();
        record.models.truncate(1);
        record.models[0].tasks.clear();
        record.models[0].weighing.by_task.clear();
        assert_eq!(unbalanced(&html(&record).unwrap()), Vec::<String>::new());
        record.models.clear();
        record.data.clear();
        assert_eq!(unbalanced(&html(&record).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn a_tree_that_is_a_circle_ends() {
        let mut record = fixture::record();
        record.models[1].from = Some("depth-22-recovered".to_owned());
        assert!(html(&record).is_ok());
        record.models[1].from = None;
        record.models[2].name = "depth-22".to_owned();
        assert!(html(&record).is_ok());
    }
}
