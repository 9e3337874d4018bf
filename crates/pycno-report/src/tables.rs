//! The report's tables, as text; the HTML page and the Markdown print the same ones.

use pycno_density::Interval;
use pycno_record::{ModelRecord, ModelRole, Provenance, Record, TaskScore};
use serde::Serialize;

use crate::{
    number::{self, NONE},
    words,
};

/// Students beside the teacher in one table; more go into another.
const STUDENTS: usize = 5;

/// A table of text.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Table {
    /// A sentence above it, or nothing.
    pub(crate) caption: String,
    /// Column headings; the first is that of the labels.
    pub(crate) head: Vec<String>,
    /// Rows in order.
    pub(crate) rows: Vec<Row>,
}

/// A row: its label and a cell a column.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What `class` the page gives it: `group`, `verdict`, `strong`, `words` or none.
    pub(crate) class: &'static str,
    /// First column.
    pub(crate) label: String,
    /// The others; none for a `group` heading.
    pub(crate) cells: Vec<String>,
}

impl Row {
    fn new(class: &'static str, label: &str, cells: Vec<String>) -> Self {
        Self { class, label: label.to_owned(), cells }
    }
}

fn texts<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Before and after: a column a model, the teacher first; a table for every few students.
pub(crate) fn comparison(record: &Record) -> Vec<Table> {
    let students: Vec<_> = words::students(record).collect();
    let blocks = students.chunks(STUDENTS).map(<[_]>::to_vec);
    let blocks = if students.is_empty() { vec![Vec::new()] } else { blocks.collect() };
    blocks
        .into_iter()
        .map(|block| {
            let models: Vec<_> = words::teacher(record).into_iter().chain(block).collect();
            let heads = models.iter().map(|model| match model.role {
                ModelRole::Teacher => format!("{} (teacher)", model.name),
                ModelRole::Student => model.name.clone(),
            });
            Table {
                caption: String::new(),
                head: std::iter::once(String::new()).chain(heads).collect(),
                rows: comparison_rows(record, &models),
            }
        })
        .collect()
}

fn comparison_rows(record: &Record, models: &[&ModelRecord]) -> Vec<Row> {
    let row = |class, label: &str, cell: &dyn Fn(&ModelRecord) -> String| {
        Row::new(class, label, models.iter().map(|model| cell(model)).collect())
    };
    let group = |label| Row::new("group", label, Vec::new());
    let mut rows = vec![
        group("How it was made"),
        row("", "made from", &|m| name_of(words::parent(record, m))),
        row("words", "how", &|m| words::steps(m)),
        row("words", "training", &training),
        group("Size"),
    ];
    rows.extend(size_rows(record, &row));
    rows.push(group("Scores, percent \u{b1} standard error"));
    for task in task_names(record) {
        rows.push(row("", &task, &|m| score_of(m, &task)));
    }
    rows.extend(score_rows(record, &row));
    rows.extend(knowledge_rows(record, &row));
    rows.push(group("Capacity density"));
    rows.extend([
        row("", "effective size", &|m| number::effective(&m.weighing.overall.effective)),
        row("strong", "density [interval]", &|m| number::density(&m.weighing.overall)),
        row("strong", "ratio to teacher [interval]", &ratio),
        row("verdict", "verdict", &verdict),
    ]);
    rows.extend(run_rows(record, &row));
    rows.push(row("words", "flags", &|m| or_dash(words::flags(m).join("; "))));
    rows
}

/// The prediction intervals over runs, where the record has them.
fn run_rows(record: &Record, row: &RowMaker<'_>) -> Vec<Row> {
    if !words::has_run_intervals(record) {
        return Vec::new();
    }
    let shown =
        |of: Option<Interval>| of.map_or_else(|| NONE.to_owned(), |of| number::interval(&of));
    vec![
        row("", "density over runs", &|m| shown(m.weighing.overall.over_runs)),
        row("", "ratio over runs", &|m| {
            shown(m.weighing.against_teacher.and_then(|against| against.over_runs))
        }),
    ]
}

/// Makes a row from a class, a label and a function of the model.
type RowMaker<'a> = dyn Fn(&'static str, &str, &dyn Fn(&ModelRecord) -> String) -> Row + 'a;

fn size_rows(record: &Record, row: &RowMaker<'_>) -> Vec<Row> {
    let whole = words::teacher(record).map(|teacher| teacher.sizes);
    let non_embedding = |m: &ModelRecord| match (m.role, whole) {
        (ModelRole::Student, Some(whole)) => {
            let share = number::share(m.sizes.non_embedding, whole.non_embedding);
            format!("{} ({share})", m.sizes.non_embedding)
        }
        _ => m.sizes.non_embedding.to_string(),
    };
    vec![
        row("", "layers", &|m| m.sizes.n_layers.to_string()),
        row("", "parameters, total", &|m| m.sizes.total.to_string()),
        row("", "parameters, non-embedding", &non_embedding),
        row("", "of these non-zero", &|m| m.sizes.non_zero.to_string()),
        row("", "weights on disk", &|m| m.sizes.bytes.to_string()),
    ]
}

fn score_rows(record: &Record, row: &RowMaker<'_>) -> Vec<Row> {
    let teacher = words::teacher(record).map(|teacher| teacher.weighing.mean_score.percent());
    let difference = |m: &ModelRecord| match (m.role, teacher) {
        (ModelRole::Student, Some(teacher)) => {
            number::points(m.weighing.mean_score.percent() - teacher)
        }
        _ => NONE.to_owned(),
    };
    vec![
        row("strong", "mean score (density's input)", &|m| {
            number::score(Some(m.weighing.mean_score), words::mean_stderr(m))
        }),
        row("", "difference to teacher, points", &difference),
        row("", "gold-answer loss, nats per token", &|m| {
            words::mean_gold_loss(m).map_or_else(|| NONE.to_owned(), number::loss)
        }),
    ]
}

/// Facts kept for each parameter, task by task that measures them (Allen-Zhu and Li 2024,
/// [arXiv:2404.05405](https://arxiv.org/abs/2404.05405)): a density that needs no ruler.
fn knowledge_rows(record: &Record, row: &RowMaker<'_>) -> Vec<Row> {
    let kept = |m: &ModelRecord, task: &str| task_of(m, task)?.also.get("bits_kept").copied();
    let measured = |task: &String| record.models.iter().any(|m| kept(m, task).is_some());
    let cell = |task: String| {
        row("", &format!("bits of {task} kept per parameter"), &|m| {
            let bits = kept(m, &task).map(|bits| bits / m.sizes.non_embedding.0);
            bits.map_or_else(|| NONE.to_owned(), number::ratio)
        })
    };
    task_names(record).into_iter().filter(measured).map(cell).collect()
}

/// A table a task: what every model scored and weighs on it alone.
pub(crate) fn tasks(record: &Record) -> Vec<Table> {
    task_names(record)
        .into_iter()
        .map(|task| {
            let rows = record.models.iter().filter_map(|model| {
                let score = task_of(model, &task)?;
                Some(Row::new("task", &model.name, task_cells(record, model, score)))
            });
            Table { caption: task_caption(record, &task), head: task_head(), rows: rows.collect() }
        })
        .collect()
}

fn task_head() -> Vec<String> {
    texts([
        "",
        "score",
        "points to teacher",
        "gold loss",
        "bits per byte",
        "effective size",
        "density [interval]",
        "ratio [interval]",
        "verdict",
    ])
}

fn task_caption(record: &Record, task: &str) -> String {
    let Some(first) = record.models.iter().find_map(|model| task_of(model, task)) else {
        return task.to_owned();
    };
    let items = format!("{} of {}", number::count(first.n), number::count(first.n_available));
    let floor = record.ruler.curves.get(task).map_or_else(
        || "not on the ruler".to_owned(),
        |curve| format!("ruler's floor {:.1}", curve.floor.percent()),
    );
    format!("{task}, version {}: {}, {items} items, {floor}", first.version, first.metric)
}

fn task_cells(record: &Record, model: &ModelRecord, score: &TaskScore) -> Vec<String> {
    let density = model.weighing.by_task.get(&score.task);
    let against = model.weighing.by_task_against_teacher.get(&score.task);
    let teacher = words::teacher(record).filter(|_| model.role == ModelRole::Student);
    let teacher = teacher.and_then(|teacher| task_of(teacher, &score.task)?.score);
    let difference = score.score.zip(teacher).map(|(own, other)| own.percent() - other.percent());
    let also = score.also.iter().map(|(name, value)| format!(" ({name} {value:.1})"));
    let dash = || NONE.to_owned();
    vec![
        number::score(score.score, score.stderr) + &also.collect::<String>(),
        difference.map_or_else(dash, number::points),
        number::loss(score.gold_loss.0),
        number::loss(score.gold_bits.0),
        density.map_or_else(dash, |density| number::effective(&density.effective)),
        density.map_or_else(dash, number::density),
        against.map_or_else(dash, number::comparison),
        against.map_or_else(dash, |against| words::verdict(against.verdict).to_owned()),
    ]
}

/// The ruler's curves.
pub(crate) fn ruler(record: &Record) -> Table {
    let rows = record.ruler.curves.iter().map(|(name, curve)| {
        let sizes = curve.points.iter().map(|(size, _)| *size);
        let (least, most) =
            (sizes.clone().reduce(pick(|a, b| a < b)), sizes.reduce(pick(|a, b| a > b)));
        let range = least
            .zip(most)
            .map_or_else(|| NONE.to_owned(), |(least, most)| format!("{least} to {most}"));
        let cells = vec![
            curve.points.len().to_string(),
            range,
            format!("{:.1}", curve.floor.percent()),
            format!("{:.1}", curve.ceiling.percent()),
            format!("{:.2}", curve.residual),
        ];
        Row::new("", name, cells)
    });
    Table {
        caption: String::new(),
        head: texts([
            "curve",
            "reference models",
            "non-embedding parameters",
            "floor",
            "ceiling",
            "residual, points",
        ]),
        rows: rows.collect(),
    }
}

fn pick<T: Copy>(first: impl Fn(T, T) -> bool) -> impl Fn(T, T) -> T {
    move |a, b| if first(a, b) { a } else { b }
}

/// Texts read.
pub(crate) fn data(record: &Record) -> Table {
    let rows = record.data.iter().map(|part| {
        let cells = vec![
            part.source.clone(),
            number::count(part.count),
            part.tokens.map_or_else(|| NONE.to_owned(), |tokens| tokens.to_string()),
            part.sha256.clone(),
        ];
        Row::new("hash", &part.role, cells)
    });
    Table {
        caption: String::new(),
        head: texts(["use", "source", "sequences or items", "tokens", "SHA-256"]),
        rows: rows.collect(),
    }
}

/// What to hold the models and their answers against.
pub(crate) fn hashes(record: &Record) -> Table {
    let rows = record.models.iter().flat_map(|model| {
        let weights = ["weights".to_owned(), model.weights_hash.clone(), NONE.to_owned()];
        let tasks = model
            .tasks
            .iter()
            .map(|task| [task.task.clone(), task.items_hash.clone(), task.prompts_hash.clone()]);
        std::iter::once(weights)
            .chain(tasks)
            .map(|cells| Row::new("hash", &model.name, cells.to_vec()))
    });
    Table {
        caption: String::new(),
        head: texts(["model", "of", "weights or per-item results", "prompts"]),
        rows: rows.collect(),
    }
}

/// What it takes to run the study again.
pub(crate) fn card(record: &Record) -> Vec<(String, String)> {
    let from = &record.provenance;
    let tree = if from.dirty { " (with uncommitted changes)" } else { " (clean tree)" };
    [
        ("pycno", from.pycno.clone()),
        ("commit", format!("{}{tree}", from.commit)),
        ("Burn", from.burn.clone()),
        ("device", from.device.clone()),
        ("computed in", numerics(from)),
        ("seed", record.study.seed.0.to_string()),
        ("study hash", from.config_hash.clone()),
        ("record format", record.format.to_string()),
        ("command", from.command.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

/// What the bits of the results depend on beside the device's kind.
fn numerics(from: &Provenance) -> String {
    match &from.gpu {
        Some(gpu) => format!("{} on {gpu}", from.dtype),
        None => format!("{} with {}", from.dtype, from.vector_extension),
    }
}

/// Names of all tasks, in the order they first come up.
pub(crate) fn task_names(record: &Record) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for task in record.models.iter().flat_map(|model| &model.tasks) {
        if !names.contains(&task.task) {
            names.push(task.task.clone());
        }
    }
    names
}

fn task_of<'a>(model: &'a ModelRecord, task: &str) -> Option<&'a TaskScore> {
    model.tasks.iter().find(|score| score.task == task)
}

/// A task without a score has a loss all the same.
fn score_of(model: &ModelRecord, task: &str) -> String {
    task_of(model, task).map_or_else(
        || NONE.to_owned(),
        |task| match task.score {
            Some(score) => number::score(Some(score), task.stderr),
            None => format!("{} bits/byte", number::loss(task.gold_bits.0)),
        },
    )
}

fn name_of(model: Option<&ModelRecord>) -> String {
    model.map_or_else(|| NONE.to_owned(), |model| model.name.clone())
}

fn or_dash(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

fn ratio(model: &ModelRecord) -> String {
    model.weighing.against_teacher.as_ref().map_or_else(|| NONE.to_owned(), number::comparison)
}

fn verdict(model: &ModelRecord) -> String {
    let against = model.weighing.against_teacher;
    against.map_or_else(|| NONE.to_owned(), |against| words::verdict(against.verdict).to_owned())
}

fn training(model: &ModelRecord) -> String {
    let Some(training) = &model.training else { return NONE.to_owned() };
    let ends = training.steps.first().zip(training.steps.last()).map_or_else(
        String::new,
        |(first, last)| {
            let (first, last) = (number::loss(first.loss), number::loss(last.loss));
            format!(", loss {first} to {last}")
        },
    );
    format!("{}, {} tokens{ends}", training.objective, training.tokens)
}

#[cfg(test)]
mod tests {
    use pycno_record::ModelStep;

    use super::*;
    use crate::fixture;

    fn knowledge(record: &Record) -> Vec<Row> {
        let rows = comparison(record).into_iter().flat_map(|table| table.rows);
        rows.filter(|row| row.label.contains("kept per parameter")).collect()
    }

    #[test]
    fn a_model_from_scratch_was_made_from_no_other() {
        let mut record = fixture::record();
        let made_from = |record: &Record| -> Vec<String> {
            let rows = comparison(record).into_iter().flat_map(|table| table.rows);
            let rows = rows.filter(|row| row.label == "made from");
            rows.flat_map(|row| row.cells.into_iter().skip(1)).collect()
        };
        assert!(!made_from(&record).contains(&NONE.to_owned()));
        let shape_of = "other".to_owned();
        record.models[1].steps = vec![ModelStep::FromScratch { shape_of, seed: None }];
        assert_eq!(made_from(&record)[0], NONE);
    }

    #[test]
    fn facts_kept_are_told_for_each_parameter_where_they_were_measured() {
        let mut record = fixture::record();
        assert_eq!(knowledge(&record), []);
        let teacher = &mut record.models[0];
        let size = teacher.sizes.non_embedding.0;
        teacher.tasks[0].also.insert("bits_kept".to_owned(), 0.5 * size);
        let task = teacher.tasks[0].task.clone();
        let rows = knowledge(&record);
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row.label, format!("bits of {task} kept per parameter"));
            assert_eq!(row.cells[0], "0.50");
            assert!(row.cells[1..].iter().all(|cell| cell == NONE), "{row:?}");
        }
    }
}
