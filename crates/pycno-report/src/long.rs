//! Every number of a record, unrounded, a line each.

use pycno_density::{Density, Effective, Interval};
use pycno_record::{ModelRecord, ModelRole, Record, TaskScore};
use serde::Serialize;

use crate::{ReportError, words};

/// One line of the table; its fields are the columns.
#[derive(Default, Serialize)]
struct Line<'a> {
    model: &'a str,
    role: &'static str,
    /// Empty for what is not of one task.
    task: &'a str,
    metric: &'a str,
    value: Option<f64>,
    unit: &'static str,
    stderr: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    n: Option<usize>,
    /// A word that goes with the value: an outcome, a verdict, a role.
    note: &'static str,
}

/// Renders a record as CSV in long form: model, role, task, metric, value, unit, standard error,
/// interval, items, note. A missing value is an empty cell, with the reason as its note.
///
/// # Errors
///
/// [`ReportError::Table`] or [`ReportError::Text`], which no record can cause.
pub fn csv(record: &Record) -> Result<String, ReportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in record.models.iter().flat_map(lines) {
        writer.serialize(line).map_err(|source| ReportError::Table { source })?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| ReportError::Table { source: error.into_error().into() })?;
    String::from_utf8(bytes).map_err(|source| ReportError::Text { source })
}

fn lines(model: &ModelRecord) -> Vec<Line<'_>> {
    let mut lines = sizes(model);
    for task in &model.tasks {
        lines.extend(scores(task));
        if let Some(density) = model.weighing.by_task.get(&task.task) {
            lines.extend(weights(&task.task, density));
        }
        if let Some(against) = model.weighing.by_task_against_teacher.get(&task.task) {
            lines.extend(ratio(&task.task, against));
        }
    }
    let mean = model.weighing.mean_score.percent();
    let stderr = words::mean_stderr(model);
    lines.push(Line { stderr, ..plain("", "mean_score", mean, "percent") });
    lines.extend(weights("", &model.weighing.overall));
    lines.extend(model.weighing.against_teacher.iter().flat_map(|against| ratio("", against)));
    lines.extend(training(model));
    let role = match model.role {
        ModelRole::Teacher => "teacher",
        ModelRole::Student => "student",
    };
    lines.into_iter().map(|line| Line { model: &model.name, role, ..line }).collect()
}

fn plain<'a>(task: &'a str, metric: &'a str, value: f64, unit: &'static str) -> Line<'a> {
    Line { task, metric, value: Some(value), unit, ..Line::default() }
}

fn sizes(model: &ModelRecord) -> Vec<Line<'_>> {
    let sizes = model.sizes;
    vec![
        plain("", "params_total", sizes.total.0, "parameters"),
        plain("", "params_non_embedding", sizes.non_embedding.0, "parameters"),
        plain("", "params_non_zero", sizes.non_zero.0, "parameters"),
        plain("", "layers", sizes.n_layers as f64, "layers"),
        plain("", "weights", sizes.bytes.0 as f64, "bytes"),
    ]
}

fn scores(task: &TaskScore) -> Vec<Line<'_>> {
    let line =
        |metric, value, unit| Line { n: Some(task.n), ..plain(&task.task, metric, value, unit) };
    let mut lines = Vec::new();
    if let Some(score) = task.score {
        let score = line(&task.metric, score.percent(), "percent");
        lines.push(Line { stderr: task.stderr, note: "score", ..score });
    }
    let unit = |name: &str| match name {
        "bits_known" => "bits per item",
        "bits_kept" => "bits",
        "perplexity" => "",
        _ => "percent",
    };
    lines.extend(task.also.iter().map(|(name, value)| line(name, *value, unit(name))));
    lines.push(line("gold_loss", task.gold_loss.0, "nats per token"));
    lines.push(line("gold_bits", task.gold_bits.0, "bits per byte"));
    lines.push(line("items_available", task.n_available as f64, "items"));
    lines
}

fn weights<'a>(task: &'a str, density: &Density) -> Vec<Line<'a>> {
    let note = density.effective.name();
    let size = density.effective.params().map(|params| params.0);
    let mut lines = vec![
        Line {
            task,
            metric: "effective_params",
            value: size,
            unit: "parameters",
            note,
            ..Line::default()
        },
        Line { note, ..ranged(task, "density", density.density, &density.interval) },
    ];
    lines.extend(density.over_runs.map(|of| ranged(task, "density_over_runs", None, &of)));
    if let Effective::Extrapolated { factor, .. } = density.effective {
        lines.push(plain(task, "extrapolation_factor", factor, "ratio"));
    }
    lines.extend(density.sensitivity.map(|by| plain(task, "sensitivity", by, "per percent point")));
    lines.push(plain(task, "density_undefined_draws", density.interval.undefined, "share"));
    lines
}

fn ratio<'a>(task: &'a str, against: &pycno_density::Comparison) -> Vec<Line<'a>> {
    let note = words::verdict(against.verdict);
    let one = ranged(task, "density_ratio_to_teacher", against.ratio, &against.interval);
    let over_runs = |of| ranged(task, "density_ratio_to_teacher_over_runs", None, &of);
    let mut lines = vec![Line { note, ..one }];
    lines.extend(against.over_runs.map(over_runs));
    lines
}

fn ranged<'a>(task: &'a str, metric: &'a str, value: Option<f64>, range: &Interval) -> Line<'a> {
    Line { task, metric, value, unit: "ratio", low: range.low, high: range.high, ..Line::default() }
}

fn training(model: &ModelRecord) -> Vec<Line<'_>> {
    let Some(training) = &model.training else { return Vec::new() };
    let tokens = plain("", "training_tokens", training.tokens.0 as f64, "tokens");
    let last =
        training.steps.last().map(|step| plain("", "training_loss", step.loss, "nats per token"));
    std::iter::once(tokens).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn csv_of_the_made_up_study() {
        insta::assert_snapshot!(csv(&fixture::record()).unwrap());
    }

    #[test]
    fn a_comma_in_a_name_is_quoted_and_equal_records_are_equal_bytes() {
        let mut record = fixture::record();
        record.models[0].name = "a, \"b\"".to_owned();
        let text = csv(&record).unwrap();
        assert!(text.contains("\n\"a, \"\"b\"\"\",teacher,"), "{text}");
        let (one, two) = (crate::render(&record).unwrap(), crate::render(&record.clone()).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.csv, text);
    }
}
