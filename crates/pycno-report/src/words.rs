//! What the numbers say, in sentences.

use pycno_density::{Comparison, Effective, Verdict};
use pycno_record::{ModelRecord, ModelRole, Record};

use crate::number::{self, TIMES};

/// A model without a parent is compared with this one.
pub(crate) fn teacher(record: &Record) -> Option<&ModelRecord> {
    record.models.iter().find(|model| model.role == ModelRole::Teacher)
}

/// Students in the study's order.
pub(crate) fn students(record: &Record) -> impl Iterator<Item = &ModelRecord> {
    record.models.iter().filter(|model| model.role == ModelRole::Student)
}

/// The model a student was made from: the one it names, else the teacher; none for a model from scratch.
pub(crate) fn parent<'a>(record: &'a Record, model: &ModelRecord) -> Option<&'a ModelRecord> {
    match &model.from {
        Some(name) => record.models.iter().find(|other| other.name == *name),
        None if model.role == ModelRole::Student && !model.is_from_scratch() => teacher(record),
        None => None,
    }
}

/// How a model was made, in one cell.
pub(crate) fn steps(model: &ModelRecord) -> String {
    model.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Standard error of a model's mean score in percent points, its tasks taken as independent; `None`
/// if a scored task lacks one.
pub(crate) fn mean_stderr(model: &ModelRecord) -> Option<f64> {
    let scored = model.tasks.iter().filter(|task| weighed(model, &task.task));
    let errors: Vec<_> = scored.map(|task| task.stderr).collect::<Option<_>>()?;
    let sum: f64 = errors.iter().map(|error| error * error).sum();
    (!errors.is_empty()).then(|| sum.sqrt() / errors.len() as f64)
}

/// Whether a task counts towards the mean score: the ruler has a curve for it.
pub(crate) fn weighed(model: &ModelRecord, task: &str) -> bool {
    model.weighing.by_task.contains_key(task)
}

/// A verdict's word.
pub(crate) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Raised => "raised",
        Verdict::Lowered => "lowered",
        Verdict::Undecided => "undecided",
    }
}

/// One sentence on how many students kept, raised or lowered density.
pub(crate) fn headline(record: &Record) -> String {
    let verdicts: Vec<_> =
        students(record).filter_map(|m| m.weighing.against_teacher.map(|c| c.verdict)).collect();
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let (raised, lowered) = (count(Verdict::Raised), count(Verdict::Lowered));
    let all = verdicts.len();
    let students = if all == 1 { "the student".to_owned() } else { format!("all {all} students") };
    match (raised, lowered) {
        _ if all == 0 => "No student was compared with the teacher.".to_owned(),
        (_, n) if n == all => format!("Compression lowered capacity density in {students}."),
        (n, _) if n == all => format!("Compression raised capacity density in {students}."),
        (0, 0) => format!("The measurement does not decide for {students}."),
        _ => format!("Of {all} students: {}.", tally(raised, lowered, all - raised - lowered)),
    }
}

fn tally(raised: usize, lowered: usize, undecided: usize) -> String {
    [(raised, "raised density"), (lowered, "lowered it"), (undecided, "undecided")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
        .replace("lowered it", if raised == 0 { "lowered density" } else { "lowered it" })
}

/// One sentence a branch of the tree: what compression did, and what each later stage made of it.
pub(crate) fn branches(record: &Record) -> Vec<String> {
    students(record)
        .filter(|model| model.from.is_none())
        .map(|root| {
            let mut sentence = format!("{}: {}", root.name, root_clause(root));
            follow(record, root, record.models.len(), &mut sentence);
            sentence.push('.');
            sentence
        })
        .collect()
}

/// Appends every descendant of `model`; `depth` bounds a record whose tree is a circle.
fn follow(record: &Record, model: &ModelRecord, depth: usize, sentence: &mut String) {
    let children = students(record).filter(|child| child.from.as_ref() == Some(&model.name));
    for child in children.take(depth) {
        sentence.extend(["; after ", child.name.as_str(), ", ", figure(child).as_str()]);
        follow(record, child, depth / 2, sentence);
    }
}

fn root_clause(model: &ModelRecord) -> String {
    let Some(against) = &model.weighing.against_teacher else {
        return "not compared with the teacher".to_owned();
    };
    let does = match against.verdict {
        Verdict::Raised => "density raised to",
        Verdict::Lowered => "density lowered to",
        Verdict::Undecided => "undecided,",
    };
    format!("{does} {}", figure(model))
}

/// `0.21 x the teacher's [0.15, 0.30]`, or why there is no such figure.
fn figure(model: &ModelRecord) -> String {
    let Some(against) = &model.weighing.against_teacher else {
        return "not compared with the teacher".to_owned();
    };
    let range = number::interval(&against.interval);
    match (against.ratio, against.interval.high) {
        (Some(ratio), _) => format!("{} {TIMES} the teacher's {range}", number::ratio(ratio)),
        (None, Some(high)) => {
            format!("below {} {TIMES} the teacher's ({})", number::ratio(high), absence(model))
        }
        (None, None) => format!("no figure ({})", absence(model)),
    }
}

fn absence(model: &ModelRecord) -> &'static str {
    match model.weighing.overall.effective {
        Effective::BelowFloor { .. } => "at or below chance on this ruler: no size",
        Effective::AboveCeiling { .. } => "above the ruler's ceiling: no size",
        Effective::BeyondReference { .. } => "better than any reference model: no size",
        Effective::Inside { .. } | Effective::Extrapolated { .. } => "the teacher has no size",
    }
}

/// Whether run-to-run variance was drawn: records from before that lack the prediction intervals over runs.
pub(crate) fn has_run_intervals(record: &Record) -> bool {
    record.models.iter().any(|model| model.weighing.overall.over_runs.is_some())
}

/// What the prediction intervals over runs are, where a record has them.
pub(crate) fn run_note(record: &Record) -> Option<&'static str> {
    has_run_intervals(record).then_some(
        "They are those of these very models, each one run. Prediction intervals over runs also hold run-to-run variance, \
         as large as reference models scatter about the ruler's laws: what the recipe gives on average, from this same teacher.",
    )
}

/// A student's verdict as a full sentence.
pub(crate) fn sentence(model: &ModelRecord) -> String {
    let Some(against) = &model.weighing.against_teacher else {
        return "Not compared with the teacher.".to_owned();
    };
    let level = number::percent(against.interval.level);
    let size = size_clause(model);
    let range = number::interval(&against.interval);
    let range = match (against.interval.low, against.interval.high) {
        (None, None) => format!(" {range}"),
        _ => format!(", {level} interval {range}"),
    };
    match against.ratio {
        Some(ratio) => {
            format!("{} {TIMES} the teacher's density{range}{size}.", number::ratio(ratio))
        }
        None => format!("No ratio{size}{}.", bound(against, &level)),
    }
}

/// What the draws still say where there is no ratio.
fn bound(against: &Comparison, level: &str) -> String {
    match (against.interval.low, against.interval.high) {
        (_, Some(high)) => {
            format!("; upper end of the {level} interval: {} {TIMES}", number::ratio(high))
        }
        (Some(low), None) => {
            format!("; lower end of the {level} interval: {} {TIMES}", number::ratio(low))
        }
        (None, None) => String::new(),
    }
}

fn size_clause(model: &ModelRecord) -> String {
    let score = model.weighing.mean_score.percent();
    match model.weighing.overall.effective {
        Effective::Inside { .. } => String::new(),
        Effective::Extrapolated { factor, .. } => {
            format!("; its size is extrapolated {} the reference models", number::beyond(factor))
        }
        Effective::BelowFloor { floor } => format!(
            ": at or below chance on this ruler (mean score {score:.1}, floor {:.1}), so it has no \
             effective size",
            floor.percent()
        ),
        Effective::AboveCeiling { ceiling } => format!(
            ": above the ruler's ceiling (mean score {score:.1}, ceiling {:.1}), so it has no \
             effective size",
            ceiling.percent()
        ),
        Effective::BeyondReference { limit } => format!(
            ": better than a reference model of any size (mean score {score:.1}, limit {:.1}), so \
             it has no effective size",
            limit.percent()
        ),
    }
}

/// A model's flags, short: what a reader must know before quoting its density.
pub(crate) fn flags(model: &ModelRecord) -> Vec<String> {
    let mut flags = Vec::new();
    match model.weighing.overall.effective {
        Effective::Inside { .. } => {}
        Effective::Extrapolated { factor, .. } => {
            flags.push(format!("Extrapolated {}", number::beyond(factor)));
        }
        Effective::BelowFloor { .. } => flags.push("BelowFloor".to_owned()),
        Effective::AboveCeiling { .. } => flags.push("AboveCeiling".to_owned()),
        Effective::BeyondReference { .. } => flags.push("BeyondReference".to_owned()),
    }
    let limited = model.tasks.iter().filter(|task| task.n < task.n_available);
    flags.extend(limited.map(|task| {
        format!(
            "{}: {} of {} items",
            task.task,
            number::count(task.n),
            number::count(task.n_available)
        )
    }));
    flags
}

/// Mean over a model's tasks of the right answer's loss, nats per token.
pub(crate) fn mean_gold_loss(model: &ModelRecord) -> Option<f64> {
    let sum: f64 = model.tasks.iter().map(|task| task.gold_loss.0).sum();
    (!model.tasks.is_empty()).then(|| sum / model.tasks.len() as f64)
}
