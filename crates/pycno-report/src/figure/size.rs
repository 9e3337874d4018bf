//! Mean score against size, over the ruler's curve: where density is read off.

use pycno_record::{ModelRecord, ModelRole, Record, RulerCurve};
use pycno_units::ParamCount;

use super::{
    WIDTH,
    canvas::{Anchor, Canvas, Point, at},
    color,
    label::{self, Area},
    scale::{Kind, Scale},
};
use crate::{number, words};

const HEIGHT: f64 = 480.0;
const FRAME: Area = Area { left: 64.0, top: 16.0, right: 984.0, bottom: 424.0 };

/// Both axes of the figure.
struct Axes {
    x: Scale,
    y: Scale,
}

impl Axes {
    /// Room for models, their effective sizes and the reference models.
    fn new(record: &Record, curve: Option<&RulerCurve>) -> Option<Self> {
        let points = || curve.into_iter().flat_map(|curve| &curve.points);
        let sizes = record.models.iter().flat_map(|model| {
            let effective = model.weighing.overall.effective.params();
            [Some(model.sizes.non_embedding), effective].into_iter().flatten()
        });
        let sizes = sizes.chain(points().map(|(size, _)| *size)).map(|size| size.0);
        let scores = record.models.iter().flat_map(|model| {
            let score = model.weighing.mean_score.percent();
            let bar = words::mean_stderr(model).unwrap_or(0.0);
            [score - bar, score + bar]
        });
        let floor = curve.map(|curve| curve.floor.percent());
        let scores = scores.chain(points().map(|(_, score)| score.percent())).chain(floor);
        Some(Self {
            x: Scale::over(Kind::Log, sizes, 0.06, [FRAME.left, FRAME.right])?,
            y: Scale::over(Kind::Linear, scores, 0.08, [FRAME.bottom, FRAME.top])?,
        })
    }

    fn at(&self, size: ParamCount, score: f64) -> Point {
        at(self.x.at(size.0), self.y.at(score))
    }

    fn model(&self, model: &ModelRecord) -> Point {
        self.at(model.sizes.non_embedding, model.weighing.mean_score.percent())
    }
}

/// Draws the ruler's reference models and law, and the weighed models with arrows from what each
/// was made from; a dotted line joins a model to its effective size.
pub(crate) fn score_against_size(record: &Record) -> String {
    let curve = record.ruler.curves.get("mean");
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    if let Some(axes) = Axes::new(record, curve) {
        draw_axes(&mut canvas, &axes);
        if let Some(curve) = curve {
            draw_ruler(&mut canvas, &axes, curve);
        }
        draw_models(&mut canvas, record, &axes);
    }
    canvas.finish("Mean score against non-embedding parameters, with the ruler's fitted curve")
}

fn draw_axes(canvas: &mut Canvas, axes: &Axes) {
    for tick in axes.y.ticks() {
        let y = axes.y.at(tick);
        canvas.line("grid", at(FRAME.left, y), at(FRAME.right, y));
        canvas.text("tick", at(FRAME.left - 8.0, y + 4.0), Anchor::End, &number::trimmed(tick));
    }
    for tick in axes.x.ticks() {
        let x = axes.x.at(tick);
        canvas.line("grid", at(x, FRAME.top), at(x, FRAME.bottom));
        let text = number::short_size(tick);
        canvas.text("tick", at(x, FRAME.bottom + 19.0), Anchor::Middle, &text);
    }
    canvas.line("frame", at(FRAME.left, FRAME.bottom), at(FRAME.right, FRAME.bottom));
    let middle = at(f64::midpoint(FRAME.left, FRAME.right), FRAME.bottom + 42.0);
    canvas.text("axis", middle, Anchor::Middle, "non-embedding parameters (log scale)");
    canvas.text_up("axis", at(18.0, f64::midpoint(FRAME.top, FRAME.bottom)), "mean score, percent");
}

fn draw_ruler(canvas: &mut Canvas, axes: &Axes, curve: &RulerCurve) {
    let inside = |(size, score): &&(ParamCount, pycno_units::Score)| {
        axes.x.holds(size.0) && axes.y.holds(score.percent())
    };
    let law: Vec<_> = curve
        .law
        .iter()
        .filter(inside)
        .map(|(size, score)| axes.at(*size, score.percent()))
        .collect();
    canvas.path("law", &law);
    for (size, score) in &curve.points {
        canvas.circle("ref", axes.at(*size, score.percent()), 4.0);
    }
    let y = axes.y.at(curve.floor.percent());
    canvas.line("dashed", at(FRAME.left, y), at(FRAME.right, y));
    canvas.text("tick", at(FRAME.right - 4.0, y + 16.0), Anchor::End, "the ruler's floor (chance)");
}

fn draw_models(canvas: &mut Canvas, record: &Record, axes: &Axes) {
    for model in &record.models {
        canvas.group(&color(record, &model.name), |canvas| {
            reading(canvas, axes, model);
            if let Some(parent) = words::parent(record, model) {
                trimmed_arrow(canvas, axes.model(parent), axes.model(model));
            }
        });
    }
    let mut taken: Vec<_> =
        record.models.iter().flat_map(|model| occupied(record, axes, model)).collect();
    for model in &record.models {
        let center = axes.model(model);
        let text = label::fit(&model.name, 34);
        let placed = label::place(&text, center, &mut taken, &FRAME);
        canvas.group(&color(record, &model.name), |canvas| {
            match model.role {
                ModelRole::Teacher => canvas.diamond("dot", center, 8.0),
                ModelRole::Student => canvas.circle("dot", center, 6.0),
            }
            canvas.text("label", placed.point, placed.anchor, &text);
        });
    }
}

/// One standard error up and down, and the dotted way to the effective size.
fn reading(canvas: &mut Canvas, axes: &Axes, model: &ModelRecord) {
    let center = axes.model(model);
    let score = model.weighing.mean_score.percent();
    if let Some(stderr) = words::mean_stderr(model) {
        let ends = [score - stderr, score + stderr].map(|end| at(center.x, axes.y.at(end)));
        canvas.line("thin", ends[0], ends[1]);
    }
    if let Some(params) = model.weighing.overall.effective.params() {
        let end = axes.at(params, score);
        canvas.line("dots", center, end);
        canvas.line("thin", at(end.x, end.y - 5.0), at(end.x, end.y + 5.0));
    }
}

/// An arrow that leaves both marks free.
fn trimmed_arrow(canvas: &mut Canvas, from: Point, to: Point) {
    const GAP: f64 = 10.0;
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy);
    if length > 3.0 * GAP {
        let (ux, uy) = (GAP * dx / length, GAP * dy / length);
        canvas.arrow(at(from.x + ux, from.y + uy), at(to.x - ux, to.y - uy));
    }
}

/// What labels should leave free: a model's mark, its dotted line and its arrow.
fn occupied(record: &Record, axes: &Axes, model: &ModelRecord) -> Vec<Area> {
    let center = axes.model(model);
    let size = model.weighing.overall.effective.params();
    let reading = size.map(|size| axes.at(size, model.weighing.mean_score.percent()));
    let parent = words::parent(record, model).map(|parent| axes.model(parent));
    let beads = [reading, parent].into_iter().flatten().flat_map(|end| beads(center, end));
    std::iter::once(Area::around(center, 8.0)).chain(beads).collect()
}

/// Small squares along a line.
fn beads(from: Point, to: Point) -> impl Iterator<Item = Area> {
    const STEP: f64 = 8.0;
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a canvas is small"
    )]
    let n = (dx.hypot(dy) / STEP) as u32;
    (1..n).map(move |i| {
        let share = f64::from(i) / f64::from(n);
        Area::around(at(from.x + share * dx, from.y + share * dy), 3.0)
    })
}
