//! The density core: fits beside the L-BFGS-B of crate `basin`, draws, weighing.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up should stop")]

use std::{convert::Infallible, hint::black_box};

use basin::{
    BoxBounds, ConstraintDescription, ConstraintSet, Constraints, CostFunction, Executor,
    FirstOrderState, Gradient, Lbfgsb,
};
use criterion::{Criterion, criterion_group, criterion_main};
use pycno_benches::noisy_surface;
use pycno_density::{
    FitObjective, LossFitOptions, LossForm, LossPoint, Ruler, RulerDraws, fit::HUBER_DELTA,
    fit::exhaustive_starts, fit_loss,
};
use pycno_units::{Score, Seed};

const DENSING: &str = include_str!("../../configs/rulers/densing-2025.toml");
/// As many points as the digitized Chinchilla table has.
const POINTS: usize = 240;
/// The peer is timed on every hundredth start: all of them take it some ten seconds.
const PEER_SHARE: usize = 100;

fn options(exhaustive: bool) -> LossFitOptions {
    LossFitOptions {
        form: LossForm::Chinchilla,
        objective: FitObjective::HuberLog,
        basin: None,
        exhaustive,
    }
}

/// Chinchilla's loss under Huber's penalty of log residuals, with an analytic gradient: what the peer
/// minimizes.
struct Peer {
    points: Vec<(f64, f64, f64)>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Peer {
    fn new(points: &[LossPoint]) -> Self {
        let logs = |point: &LossPoint| {
            let (n, d) = point.run.logs();
            (n, d, point.loss.0.ln())
        };
        let (lower, upper) = (vec![-20.0, 0.0, -20.0, 0.0, -20.0], vec![30.0, 2.0, 30.0, 2.0, 5.0]);
        Self { points: points.iter().map(logs).collect(), lower, upper }
    }

    fn both(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let (mut cost, mut gradient) = (0.0, vec![0.0; 5]);
        for &(n, d, target) in &self.points {
            let size = (theta[0] - theta[1] * n).exp();
            let data = (theta[2] - theta[3] * d).exp();
            let loss = size + data + theta[4].exp();
            let residual = loss.ln() - target;
            let slope = residual.clamp(-HUBER_DELTA, HUBER_DELTA);
            cost += if residual.abs() <= HUBER_DELTA {
                residual * residual / 2.0
            } else {
                HUBER_DELTA * (residual.abs() - HUBER_DELTA / 2.0)
            };
            let by = [size, -n * size, data, -d * data, theta[4].exp()];
            for (sum, by) in gradient.iter_mut().zip(by) {
                *sum += slope * by / loss;
            }
        }
        (cost, gradient)
    }
}

struct Problem<'a>(&'a Peer);

impl Constraints for Problem<'_> {
    type Set = ConstraintSet<BoxBounds<Vec<f64>>>;

    fn constraints(&self) -> <Self::Set as ConstraintDescription>::Borrowed<'_> {
        ConstraintSet::new().with_bounds(BoxBounds::new(Some(&self.0.lower), Some(&self.0.upper)))
    }
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    type Error = Infallible;

    fn cost(&self, point: &Vec<f64>) -> Result<f64, Infallible> {
        Ok(self.0.both(point).0)
    }
}

impl Gradient for Problem<'_> {
    type Gradient = Vec<f64>;

    fn gradient(&self, point: &Vec<f64>) -> Result<Vec<f64>, Infallible> {
        Ok(self.0.both(point).1)
    }

    fn cost_and_gradient(&self, point: &Vec<f64>) -> Result<(f64, Vec<f64>), Infallible> {
        Ok(self.0.both(point))
    }
}

fn peer(peer: &Peer, start: [f64; 5]) -> f64 {
    let solver = Lbfgsb::new()
        .with_absolute_projected_gradient_tolerance(1e-10)
        .with_relative_cost_reduction_tolerance(1e-14);
    let state = FirstOrderState::new(start.to_vec());
    let found = Executor::new(Problem(peer), solver, state).max_iter(1_000).run();
    found.map_or(f64::INFINITY, |found| peer.both(found.best_param()).0)
}

fn fits(criterion: &mut Criterion) {
    let points = noisy_surface(POINTS).unwrap();
    let mut group = criterion.benchmark_group("density/fit");
    group.sample_size(10);
    group.bench_function("chinchilla_4500_starts/n240", |bencher| {
        bencher.iter(|| black_box(fit_loss(&points, options(true)).unwrap().card.agreeing));
    });
    let few: Vec<[f64; 5]> = exhaustive_starts().into_iter().step_by(PEER_SHARE).collect();
    let of_peer = Peer::new(&points);
    group.bench_function("chinchilla_45_starts_basin_lbfgsb/n240", |bencher| {
        bencher.iter(|| few.iter().map(|start| peer(&of_peer, *start)).fold(f64::MAX, f64::min));
    });
    group.sample_size(50);
    group.bench_function("chinchilla_vpnls/n240", |bencher| {
        bencher.iter(|| black_box(fit_loss(&points, options(false)).unwrap().constants));
    });
    group.finish();
}

fn draws(criterion: &mut Criterion) {
    let ruler = Ruler::parse(DENSING).unwrap();
    let mut group = criterion.benchmark_group("density/draws");
    group.sample_size(10);
    group.bench_function("two_steps_2000/avg4", |bencher| {
        bencher.iter(|| RulerDraws::new(&ruler, &["avg4"], Seed(1), 2_000).unwrap());
    });
    let tasks = ["mmlu", "bbh", "math", "mbpp", "humaneval"];
    group.bench_function("two_steps_2000/five_tasks_and_their_mean", |bencher| {
        bencher.iter(|| RulerDraws::new(&ruler, &tasks, Seed(1), 2_000).unwrap());
    });
    group.finish();
    let law = ruler.task("avg4").unwrap().law;
    let score = Score::from_percent(50.0).unwrap();
    criterion.bench_function("density/invert/avg4", |bencher| {
        bencher.iter(|| law.effective(black_box(score)));
    });
    criterion.bench_function("density/parse_ruler/densing-2025", |bencher| {
        bencher.iter(|| Ruler::parse(black_box(DENSING)).unwrap());
    });
}

criterion_group!(benches, fits, draws);
criterion_main!(benches);
