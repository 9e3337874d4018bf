//! The order of work: every distinct input once, in batches of a token budget.

use std::{collections::BTreeMap, ops::Range};

use crate::{request::Request, tree};

/// An input and the requests that read it (several, where only the last token differs).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) inputs: &'a [u32],
    pub(crate) requests: Vec<usize>,
}

/// How the rows of a batch go through the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrangement {
    /// As a tree: what rows share at their beginning is read once, nothing is padded.
    Tree,
    /// Side by side, padded to the longest: the shapes that GPU kernels are tuned for.
    Padded,
}

/// Batches over all requests of an evaluation.
#[derive(Debug)]
pub(crate) struct BatchPlan<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) batches: Vec<Range<usize>>,
    pub(crate) arrangement: Arrangement,
}

/// A batch being filled.
#[derive(Clone, Copy, Default)]
struct Filling {
    rows: usize,
    /// Tokens of the rows.
    used: usize,
    /// Tokens that the model reads.
    read: usize,
}

impl<'a> BatchPlan<'a> {
    /// Sorts and fills batches up to `budget` tokens that the model reads; an input longer than that is
    /// a batch of its own. Of padded batches less than a twentieth is padding.
    pub(crate) fn new(requests: &[&'a Request], budget: usize, arrangement: Arrangement) -> Self {
        let mut by_inputs: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
        for (i, request) in requests.iter().enumerate() {
            by_inputs.entry(request.inputs()).or_default().push(i);
        }
        // In this order neighbors share most.
        let mut rows: Vec<Row<'a>> =
            by_inputs.into_iter().map(|(inputs, requests)| Row { inputs, requests }).collect();
        if arrangement == Arrangement::Padded {
            rows.sort_by_key(|row| (row.inputs.len(), row.requests[0]));
        }
        let (mut batches, mut start, mut filling) = (Vec::new(), 0, Filling::default());
        for (end, row) in rows.iter().enumerate() {
            let before = (end > start).then(|| rows[end - 1].inputs);
            let filled = filling.with(row.inputs, before, arrangement);
            if end > start && filled.is_over(budget) {
                batches.push(start..end);
                start = end;
                filling = Filling::default().with(row.inputs, None, arrangement);
            } else {
                filling = filled;
            }
        }
        if start < rows.len() {
            batches.push(start..rows.len());
        }
        Self { rows, batches, arrangement }
    }

    /// The rows of a batch.
    pub(crate) fn batch(&self, i: usize) -> &[Row<'a>] {
        &self.rows[self.batches[i].clone()]
    }
}

impl Filling {
    fn with(self, inputs: &[u32], before: Option<&[u32]>, arrangement: Arrangement) -> Self {
        let rows = self.rows + 1;
        let read = match arrangement {
            Arrangement::Tree => {
                let shared = before.map_or(0, |before| tree::shared(before, inputs));
                self.read + inputs.len() - shared
            }
            // Sorted by length: this row is the batch's longest.
            Arrangement::Padded => rows * inputs.len(),
        };
        Self { rows, used: self.used + inputs.len(), read }
    }

    const fn is_over(self, budget: usize) -> bool {
        let padding = self.read.saturating_sub(self.used);
        self.read > budget || padding * 20 >= self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ids: &[u32], n_scored: usize) -> Request {
        Request { ids: ids.to_vec(), n_scored, scored_bytes: 1, answer_chars: 1, answer_bytes: 1 }
    }

    fn plan(requests: &[Request], budget: usize, arrangement: Arrangement) -> Vec<Vec<Vec<usize>>> {
        let requests: Vec<&Request> = requests.iter().collect();
        let plan = BatchPlan::new(&requests, budget, arrangement);
        let batch = |i| plan.batch(i).iter().map(|row| row.requests.clone()).collect();
        (0..plan.batches.len()).map(batch).collect()
    }

    #[test]
    fn equal_inputs_are_read_once() {
        let requests = [request(&[1, 2, 3], 1), request(&[1, 2, 4], 1), request(&[1, 5, 3], 1)];
        for arrangement in [Arrangement::Tree, Arrangement::Padded] {
            assert_eq!(plan(&requests, 100, arrangement), [[vec![0, 1], vec![2]]]);
        }
    }

    #[test]
    fn padded_batches_keep_to_the_budget_padding_included() {
        // Inputs of length 1, 1, 2, 3; one of 2 beside one of 1 would be a quarter padding.
        let requests = [
            request(&[1, 2, 3, 9], 1),
            request(&[4, 9], 1),
            request(&[5, 9], 1),
            request(&[6, 7, 9], 1),
        ];
        let expect = [vec![vec![1], vec![2]], vec![vec![3]], vec![vec![0]]];
        assert_eq!(plan(&requests, 6, Arrangement::Padded), expect);
        assert_eq!(plan(&requests, 1, Arrangement::Padded).len(), 4);
        assert!(plan(&[], 6, Arrangement::Padded).is_empty());
    }

    #[test]
    fn trees_keep_to_the_budget_and_count_what_is_shared_once() {
        let context: Vec<u32> = (0..32).collect();
        let choices: Vec<Request> =
            (0..4).map(|i| request(&[context.as_slice(), &[40 + i, 50, 60]].concat(), 2)).collect();
        // 32 tokens of context and four times two; the last token is a target only.
        assert_eq!(plan(&choices, 40, Arrangement::Tree).len(), 1);
        assert_eq!(plan(&choices, 39, Arrangement::Tree).len(), 2);
        assert_eq!(plan(&choices, 1, Arrangement::Tree).len(), 4);
    }

    #[test]
    fn padding_of_mixed_lengths_stays_below_a_twentieth() {
        let requests: Vec<Request> = (0..2000_u32)
            .map(|i| request(&(i..i + 20 + i * 7 % 60).collect::<Vec<_>>(), 1))
            .collect();
        let all: Vec<&Request> = requests.iter().collect();
        let plan = BatchPlan::new(&all, 4096, Arrangement::Padded);
        for i in 0..plan.batches.len() {
            let lengths = plan.batch(i).iter().map(|row| row.inputs.len());
            let (used, longest): (usize, usize) = (lengths.clone().sum(), lengths.max().unwrap());
            let read = longest * plan.batch(i).len();
            assert!((read - used) * 20 < read, "{read} tokens with padding, {used} without");
        }
    }
}
