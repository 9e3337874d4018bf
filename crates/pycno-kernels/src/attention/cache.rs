//! Keys and values of the tokens so far, for decoding token by token.

use burn::tensor::{Tensor, TensorData};

use super::{
    HeadLayout, Segments,
    forward::{Rows, Source, Work, forward},
    packed::rotate,
    plan::Block,
};
use crate::{
    host::values,
    rope::{Direction, RopeTable},
};

/// Keys (rotated) and values of one layer so far; empty at first.
#[derive(Clone, Debug, Default)]
pub struct KvCache(pub(super) Stored);

#[derive(Clone, Debug, Default)]
pub(super) enum Stored {
    #[default]
    Nothing,
    /// In host memory, by sequence: rows of all key heads, which grow in place.
    Host(Vec<[Vec<f32>; 2]>),
    /// On a device: keys and values, `[batch, n_kv_heads, tokens, d_head]`.
    Device(Box<[Tensor<4>; 2]>),
}

impl KvCache {
    /// Adds the new tokens and gives their contexts; on the host.
    ///
    /// # Panics
    ///
    /// If the batch is another than before, or the cache is another device's.
    pub(super) fn extend(
        &mut self,
        packed: Tensor<3>,
        layout: HeadLayout,
        rope: &RopeTable,
    ) -> Tensor<3> {
        let ([batch, seq, _], device) = (packed.dims(), packed.device());
        let mut data = packed.into_data();
        let packed = values(&mut data);
        rotate(packed, &layout, rope, Direction::Forward);
        let sequences = self.host(batch);
        let past = sequences[0][0].len() / layout.key_width();
        for (stored, rows) in sequences.iter_mut().zip(packed.chunks_exact(seq * layout.width())) {
            append(stored, rows, &layout);
        }
        let queries = Rows { values: packed, stride: layout.width(), from: 0 };
        let work = Segments::separate(batch, seq).blocks().into_iter().map(|block| {
            let [keys, values] = &sequences[block.rows.start / seq];
            let rows = |values| Rows { values, stride: layout.key_width(), from: 0 };
            let source = Source { queries, keys: rows(keys), values: rows(values) };
            Work { block: continued(block, past), source }
        });
        let (contexts, _) = forward(work.collect(), &layout);
        let shape = [batch, seq, layout.query_width()];
        Tensor::from_data(TensorData::new(contexts, shape), &device)
    }

    fn host(&mut self, batch: usize) -> &mut Vec<[Vec<f32>; 2]> {
        if matches!(self.0, Stored::Nothing) {
            self.0 = Stored::Host(vec![Default::default(); batch]);
        }
        let Stored::Host(sequences) = &mut self.0 else {
            unreachable!("a cache stays on the device of its model")
        };
        assert_eq!(sequences.len(), batch, "sequences in the cache");
        sequences
    }
}

fn append([keys, values]: &mut [Vec<f32>; 2], packed: &[f32], layout: &HeadLayout) {
    for row in packed.chunks_exact(layout.width()) {
        let (key, value) = row[layout.query_width()..].split_at(layout.key_width());
        keys.extend_from_slice(key);
        values.extend_from_slice(value);
    }
}

/// A block of new tokens behind `past` others, its keys counted from the sequence's first.
fn continued(block: Block, past: usize) -> Block {
    let position = past + block.position;
    let keys = position + block.rows.len();
    Block { rows: block.rows, spans: std::iter::once(0..keys).collect(), position }
}
