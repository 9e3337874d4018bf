//! Inputs as a tree: a beginning that several share is one segment, read once.

use pycno_kernels::attention::Segments;

/// Beginnings are shared in steps of so many tokens: shorter segments cost more than they save.
const STEP: usize = 8;

/// A batch of inputs as segments.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The token of every row.
    pub(crate) ids: Vec<u32>,
    pub(crate) segments: Segments,
    /// The segment that each input ends in.
    pub(crate) leaves: Vec<usize>,
}

/// Tokens of the beginning of two inputs that become one segment.
pub(crate) fn shared(a: &[u32], b: &[u32]) -> usize {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    common / STEP * STEP
}

impl Tree {
    /// Builds the tree of distinct inputs in lexicographic order.
    pub(crate) fn new(inputs: &[&[u32]]) -> Self {
        let mut tree = Self::default();
        tree.grow(inputs, 0, None);
        tree
    }

    /// The rows of an input's last `n` tokens.
    pub(crate) fn last_rows(&self, input: usize, len: usize, n: usize) -> Vec<usize> {
        (len - n..len).map(|position| self.segments.row(self.leaves[input], position)).collect()
    }

    /// Adds inputs that share their first `read` tokens, which end in `parent`.
    fn grow(&mut self, inputs: &[&[u32]], read: usize, parent: Option<usize>) {
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return };
        if inputs.len() == 1 {
            let leaf = self.push(&first[read..], parent);
            self.leaves.extend(leaf);
            return;
        }
        let common = shared(first, last);
        if common > read {
            let parent = self.push(&first[read..common], parent);
            return self.grow(inputs, common, parent);
        }
        for group in inputs.chunk_by(|a, b| shared(a, b) > read) {
            self.grow(group, read, parent);
        }
    }

    /// The new segment, or the parent if nothing is left to read.
    fn push(&mut self, ids: &[u32], parent: Option<usize>) -> Option<usize> {
        if ids.is_empty() {
            return parent;
        }
        self.ids.extend_from_slice(ids);
        Some(self.segments.push(ids.len(), parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs as read back from the tree, token by token.
    fn read_back(inputs: &[Vec<u32>]) -> (usize, Vec<Vec<u32>>) {
        let slices: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
        let tree = Tree::new(&slices);
        let input = |i: usize| {
            let rows = tree.last_rows(i, inputs[i].len(), inputs[i].len());
            rows.into_iter().map(|row| tree.ids[row]).collect()
        };
        (tree.segments.rows(), (0..inputs.len()).map(input).collect())
    }

    #[track_caller]
    fn check(mut inputs: Vec<Vec<u32>>, rows: usize) {
        inputs.sort();
        let (found, back) = read_back(&inputs);
        assert_eq!(back, inputs);
        assert_eq!(found, rows);
        let pairs = inputs.windows(2).map(|pair| shared(&pair[0], &pair[1]));
        let all: usize = inputs.iter().map(Vec::len).sum();
        assert_eq!(rows, all - pairs.sum::<usize>(), "what a plan counts");
    }

    fn with(context: &[u32], rest: &[u32]) -> Vec<u32> {
        [context, rest].concat()
    }

    #[test]
    fn shared_beginnings_are_stored_once() {
        let (a, b): (Vec<u32>, Vec<u32>) = ((0..16).collect(), (50..60).collect());
        check(vec![vec![1, 2, 3]], 3);
        check(vec![with(&a, &[1, 2]), with(&a, &[3]), with(&b, &[1])], 16 + 3 + 11);
        // A beginning that is an input itself, and a second fork behind the first.
        let longer = with(&a, &(70..80).collect::<Vec<_>>());
        let leaves = [with(&longer, &[5]), with(&longer, &[6])];
        check([vec![a, longer], leaves.to_vec()].concat(), 16 + 8 + 2 + 3 + 3);
        // Less than a step in common is not shared.
        check(vec![vec![1, 2, 3], vec![1, 2, 4]], 6);
    }
}
