//! Attention against the formula in `f64`, against Burn, and against its own slopes.

use super::*;
use crate::{check, noise::Noise};

const D_HEAD: usize = 4;

fn layout(n_heads: usize, n_kv_heads: usize, window: Option<usize>) -> HeadLayout {
    HeadLayout { window, ..HeadLayout::plain(n_heads, n_kv_heads, D_HEAD) }
}

fn rope(positions: impl Iterator<Item = usize>) -> RopeTable {
    RopeTable::new(&[1.0, 0.1], positions)
}

fn projections(layout: HeadLayout, d_model: usize, biased: bool) -> Qkv {
    let mut noise = Noise::new(8);
    let widths = [layout.query_width(), layout.key_width(), layout.key_width()];
    let weights = widths.map(|width| noise.tensor([width, d_model], 0.7));
    let biases = biased.then(|| widths.map(|width| noise.tensor([width], 0.5)));
    Qkv { weights, biases, norms: None }
}

/// The packed operation alone.
fn packed(x: Tensor<3>, layout: HeadLayout) -> Tensor<3> {
    let [batch, seq, _] = x.dims();
    let segments = Arc::new(Segments::separate(batch, seq));
    run_1(packed::Packed { layout, rope: rope(0..seq), segments }, x)
}

/// The formula in `f64`, head by head and query by query, of packed rows.
fn reference(x: &Tensor<3>, layout: HeadLayout) -> Vec<f64> {
    let [batch, seq, width] = x.dims();
    let values = check::host(x.clone());
    let row = |b: usize, t: usize, from: usize| {
        let at = (b * seq + t) * width + from;
        values[at..at + D_HEAD].to_vec()
    };
    let rotated = |mut head: Vec<f64>, position: usize| {
        for (j, w) in [1.0, 0.1].into_iter().enumerate() {
            let (sin, cos) = (position as f64 * w).sin_cos();
            let (a, b) = (head[j], head[j + 2]);
            (head[j], head[j + 2]) = (a * cos - b * sin, b * cos + a * sin);
        }
        head
    };
    let mut out = Vec::new();
    for (b, t) in (0..batch).flat_map(|b| (0..seq).map(move |t| (b, t))) {
        for head in 0..layout.n_heads {
            let kv = layout.query_width() + head / layout.group() * D_HEAD;
            let query = rotated(row(b, t, head * D_HEAD), t);
            let first = layout.window.map_or(0, |window| (t + 1).saturating_sub(window));
            let weight = |k: usize| {
                let key = rotated(row(b, k, kv), k);
                let score: f64 = query.iter().zip(key).map(|(a, b)| a * b).sum();
                let score = score * layout.scale.map_or(0.5, f64::from);
                layout.softcap.map(f64::from).map_or(score, |c| c * (score / c).tanh()).exp()
            };
            let total: f64 = (first..=t).map(weight).sum();
            out.extend((0..D_HEAD).map(|i| {
                let value = |k| row(b, k, kv + layout.key_width())[i];
                (first..=t).map(|k| weight(k) * value(k)).sum::<f64>() / total
            }));
        }
    }
    out
}

#[track_caller]
fn check_formula([batch, seq]: [usize; 2], layout: HeadLayout, size: f64) {
    let x = Noise::new(seq as u64).tensor([batch, seq, layout.width()], size);
    let expect = reference(&x, layout);
    let largest = expect.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    for (found, expect) in check::host(packed(x, layout)).iter().zip(&expect) {
        assert!((found - expect).abs() < 2e-5 * largest, "{found} {expect}");
    }
}

#[test]
fn contexts_are_those_of_the_formula() {
    check_formula([1, 1], layout(6, 1, None), 1.0);
    check_formula([2, 5], layout(4, 2, None), 1.0);
    check_formula([1, 7], layout(3, 3, None), 3.0);
    check_formula([1, 130], layout(2, 1, None), 1.0);
    check_formula([1, 70], layout(2, 2, Some(3)), 1.0);
    check_formula([2, 6], layout(2, 1, Some(8)), 1.0);
    check_formula([1, 9], HeadLayout { scale: Some(0.3), ..layout(2, 1, None) }, 2.0);
    check_formula([1, 70], capped(2.0), 2.0);
    check_formula([1, 9], capped(50.0), 2.0);
}

fn capped(softcap: f32) -> HeadLayout {
    HeadLayout { softcap: Some(softcap), ..layout(2, 1, Some(5)) }
}

/// All of it from the residual stream, fused and composed.
fn whole(
    x: Tensor<3>,
    weight: Tensor<2>,
    biased: bool,
    layout: HeadLayout,
    fused: bool,
) -> Tensor<3> {
    let [_, seq, d_model] = x.dims();
    let mut projections = projections(layout, d_model, biased);
    projections.weights[1] = weight;
    projections.norms = biased.then(|| {
        let gains = [3, 4].map(|seed| Noise::new(seed).tensor([D_HEAD], 1.0));
        HeadNorms { gains, epsilon: 1e-5 }
    });
    let rope = rope(0..seq);
    if fused {
        self_attention(x, projections, layout, &rope, Arrangement::Batch)
    } else {
        composed::self_attention(&x, projections, layout, &rope, Arrangement::Batch)
    }
}

#[test]
fn outputs_and_gradients_are_those_of_burn() {
    let cases = [
        ([1, 3], layout(2, 1, None)),
        ([2, 9], layout(4, 2, None)),
        ([1, 67], layout(3, 3, None)),
        ([2, 6], layout(2, 1, Some(3))),
        ([2, 6], HeadLayout { scale: Some(0.2), ..layout(4, 2, None) }),
        ([1, 9], capped(1.5)),
    ];
    for ([batch, seq], layout) in cases {
        for biased in [false, true] {
            let shape = ([batch, seq, 5], [layout.key_width(), 5]);
            let run = |fused| move |x, w| whole(x, w, biased, layout, fused);
            check::twins_2(shape, 1.0, run(true), run(false));
        }
    }
}

/// Norms by their gains: the gradient by the keys' gain, and the same for queries.
#[test]
fn gains_of_head_norms_have_the_gradients_of_burn() {
    let layout = layout(4, 2, None);
    for which in [0, 1] {
        let run = |fused: bool| {
            move |x: Tensor<3>, gain: Tensor<1>| {
                let mut gains = [3, 4].map(|seed| Noise::new(seed).tensor([D_HEAD], 1.0));
                gains[which] = gain;
                let norms = HeadNorms { gains, epsilon: 1e-5 };
                let projections = Qkv { norms: Some(norms), ..projections(layout, 5, true) };
                let rope = rope(0..x.dims()[1]);
                attend(fused, x, projections, (layout, &rope), Arrangement::Batch)
            }
        };
        check::twins_2(([2, 35, 5], [D_HEAD]), 1.0, run(true), run(false));
    }
}

#[test]
fn scores_that_are_softened_have_the_slopes_of_it() {
    check::slopes_1([1, 3, 16], |x| packed(x, HeadLayout { window: None, ..capped(0.7) }));
}

#[test]
fn a_token_alone_gives_its_value_and_no_gradient_to_its_key() {
    let layout = layout(2, 1, None);
    let x = Noise::new(1).tensor([1, 1, layout.width()], 1.0).autodiff().require_grad();
    let out = packed(x.clone(), layout);
    let value = x.clone().inner().narrow(2, 12, 4);
    check::near(out.clone().inner(), Tensor::cat(vec![value.clone(), value], 2), 1e-6);
    let found = x.grad_remove(&mut out.sum().backward()).unwrap();
    for (i, found) in check::host(found).into_iter().enumerate() {
        let expect = if i < 12 { 0.0 } else { 2.0 };
        assert!((found - expect).abs() < 1e-6, "{i}: {found}");
    }
}

#[test]
fn gradients_are_the_slopes() {
    check::slopes_1([1, 3, 16], |x| packed(x, layout(2, 1, None)));
    check::slopes_1([2, 4, 12], |x| packed(x, layout(1, 1, Some(2))));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let layout = layout(4, 2, None);
    let x = Noise::new(3).tensor([2, 130, layout.width()], 1.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let x = x.clone().autodiff().require_grad();
            let out = packed(x.clone(), layout);
            let mut tape = out.clone().square().sum().backward();
            [check::host(out.inner()), check::host(x.grad_remove(&mut tape).unwrap())]
        })
    };
    assert_eq!(run(1), run(3));
}

/// One of both forms, by name.
fn attend(
    fused: bool,
    x: Tensor<3>,
    projections: Qkv,
    (layout, rope): (HeadLayout, &RopeTable),
    arrangement: Arrangement<'_>,
) -> Tensor<3> {
    if fused {
        self_attention(x, projections, layout, rope, arrangement)
    } else {
        composed::self_attention(&x, projections, layout, rope, arrangement)
    }
}

#[track_caller]
fn check_cache(layout: HeadLayout, biased: bool, fused: bool) {
    let x = Noise::new(4).tensor([2, 7, 5], 1.0);
    let projections = projections(layout, 5, biased);
    let at_once =
        self_attention(x.clone(), projections.clone(), layout, &rope(0..7), Arrangement::Batch);
    let mut cache = KvCache::default();
    let parts = [0..3, 3..4, 4..7].map(|part| {
        let x = x.clone().narrow(1, part.start, part.len());
        let (rope, past) = (rope(part), Arrangement::Cached(&mut cache));
        attend(fused, x, projections.clone(), (layout, &rope), past)
    });
    check::near(Tensor::cat(parts.to_vec(), 1), at_once, 1e-5);
}

#[test]
fn a_cache_gives_what_one_pass_gives() {
    for fused in [true, false] {
        check_cache(layout(4, 2, None), true, fused);
        check_cache(layout(2, 2, Some(3)), false, fused);
    }
}

#[test]
fn a_tree_gives_what_each_sequence_gives_alone() {
    for (layout, fused) in
        [(layout(4, 2, None), true), (layout(2, 1, Some(3)), true), (layout(4, 2, None), false)]
    {
        let mut segments = Segments::default();
        let root = segments.push(66, None);
        let left = segments.push(2, Some(root));
        let right = segments.push(3, Some(root));
        let leaf = segments.push(1, Some(left));
        let (x, projections) =
            (Noise::new(6).tensor([1, 72, 5], 1.0), projections(layout, 5, false));
        let rope_of_tree = rope(segments.positions());
        let tree = Arrangement::Tree(&segments);
        let found = attend(fused, x.clone(), projections.clone(), (layout, &rope_of_tree), tree);
        for end in [root, left, right, leaf] {
            let rows: Vec<_> =
                segments.before(end).into_iter().chain([segments.rows_of(end)]).collect();
            let parts = |x: &Tensor<3>| {
                let part =
                    |rows: &std::ops::Range<usize>| x.clone().narrow(1, rows.start, rows.len());
                Tensor::cat(rows.iter().map(part).collect(), 1)
            };
            let alone = parts(&x);
            let rope = rope(0..alone.dims()[1]);
            let alone =
                self_attention(alone, projections.clone(), layout, &rope, Arrangement::Batch);
            check::near(parts(&found), alone, 1e-5);
        }
    }
}
