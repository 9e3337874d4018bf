//! Variable projection on a grid of exponents: the starts of a loss fit.
//!
//! With `alpha` and `beta` fixed the law is linear in `E`, `a` and `b`, and projecting these out takes
//! the condition number from 1e11 to below ten ([arXiv:2603.22339](https://arxiv.org/abs/2603.22339)).
//! At each node of the grid the linear part is solved under `E, a, b >= 0`; a map of the remaining
//! misfit shows every basin, and each of its local minima is a start.

use super::{newton::solve, objective::Observation};
use crate::law::Run;

/// Nodes per exponent, and the range they span.
const NODES: usize = 32;
const EXPONENTS: (f64, f64) = (0.05, 0.95);
/// Starts from the best nodes beside those from local minima.
const BEST: usize = 8;
/// A coefficient that the bounds push to zero starts at this share of the mean loss.
const VANISHING: f64 = 1e-6;

/// A start: `[ln a, alpha, ln b, beta, ln E]`.
pub(crate) type Start = [f64; 5];

struct Node {
    rss: f64,
    start: Start,
}

/// Columns of one exponent at every node: values scaled to a largest of 1, and the scale's logarithm.
struct Columns {
    exponent: f64,
    ln_scale: f64,
    values: Vec<f64>,
}

/// Starts from every local minimum of the map and from the best nodes, best first.
///
/// `relative` weighs residuals by the loss, as objectives on log loss do.
pub(crate) fn starts(data: &[Observation<Run>], irreducible: bool, relative: bool) -> Vec<Start> {
    let weight = |point: &Observation<Run>| {
        point.weight * if relative { 1.0 / (point.value * point.value) } else { 1.0 }
    };
    let weights: Vec<f64> = data.iter().map(weight).collect();
    let sizes = columns(&data.iter().map(|point| point.input.logs().0).collect::<Vec<_>>());
    let tokens = columns(&data.iter().map(|point| point.input.logs().1).collect::<Vec<_>>());
    let losses: Vec<f64> = data.iter().map(|point| point.value).collect();
    let mut map = Vec::with_capacity(NODES * NODES);
    for size in &sizes {
        map.extend(tokens.iter().map(|data| node(size, data, (&losses, &weights), irreducible)));
    }
    chosen(&map).into_iter().map(|index| map[index].start).collect()
}

fn columns(logs: &[f64]) -> Vec<Columns> {
    let least = logs.iter().copied().fold(f64::INFINITY, f64::min);
    let (low, high) = EXPONENTS;
    let column = |i: usize| {
        let exponent = low + (high - low) * i as f64 / (NODES - 1) as f64;
        let values = logs.iter().map(|x| (-exponent * (x - least)).exp()).collect();
        Columns { exponent, ln_scale: exponent * least, values }
    };
    (0..NODES).map(column).collect()
}

/// The best nonnegative coefficients at one node.
fn node(
    size: &Columns,
    tokens: &Columns,
    (losses, weights): (&[f64], &[f64]),
    irreducible: bool,
) -> Node {
    let mut normal = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    let mut square = 0.0;
    for (i, (&loss, &weight)) in losses.iter().zip(weights).enumerate() {
        let row = [size.values[i], tokens.values[i], if irreducible { 1.0 } else { 0.0 }];
        square += weight * loss * loss;
        for j in 0..3 {
            right[j] += weight * row[j] * loss;
            for k in 0..3 {
                normal[j][k] += weight * row[j] * row[k];
            }
        }
    }
    let (coefficients, gain) = nonnegative(&normal, &right);
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    let ln = |x: f64| x.max(VANISHING * mean).ln();
    let [a, b, e] = coefficients.map(ln);
    let start = [a + size.ln_scale, size.exponent, b + tokens.ln_scale, tokens.exponent, e];
    Node { rss: square - gain, start }
}

/// Nonnegative least squares by trying every set of free coefficients; also the gain
/// `x . right`, by which the solution lowers the sum of squares.
fn nonnegative(normal: &[[f64; 3]; 3], right: &[f64; 3]) -> ([f64; 3], f64) {
    let mut best = ([0.0; 3], 0.0);
    for set in 1..8u8 {
        let free = |i: usize| set >> i & 1 == 1;
        let entry = |i: usize, j: usize| match (free(i) && free(j), i == j) {
            (true, _) => normal[i][j],
            (false, true) => 1.0,
            (false, false) => 0.0,
        };
        let matrix = std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)));
        let side = std::array::from_fn(|i| if free(i) { right[i] } else { 0.0 });
        let Some(solution) = solve(matrix, side) else { continue };
        let gain: f64 = solution.iter().zip(&side).map(|(x, y)| x * y).sum();
        if solution.iter().all(|x| *x >= 0.0) && gain > best.1 {
            best = (solution, gain);
        }
    }
    best
}

/// Indices of local minima (no neighbor is lower) and of the best nodes, each once, best first.
fn chosen(map: &[Node]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|a, b| map[*a].rss.total_cmp(&map[*b].rss).then(a.cmp(b)));
    let rank = |index: usize| order.iter().position(|other| *other == index);
    let mut chosen: Vec<usize> = order[..BEST].to_vec();
    let minima =
        (0..map.len()).filter(|index| is_minimum(map, *index) && !order[..BEST].contains(index));
    chosen.extend(minima);
    chosen.sort_by_key(|index| rank(*index));
    chosen
}

fn is_minimum(map: &[Node], index: usize) -> bool {
    let (row, column) = (index / NODES, index % NODES);
    let near = |x: usize| x.saturating_sub(1)..(x + 2).min(NODES);
    near(row).all(|i| near(column).all(|j| map[i * NODES + j].rss >= map[index].rss))
}

#[cfg(test)]
mod tests {
    use pycno_units::{ParamCount, TokenCount};

    use super::*;
    use crate::law::{ChinchillaLaw, Law};

    #[test]
    fn coefficients_that_would_be_negative_are_zero() {
        let identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let (solution, gain) = nonnegative(&identity, &[2.0, -1.0, 3.0]);
        let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(near(solution, [2.0, 0.0, 3.0]), "{solution:?}");
        assert!((gain - 13.0).abs() < 1e-15);
        assert!(near(nonnegative(&identity, &[-2.0, -1.0, -3.0]).0, [0.0; 3]));
    }

    #[test]
    fn the_best_node_lies_next_to_the_truth() {
        let theta = [6.0, 0.34, 6.0, 0.28, 0.5];
        let point = |(n, d): (i32, u64)| {
            let run = Run::new(ParamCount(1e7 * 3f64.powi(n)), TokenCount(d << 30)).unwrap();
            Observation { input: run, value: ChinchillaLaw.predict(&theta, run), weight: 1.0 }
        };
        let data: Vec<_> =
            (0..5).flat_map(|n| [1, 4, 16, 64, 256].map(|d| (n, d))).map(point).collect();
        for relative in [false, true] {
            let best = starts(&data, true, relative)[0];
            assert!((best[1] - 0.34).abs() < 0.04 && (best[3] - 0.28).abs() < 0.04, "{best:?}");
            assert!((best[4] - 0.5).abs() < 0.2, "{best:?}");
        }
    }
}
