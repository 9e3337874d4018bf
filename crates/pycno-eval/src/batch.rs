//! The order of work: every distinct input once, sorted by length, in batches of a token budget.

use std::{collections::BTreeMap, ops::Range};

use crate::request::Request;

/// An input and the requests that read it (several, where only the last token differs).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row<'a> {
    pub(crate) inputs: &'a [u32],
    pub(crate) requests: Vec<usize>,
}

/// Batches over all requests of an evaluation.
#[derive(Debug)]
pub(crate) struct BatchPlan<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) batches: Vec<Range<usize>>,
}

impl<'a> BatchPlan<'a> {
    /// Sorts by length, then by first request, and fills batches to `budget` tokens, padding
    /// included; an input longer than that is a batch of its own.
    pub(crate) fn new(requests: &[&'a Request], budget: usize) -> Self {
        let mut by_inputs: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
        for (i, request) in requests.iter().enumerate() {
            by_inputs.entry(request.inputs()).or_default().push(i);
        }
        let mut rows: Vec<Row<'a>> =
            by_inputs.into_iter().map(|(inputs, requests)| Row { inputs, requests }).collect();
        rows.sort_by_key(|row| (row.inputs.len(), row.requests[0]));
        let mut batches = Vec::new();
        let mut start = 0;
        for (end, row) in rows.iter().enumerate() {
            // Sorted by length: this row is the batch's longest.
            if end > start && (end + 1 - start) * row.inputs.len() > budget {
                batches.push(start..end);
                start = end;
            }
        }
        if start < rows.len() {
            batches.push(start..rows.len());
        }
        Self { rows, batches }
    }

    /// The rows of a batch.
    pub(crate) fn batch(&self, i: usize) -> &[Row<'a>] {
        &self.rows[self.batches[i].clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ids: &[u32], n_scored: usize) -> Request {
        Request { ids: ids.to_vec(), n_scored, scored_bytes: 1, answer_chars: 1, answer_bytes: 1 }
    }

    fn planned(requests: &[Request], budget: usize) -> Vec<Vec<Vec<usize>>> {
        let requests: Vec<&Request> = requests.iter().collect();
        let plan = BatchPlan::new(&requests, budget);
        let batch = |i| plan.batch(i).iter().map(|row| row.requests.clone()).collect();
        (0..plan.batches.len()).map(batch).collect()
    }

    #[test]
    fn equal_inputs_are_read_once() {
        let requests = [request(&[1, 2, 3], 1), request(&[1, 2, 4], 1), request(&[1, 5, 3], 1)];
        assert_eq!(planned(&requests, 100), [[vec![0, 1], vec![2]]]);
    }

    #[test]
    fn batches_keep_to_the_budget_padding_included() {
        // Inputs of length 1, 1, 2, 3: three rows of 2 are 6 tokens, four of 3 would be 12.
        let requests = [
            request(&[1, 2, 3, 9], 1),
            request(&[4, 9], 1),
            request(&[5, 9], 1),
            request(&[6, 7, 9], 1),
        ];
        assert_eq!(planned(&requests, 6), [vec![vec![1], vec![2], vec![3]], vec![vec![0]]]);
        assert_eq!(planned(&requests, 1).len(), 4);
        assert!(planned(&[], 6).is_empty());
    }

    #[test]
    fn padding_of_mixed_lengths_stays_below_a_tenth() {
        let requests: Vec<Request> = (0..2000_u32)
            .map(|i| request(&(i..i + 20 + i * 7 % 60).collect::<Vec<_>>(), 1))
            .collect();
        let all: Vec<&Request> = requests.iter().collect();
        let plan = BatchPlan::new(&all, 4096);
        let used: usize = plan.rows.iter().map(|row| row.inputs.len()).sum();
        let padded: usize = (0..plan.batches.len())
            .map(|i| {
                plan.batch(i).len()
                    * plan.batch(i).iter().map(|row| row.inputs.len()).max().unwrap()
            })
            .sum();
        assert!(padded * 10 < used * 11, "{padded} tokens with padding, {used} without");
    }
}
