//! Prunes FFN channels by an importance of one's own: here the product of a channel's weight norms, on the way up and
//! on the way down. Any number per part will do.
//!
//!     cargo run --release -p pycno-study --example own_importance [MODEL]

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use pycno_model::{Checkpoint, Part, TensorId, source::Remote};
use pycno_prune::{Amount, Axis, Importance, PrunePlan, fingerprint, slice};
use pycno_study::shipped;

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "lab:teacher".to_owned());
    let (before, after) = run(&model)?;
    println!("{} -> {} parameters", before.param_counts().total, after.param_counts().total);
    Ok(())
}

fn run(model: &str) -> Result<(Checkpoint, Checkpoint), Box<dyn Error>> {
    let teacher = shipped::open(&model.parse()?, &Remote::new(std::env::temp_dir()))?;
    let layers = 0..teacher.spec.layers.len();
    let importance = Importance::along(Axis::Ffn, layers.map(|l| of_layer(&teacher, l)).collect());

    // Half of the channels of every layer, by that importance; `slice` then cuts all that is coupled to them.
    let half = [(Axis::Ffn, Amount::Keep(teacher.spec.layers[0].d_ffn() / 2))].into();
    let plan = PrunePlan::by_importance(&teacher.spec, fingerprint(&teacher), &half, &importance)?;
    let student = slice(&teacher, &plan)?;
    Ok((teacher, student))
}

/// One number per channel: channel `i` is row `i` of the way up and column `i` of the way down.
fn of_layer(teacher: &Checkpoint, layer: usize) -> Vec<f64> {
    let [up, down] =
        [Part::Up, Part::Down].map(|part| &teacher.tensors[&TensorId::weight(layer, part)]);
    let (d_ffn, down) = (up.shape()[0], down.values());
    let norm = |weights: &mut dyn Iterator<Item = &f32>| {
        weights.map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt()
    };
    let channel = |i: usize| {
        let row = norm(&mut up.rows(i..i + 1).iter());
        row * norm(&mut down.iter().skip(i).step_by(d_ffn))
    };
    (0..d_ffn).map(channel).collect()
}

#[test]
fn half_of_the_channels_leave_every_layer() {
    let (teacher, student) = run("lab:teacher").unwrap();
    for (before, after) in teacher.spec.layers.iter().zip(&student.spec.layers) {
        assert_eq!(after.d_ffn(), before.d_ffn() / 2);
    }
}
