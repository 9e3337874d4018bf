//! Weighs a teacher and its student on a shipped ruler: score, effective size, density with its interval, ratio.
//!
//!     cargo run --release -p pycno-density --example weigh
#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;

use pycno_density::{
    Compared, Comparison, DEFAULT_DRAWS, Density, Evidence, Interval, Ruler, RulerDraws,
    ScoreError, ScoreSummary, Subject, Weighed,
};
use pycno_units::{ParamCount, Score, Seed};

const RULER: &str = include_str!("../../../configs/rulers/pythia.toml");
const TASK: &str = "lambada_openai";

fn main() -> Result<(), Box<dyn Error>> {
    let (models, compared) = run(DEFAULT_DRAWS)?;
    for (name, weighed) in ["teacher", "student"].into_iter().zip(&models) {
        let Density { effective, density, interval, .. } = weighed.overall.density;
        // A score outside the ruler's range has no size: then this is the reason.
        let size = effective.params().map_or(effective.name().to_owned(), |n| n.to_string());
        let score = weighed.overall.score;
        println!("{name}: {score} % is worth {size}, density {}", shown(density, interval));
    }
    let Comparison { ratio, interval, verdict, .. } = compared.overall;
    println!("student over teacher: {}, {verdict:?}", shown(ratio, interval));
    Ok(())
}

/// A number with its interval; either may be undefined: a score may have no size, an end lie beyond the draws.
fn shown(x: Option<f64>, interval: Interval) -> String {
    let number = |x: Option<f64>| x.map_or_else(|| "undefined".to_owned(), |x| format!("{x:.2}"));
    format!("{} ({} to {})", number(x), number(interval.low), number(interval.high))
}

/// The two, and the second against the first.
fn run(draws: usize) -> Result<([Weighed; 2], Compared), Box<dyn Error>> {
    let ruler = Ruler::parse(RULER)?;
    let draws = RulerDraws::new(&ruler, &[TASK], Seed(1), draws)?;
    let teacher = draws.weigh(&model("teacher", 106.2e6, 43.0)?)?;
    let student = draws.weigh(&model("student", 79.7e6, 26.0)?)?;
    let compared = teacher.compare(&student)?;
    Ok(([teacher, student], compared))
}

/// Non-embedding parameters, as this ruler counts sizes, and what share of 500 questions was answered rightly.
fn model(name: &str, params: f64, percent: f64) -> Result<Subject, Box<dyn Error>> {
    let (score, error) = (Score::from_percent(percent)?, ScoreError::Items(500));
    let known = ScoreSummary { task: TASK.to_owned(), score, error };
    Ok(Subject {
        name: name.to_owned(),
        params: ParamCount(params),
        tasks: vec![Evidence::Score(known)],
    })
}

#[test]
fn the_student_lost_more_than_it_shed() {
    let ([teacher, student], compared) = run(100).unwrap();
    for weight in [&teacher.overall, &student.overall] {
        let (density, interval) = (weight.density.density.unwrap(), weight.density.interval);
        assert!(interval.low.unwrap() < density && density < interval.high.unwrap());
    }
    assert_eq!(compared.overall.verdict, pycno_density::Verdict::Lowered);
}
