//! The observer that turns a forward pass into sums: activations come to the host, reductions run in
//! `f64`, one sequence per thread, and are added in the order of the sequences.

use burn::tensor::{Tensor, TensorData};
use pycno_model::Site;
use rayon::prelude::*;

use crate::{LayerStatistics, PruneError};

/// One batch on its way through the decoder.
pub(crate) struct Pass {
    layers: Vec<LayerStatistics>,
    batch: usize,
    /// The residual stream as the last block left it; none before the first.
    stream: Option<TensorData>,
    failure: Option<PruneError>,
}

/// Cosines of one sequence.
#[derive(Debug, Default, PartialEq)]
struct Cosines {
    sum: f64,
    tokens: u64,
    skipped: u64,
}

impl Pass {
    pub(crate) const fn new(layers: Vec<LayerStatistics>, batch: usize) -> Self {
        Self { layers, batch, stream: None, failure: None }
    }

    /// Takes an activation in; after a failure the rest of the pass is ignored.
    pub(crate) fn see(&mut self, layer_idx: usize, site: Site, x: &Tensor<3>) {
        if self.failure.is_none() {
            self.failure = self.take(layer_idx, site, x).err();
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<LayerStatistics>, PruneError> {
        self.failure.map_or(Ok(self.layers), Err)
    }

    fn take(&mut self, layer_idx: usize, site: Site, x: &Tensor<3>) -> Result<(), PruneError> {
        // What enters a block is what the one below left, which is here already.
        if site == Site::BlockInput && layer_idx > 0 {
            return Ok(());
        }
        let [_, seq, width] = x.dims();
        let data = host(x);
        let values = finite(layer_idx, site, floats(&data))?;
        let sequence = seq * width;
        match site {
            Site::BlockInput => self.stream = Some(data),
            Site::BlockOutput => {
                self.add_cosines(layer_idx, values, [sequence, width]);
                self.stream = Some(data);
            }
            Site::FfnChannels => {
                let means = per_sequence(values, sequence, |x| mean_magnitudes(x, width));
                add_squares(&mut self.layers[layer_idx].ffn_square_sums, &means);
            }
            Site::AttentionContext => {
                let d_head = width / self.layers[layer_idx].head_square_sums.len();
                let means = per_sequence(values, sequence, |x| mean_norms(x, width, d_head));
                add_squares(&mut self.layers[layer_idx].head_square_sums, &means);
            }
        }
        Ok(())
    }

    fn add_cosines(&mut self, layer_idx: usize, output: &[f32], [sequence, width]: [usize; 2]) {
        debug_assert_eq!(output.len(), self.batch * sequence);
        let input = self.stream.as_ref().map_or(&[][..], floats);
        debug_assert_eq!(output.len(), input.len());
        let pairs = input.par_chunks_exact(sequence).zip(output.par_chunks_exact(sequence));
        let cosines: Vec<Cosines> = pairs.map(|(a, b)| Cosines::of(a, b, width)).collect();
        let layer = &mut self.layers[layer_idx];
        for sequence in cosines {
            layer.cosine_sum += sequence.sum;
            layer.cosine_tokens += sequence.tokens;
            layer.skipped_tokens += sequence.skipped;
        }
    }
}

impl Cosines {
    /// Cosines between the rows of two `[seq, width]` matrices.
    fn of(input: &[f32], output: &[f32], width: usize) -> Self {
        let mut cosines = Self::default();
        for (a, b) in input.chunks_exact(width).zip(output.chunks_exact(width)) {
            let squares = dot(a, a) * dot(b, b);
            if squares > 0.0 {
                // One root of the product: equal vectors then give exactly 1.
                cosines.sum += (dot(a, b) / squares.sqrt()).clamp(-1.0, 1.0);
                cosines.tokens += 1;
            } else {
                cosines.skipped += 1;
            }
        }
        cosines
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

fn per_sequence<F>(values: &[f32], sequence: usize, reduce: F) -> Vec<Vec<f64>>
where
    F: Fn(&[f32]) -> Vec<f64> + Send + Sync,
{
    values.par_chunks_exact(sequence).map(reduce).collect()
}

/// Mean over the rows of `|x|`, by column.
fn mean_magnitudes(x: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for token in x.chunks_exact(width) {
        sums.iter_mut().zip(token).for_each(|(sum, x)| *sum += f64::from(x.abs()));
    }
    divided(sums, x.len() / width)
}

/// Mean over the rows of the L2 norm of each run of `d_head` columns.
fn mean_norms(x: &[f32], width: usize, d_head: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width / d_head];
    for token in x.chunks_exact(width) {
        let heads = token.chunks_exact(d_head);
        sums.iter_mut().zip(heads).for_each(|(sum, head)| *sum += dot(head, head).sqrt());
    }
    divided(sums, x.len() / width)
}

fn divided(mut sums: Vec<f64>, tokens: usize) -> Vec<f64> {
    for sum in &mut sums {
        *sum /= tokens as f64;
    }
    sums
}

fn add_squares(sums: &mut [f64], sequences: &[Vec<f64>]) {
    for means in sequences {
        sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean * mean);
    }
}

/// Reads an activation back, in `f32`.
fn host(x: &Tensor<3>) -> TensorData {
    x.clone().into_data().convert::<f32>()
}

#[expect(clippy::expect_used, reason = "a float tensor always converts to f32")]
fn floats(data: &TensorData) -> &[f32] {
    data.as_slice().expect("converted to f32")
}

fn finite(layer_idx: usize, site: Site, values: &[f32]) -> Result<&[f32], PruneError> {
    // No early exit within a chunk, so that the test runs in vectors.
    let all = |chunk: &&[f32]| chunk.iter().fold(true, |all, x| all & x.is_finite());
    let sick = values.par_chunks(1 << 14).find_first(|chunk| !all(chunk));
    match sick.and_then(|chunk| chunk.iter().find(|x| !x.is_finite())) {
        None => Ok(values),
        Some(value) => Err(PruneError::NotFinite { layer_idx, site: name(site), value: *value }),
    }
}

const fn name(site: Site) -> &'static str {
    match site {
        Site::BlockInput => "block input",
        Site::AttentionContext => "attention context",
        Site::FfnChannels => "FFN channels",
        Site::BlockOutput => "block output",
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(shape: [usize; 3], values: &[f32]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
    }

    fn pass() -> Pass {
        let layer = LayerStatistics {
            ffn_square_sums: vec![0.0; 2],
            head_square_sums: vec![0.0; 2],
            ..LayerStatistics::default()
        };
        Pass::new(vec![layer], 2)
    }

    /// Feeds one site two sequences of two tokens and gives the layer's sums.
    fn after(site: Site, width: usize, values: &[f32]) -> LayerStatistics {
        let mut pass = pass();
        pass.see(0, site, &tensor([2, 2, width], values));
        pass.finish().unwrap().remove(0)
    }

    #[track_caller]
    fn check(found: &[f64], expect: &[f64]) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
        assert!(found.len() == expect.len() && found.iter().zip(expect).all(near), "{found:?}");
    }

    #[test]
    fn channels_add_the_square_of_each_sequences_mean_magnitude() {
        let layer = after(Site::FfnChannels, 2, &[1.0, -2.0, 3.0, 0.0, 0.0, 4.0, 0.0, -4.0]);
        // Means are (2, 1) and (0, 4).
        check(&layer.ffn_square_sums, &[4.0, 17.0]);
    }

    #[test]
    fn heads_add_the_square_of_each_sequences_mean_norm() {
        let first = [3.0, 4.0, 0.0, 1.0, 0.0, 0.0, 0.0, -3.0];
        let second = [6.0, 8.0, 0.0, 0.0, 6.0, 8.0, 5.0, 12.0];
        let layer = after(Site::AttentionContext, 4, &[first, second].concat());
        // Norms are 5, 0 and 1, 3; then 10, 10 and 0, 13.
        check(&layer.head_square_sums, &[2.5 * 2.5 + 100.0, 4.0 + 6.5 * 6.5]);
    }

    #[test]
    fn cosines_are_summed_over_tokens_and_zero_vectors_counted_apart() {
        let mut pass = pass();
        let input = [3.0, 4.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let output = [4.0, 3.0, 0.0, 0.0, 0.0, 2.0, -1.0, 0.0];
        pass.see(0, Site::BlockInput, &tensor([2, 2, 2], &input));
        pass.see(0, Site::BlockOutput, &tensor([2, 2, 2], &output));
        let layer = pass.finish().unwrap().remove(0);
        check(&[layer.cosine_sum], &[0.96 + 0.0 - 1.0]);
        assert_eq!((layer.cosine_tokens, layer.skipped_tokens), (3, 1));
    }

    #[test]
    fn equal_vectors_have_cosine_exactly_one() {
        let x = [0.1, -0.7, 1e-20, 3e19, 1.0 / 3.0, 2e-7];
        assert_eq!(Cosines::of(&x, &x, 2), Cosines { sum: 3.0, tokens: 3, skipped: 0 });
    }

    #[test]
    fn the_first_non_finite_value_is_named_and_ends_the_pass() {
        for (bad, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let mut pass = pass();
            let values = [0.0, 1.0, 2.0, bad, 0.0, 0.0, 0.0, 0.0];
            pass.see(0, Site::FfnChannels, &tensor([2, 2, 2], &values));
            pass.see(0, Site::BlockOutput, &tensor([2, 2, 2], &[f32::NAN; 8]));
            let expect =
                format!("activations must be finite, got {shown} at the FFN channels of layer 0");
            assert_eq!(pass.finish().unwrap_err().to_string(), expect);
        }
    }
}
