//! Rotation and attention as one operation on packed rows, `[queries | keys | values]` each.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{
    HeadLayout, Segments,
    backward::{Gradient, backward},
    forward::{Rows, Source, Work, forward},
};
use crate::{
    extension::HostOp,
    host::{dense, dims, flex, slice, slice_mut},
    rope::{Direction, RopeTable},
    simd::vectorized,
};

/// Rows rotated by one thread at a time.
const BLOCK_ROWS: usize = 32;

/// Input: packed rows; output: contexts.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) layout: HeadLayout,
    pub(super) rope: RopeTable,
    pub(super) segments: Arc<Segments>,
}

impl HostOp<1> for Packed {
    fn forward(&self, [x]: [FlexTensor; 1], tracked: bool) -> (FlexTensor, Vec<FlexTensor>) {
        let mut x = dense(x);
        let mut shape = dims(&x);
        rotate(slice_mut(&mut x), &self.layout, &self.rope, Direction::Forward);
        let source = Source::packed(slice(&x), &self.layout);
        let work = self.segments.blocks().into_iter().map(|block| Work { block, source });
        let (context, log_sums) = forward(work.collect(), &self.layout);
        shape[2] = self.layout.query_width();
        let context = flex(context, shape);
        let rows = self.segments.rows();
        let kept = if tracked {
            vec![x, context.clone(), flex(log_sums, [rows, self.layout.n_heads])]
        } else {
            Vec::new()
        };
        (context, kept)
    }

    fn backward(
        &self,
        kept: Vec<FlexTensor>,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = dense(gradient);
        let [packed, context, log_sums] = [&kept[0], &kept[1], &kept[2]].map(slice);
        let given = Gradient { context, by_context: slice(&gradient), log_sums };
        let source = Source::packed(packed, &self.layout);
        let mut found = backward(&given, source, &self.segments, &self.layout);
        rotate(&mut found, &self.layout, &self.rope, Direction::Back);
        [Some(flex(found, dims(&kept[0])))]
    }
}

impl<'a> Source<'a> {
    /// Queries, keys and values side by side.
    pub(super) fn packed(values: &'a [f32], layout: &HeadLayout) -> Self {
        let at = |from| Rows { values, stride: layout.width(), from };
        let (queries, keys) = (layout.query_width(), layout.key_width());
        Self { queries: at(0), keys: at(queries), values: at(queries + keys) }
    }
}

/// Rotates queries and keys in place.
pub(super) fn rotate(
    packed: &mut [f32],
    layout: &HeadLayout,
    rope: &RopeTable,
    direction: Direction,
) {
    let (width, rotated) = (layout.width(), layout.query_width() + layout.key_width());
    packed.par_chunks_mut(BLOCK_ROWS * width).enumerate().for_each(|(block, rows)| {
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                    let position = (block * BLOCK_ROWS + i) % rope.len();
                    rope.rotate_row(&mut row[..rotated], position, direction);
                }
            },
        );
    });
}
