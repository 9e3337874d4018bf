//! Density with its interval, a row per model.

use pycno_density::Effective;
use pycno_record::{ModelRecord, ModelRole, Record};

use super::{
    WIDTH,
    canvas::{Anchor, Canvas, Point, at},
    color,
    label::{CHAR, fit},
    scale::{Kind, Scale},
};
use crate::{number, words};

const ROW: f64 = 34.0;
const TOP: f64 = 34.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 610.0;
const DENSITY_COLUMN: f64 = 640.0;
const RATIO_COLUMN: f64 = 825.0;
const BOTTOM: f64 = 46.0;

/// Draws the densities of a record's models on a log axis, beside their figures.
///
/// A filled mark is a size within the reference models' reach, a hollow one is extrapolated, and a
/// model without a size has its interval's known end or a word. Open ends are arrows.
pub(crate) fn forest(record: &Record) -> String {
    let height = TOP + ROW * record.models.len() as f64 + BOTTOM;
    let floor = height - BOTTOM;
    let mut canvas = Canvas::new(WIDTH, height);
    let axis = Scale::over(Kind::Log, record.models.iter().flat_map(values), 0.08, [LEFT, RIGHT]);
    headings(&mut canvas);
    if let Some(axis) = &axis {
        draw_axis(&mut canvas, axis, floor);
        teacher_line(&mut canvas, record, axis, floor);
    }
    for (idx, model) in record.models.iter().enumerate() {
        let y = TOP + ROW * (idx as f64 + 0.5);
        figures(&mut canvas, model, y);
        canvas.group(&color(record, &model.name), |canvas| mark(canvas, model, axis.as_ref(), y));
    }
    canvas.finish("Density of every model with its interval, on a log axis")
}

fn values(model: &ModelRecord) -> Vec<f64> {
    let overall = &model.weighing.overall;
    [overall.density, overall.interval.low, overall.interval.high].into_iter().flatten().collect()
}

fn headings(canvas: &mut Canvas) {
    canvas.text("axis", at(DENSITY_COLUMN, TOP - 14.0), Anchor::Start, "density");
    canvas.text("axis", at(RATIO_COLUMN, TOP - 14.0), Anchor::Start, "ratio to teacher");
}

fn draw_axis(canvas: &mut Canvas, axis: &Scale, floor: f64) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        canvas.line("grid", at(x, TOP), at(x, floor));
        canvas.text("tick", at(x, floor + 18.0), Anchor::Middle, &number::trimmed(tick));
    }
    canvas.line("frame", at(LEFT, floor), at(RIGHT, floor));
    let middle = f64::midpoint(LEFT, RIGHT);
    let title = "density = effective size / non-embedding parameters (log scale)";
    canvas.text("axis", at(middle, floor + 38.0), Anchor::Middle, title);
}

fn teacher_line(canvas: &mut Canvas, record: &Record, axis: &Scale, floor: f64) {
    if let Some(density) = words::teacher(record).and_then(|t| t.weighing.overall.density) {
        let x = axis.at(density);
        canvas.line("dashed", at(x, TOP - 4.0), at(x, floor));
        canvas.text("tick", at(x, TOP - 10.0), Anchor::Middle, "teacher");
    }
}

fn figures(canvas: &mut Canvas, model: &ModelRecord, y: f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small constant")]
    let room = ((LEFT - 20.0) / CHAR) as usize;
    let name = fit(&model.name, room);
    canvas.text("name", at(LEFT - 16.0, y + 4.5), Anchor::End, &name);
    let density = number::density(&model.weighing.overall);
    canvas.text("num", at(DENSITY_COLUMN, y + 4.5), Anchor::Start, &density);
    if let Some(against) = &model.weighing.against_teacher {
        let ratio = number::comparison(against);
        canvas.text("num", at(RATIO_COLUMN, y + 4.5), Anchor::Start, &ratio);
    }
}

fn mark(canvas: &mut Canvas, model: &ModelRecord, axis: Option<&Scale>, y: f64) {
    let overall = &model.weighing.overall;
    let bounds = (overall.interval.low, overall.interval.high);
    if let Some(axis) = axis {
        whisker(canvas, axis, (overall.density, bounds), y);
    }
    if let (Some(density), Some(axis)) = (overall.density, axis) {
        let hollow = matches!(overall.effective, Effective::Extrapolated { .. });
        point(canvas, at(axis.at(density), y), hollow, model.role == ModelRole::Teacher);
    } else {
        let x = bounds.1.zip(axis).map_or(LEFT + 12.0, |(high, axis)| axis.at(high) + 12.0);
        let why = number::effective(&overall.effective);
        canvas.text("word", at(x, y + 4.5), Anchor::Start, &why);
    }
}

fn point(canvas: &mut Canvas, center: Point, hollow: bool, is_teacher: bool) {
    let class = if hollow { "ring" } else { "dot" };
    if is_teacher { canvas.diamond(class, center, 7.0) } else { canvas.circle(class, center, 5.5) }
}

/// The interval: caps at known ends, arrows to the frame at open ones.
fn whisker(
    canvas: &mut Canvas,
    axis: &Scale,
    (value, (low, high)): (Option<f64>, (Option<f64>, Option<f64>)),
    y: f64,
) {
    let Some(from) = value.or(high).or(low).map(|anchor| at(axis.at(anchor), y)) else {
        return;
    };
    for (end, open) in [(low, LEFT + 2.0), (high, RIGHT - 2.0)] {
        match end {
            Some(end) => {
                let x = axis.at(end);
                canvas.line("bar", from, at(x, y));
                canvas.line("bar", at(x, y - 5.0), at(x, y + 5.0));
            }
            None => canvas.arrow(from, at(open, y)),
        }
    }
}
