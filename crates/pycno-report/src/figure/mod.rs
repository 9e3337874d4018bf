//! Figures as inline SVG. Colors are classes, set by the page's style sheet for light and dark.

mod canvas;
mod forest;
mod label;
mod scale;
mod size;
mod training;

pub(crate) use forest::forest;
pub(crate) use size::score_against_size;
pub(crate) use training::training;

/// Width of every figure, in SVG units; the page scales it.
const WIDTH: f64 = 1000.0;

/// Colors in the style sheet beside the teacher's.
const N_COLORS: usize = 8;

/// Class that sets a model's color: the teacher is ink, students take turns.
fn color(record: &pycno_record::Record, name: &str) -> String {
    let place = crate::words::students(record).position(|model| model.name == name);
    place.map_or_else(|| "ct".to_owned(), |idx| format!("c{}", idx % N_COLORS))
}
