//! Which rows of a pass see which: sequences side by side, or a tree of them that share their beginnings.

use std::ops::Range;

/// Queries handled at a time: enough rows for a matrix product, few enough that scores stay in the cache.
const BLOCK: usize = 64;

/// Sequences that share beginnings, each stored once: the rows of all segments one after another, in one
/// batch of one.
///
/// A segment continues its parent, so a token sees all tokens of the segments above its own and those
/// before it in its own.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Segments(Vec<Segment>);

/// A run of tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Segment {
    rows: Range<usize>,
    parent: Option<usize>,
    /// Position of the first token in its sequence.
    position: usize,
}

impl Segments {
    /// Appends a segment of so many tokens and gives its index.
    ///
    /// # Panics
    ///
    /// If `parent` is not the index of an earlier segment.
    pub fn push(&mut self, len: usize, parent: Option<usize>) -> usize {
        let position = parent.map_or(0, |parent| {
            let parent = &self.0[parent];
            parent.position + parent.rows.len()
        });
        let start = self.rows();
        self.0.push(Segment { rows: start..start + len, parent, position });
        self.0.len() - 1
    }

    /// Tokens in all segments.
    pub fn rows(&self) -> usize {
        self.0.last().map_or(0, |segment| segment.rows.end)
    }

    /// The rows of a segment.
    ///
    /// # Panics
    ///
    /// If there is no such segment.
    pub fn rows_of(&self, segment: usize) -> Range<usize> {
        self.0[segment].rows.clone()
    }

    /// The row of the token at some position of the sequence that ends in a segment.
    ///
    /// # Panics
    ///
    /// If the sequence is shorter.
    pub fn row(&self, segment: usize, position: usize) -> usize {
        let mut at = &self.0[segment];
        while let (true, Some(parent)) = (position < at.position, at.parent) {
            at = &self.0[parent];
        }
        let row = at.rows.start + position - at.position;
        assert!(at.rows.contains(&row), "position {position} of a shorter sequence");
        row
    }

    /// The position of every row in its sequence.
    pub fn positions(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.0.iter().flat_map(|segment| {
            let start = segment.position;
            start..start + segment.rows.len()
        })
    }

    /// The rows that precede a segment in its sequence, from the first token on.
    pub(crate) fn before(&self, segment: usize) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        let mut at = self.0[segment].parent;
        while let Some(above) = at {
            spans.push(self.0[above].rows.clone());
            at = self.0[above].parent;
        }
        spans.reverse();
        spans
    }

    /// The number of segments.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every segment is a sequence of its own.
    pub(crate) fn share_nothing(&self) -> bool {
        self.0.iter().all(|segment| segment.parent.is_none())
    }

    /// So many sequences of one length, none sharing anything.
    pub(crate) fn separate(batch: usize, seq: usize) -> Self {
        let mut segments = Self::default();
        for _ in 0..batch {
            segments.push(seq, None);
        }
        segments
    }

    /// All queries in blocks, row after row.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        (0..self.len()).flat_map(|i| self.blocks_of(i)).collect()
    }

    /// The queries of one segment in blocks.
    pub(crate) fn blocks_of(&self, segment: usize) -> Vec<Block> {
        let Segment { rows, position, .. } = &self.0[segment];
        let before = self.before(segment);
        let block = |from: usize| {
            let to = rows.end.min(from + BLOCK);
            let spans = before.iter().cloned().chain(std::iter::once(rows.start..to));
            Block { rows: from..to, spans: spans.collect(), position: position + from - rows.start }
        };
        rows.clone().step_by(BLOCK).map(block).collect()
    }
}

/// Consecutive queries of one segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Block {
    /// Their rows.
    pub(crate) rows: Range<usize>,
    /// Rows of the keys, first token of the sequence first, up to the last query.
    pub(crate) spans: Vec<Range<usize>>,
    /// The first query's position in its sequence.
    pub(crate) position: usize,
}

impl Block {
    /// Keys that the last query sees if nothing limits it.
    pub(crate) fn keys(&self) -> usize {
        self.spans.iter().map(ExactSizeIterator::len).sum()
    }

    /// The keys, by position, that the block's query `i` sees.
    pub(crate) fn seen(&self, i: usize, window: Option<usize>) -> Range<usize> {
        let end = self.position + i + 1;
        window.map_or(0, |window| end.saturating_sub(window))..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_positions_and_spans() {
        let mut segments = Segments::default();
        let root = segments.push(3, None);
        let left = segments.push(2, Some(root));
        segments.push(1, Some(root));
        segments.push(2, Some(left));
        segments.push(1, None);
        let positions: Vec<usize> = segments.positions().collect();
        assert_eq!(positions, [0, 1, 2, 3, 4, 3, 5, 6, 0]);
        assert_eq!(segments.before(3), [0..3, 3..5]);
        assert!(!segments.share_nothing() && Segments::separate(2, 3).share_nothing());
        assert_eq!((segments.rows(), segments.rows_of(2)), (9, 5..6));
        assert_eq!([0, 4, 6].map(|position| segments.row(3, position)), [0, 4, 7]);
        let block = &segments.blocks_of(3)[0];
        assert_eq!((block.keys(), block.position), (7, 5));
        assert_eq!((block.seen(0, None), block.seen(1, Some(3))), (0..6, 4..7));
    }

    #[test]
    fn long_sequences_come_in_blocks_that_see_no_further_than_themselves() {
        let blocks = Segments::separate(2, BLOCK + 1).blocks();
        assert_eq!(blocks.len(), 4);
        assert_eq!((blocks[0].keys(), blocks[1].keys()), (BLOCK, BLOCK + 1));
        assert_eq!(
            (blocks[3].rows.clone(), blocks[3].position),
            (2 * BLOCK + 1..2 * BLOCK + 2, BLOCK)
        );
    }
}
