//! How training went: the objective against tokens.

use pycno_record::{Record, TrainingCurve};

use super::{
    WIDTH,
    canvas::{Anchor, Canvas, at},
    color,
    label::{fit, spread},
    scale::{Kind, Scale},
};

const HEIGHT: f64 = 380.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 780.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 324.0;
/// Points drawn a curve at most; more would not be seen.
const POINTS: usize = 600;

/// A curve to draw.
struct Curve<'a> {
    name: &'a str,
    training: &'a TrainingCurve,
    smooth: Vec<f64>,
}

/// Draws the loss of every trained student, raw and faint under its moving mean; `None` if no
/// student was trained.
pub(crate) fn training(record: &Record) -> Option<String> {
    let curves: Vec<_> = record.models.iter().filter_map(curve).collect();
    let steps = || curves.iter().flat_map(|curve| &curve.training.steps);
    let tokens = steps().map(|step| step.tokens.0 as f64).chain([0.0]);
    let x = Scale::over(Kind::Linear, tokens, 0.0, [LEFT, RIGHT])?;
    let y = Scale::over(Kind::Linear, steps().map(|step| step.loss), 0.06, [BOTTOM, TOP])?;
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    draw_axes(&mut canvas, &x, &y);
    let mut heights: Vec<_> = curves.iter().map(|curve| y.at(end(curve)) + 4.0).collect();
    spread(&mut heights, 32.0, BOTTOM - 12.0);
    for (curve, height) in curves.iter().zip(heights) {
        canvas.group(&color(record, curve.name), |canvas| {
            draw_curve(canvas, curve, [&x, &y]);
            let text = fit(curve.name, 26);
            canvas.text("label", at(RIGHT + 10.0, height), Anchor::Start, &text);
            let under = format!("{}, {}", curve.training.objective, curve.training.tokens);
            canvas.text("tick", at(RIGHT + 10.0, height + 15.0), Anchor::Start, &fit(&under, 30));
        });
    }
    Some(canvas.finish("Training loss against tokens for every trained student"))
}

fn curve(model: &pycno_record::ModelRecord) -> Option<Curve<'_>> {
    let training = model.training.as_ref().filter(|training| !training.steps.is_empty())?;
    let losses: Vec<_> = training.steps.iter().map(|step| step.loss).collect();
    Some(Curve { name: &model.name, training, smooth: moving_mean(&losses, losses.len() / 40) })
}

fn end(curve: &Curve<'_>) -> f64 {
    curve.smooth.last().copied().unwrap_or_default()
}

fn draw_axes(canvas: &mut Canvas, x: &Scale, y: &Scale) {
    for tick in y.ticks() {
        canvas.line("grid", at(LEFT, y.at(tick)), at(RIGHT, y.at(tick)));
        let text = crate::number::trimmed(tick);
        canvas.text("tick", at(LEFT - 8.0, y.at(tick) + 4.0), Anchor::End, &text);
    }
    for tick in x.ticks() {
        canvas.line("grid", at(x.at(tick), TOP), at(x.at(tick), BOTTOM));
        let text = crate::number::short_size(tick);
        canvas.text("tick", at(x.at(tick), BOTTOM + 19.0), Anchor::Middle, &text);
    }
    canvas.line("frame", at(LEFT, BOTTOM), at(RIGHT, BOTTOM));
    let middle = at(f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0);
    canvas.text("axis", middle, Anchor::Middle, "tokens trained on");
    canvas.text_up("axis", at(18.0, f64::midpoint(TOP, BOTTOM)), "loss, nats per token");
}

fn draw_curve(canvas: &mut Canvas, curve: &Curve<'_>, [x, y]: [&Scale; 2]) {
    let steps = &curve.training.steps;
    let stride = steps.len().div_ceil(POINTS);
    let places = |loss: &dyn Fn(usize) -> f64| -> Vec<_> {
        let last = steps.len() - 1;
        let chosen = (0..last).step_by(stride).chain([last]);
        chosen.map(|idx| at(x.at(steps[idx].tokens.0 as f64), y.at(loss(idx)))).collect()
    };
    canvas.path("faint", &places(&|idx| steps[idx].loss));
    canvas.path("curve", &places(&|idx| curve.smooth[idx]));
}

/// The mean over up to `reach` values on both sides.
fn moving_mean(values: &[f64], reach: usize) -> Vec<f64> {
    (0..values.len())
        .map(|idx| {
            let near = idx.min(values.len() - 1 - idx).min(reach);
            let window = &values[idx - near..=idx + near];
            window.iter().sum::<f64>() / window.len() as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moving_mean_narrows_at_the_ends() {
        assert_eq!(moving_mean(&[6.0, 0.0, 3.0, 9.0], 1), [6.0, 3.0, 4.0, 9.0]);
        assert_eq!(moving_mean(&[2.0], 5), [2.0]);
        assert!(moving_mean(&[], 1).is_empty());
    }
}
