//! Log-likelihoods of a batch: the body once, the head only at rows that predict a scored token.

use burn::tensor::{Int, Tensor, TensorData};
use pycno_data::batch::ids_tensor;
use pycno_kernels::head::{TokenLoss, token_losses};
use pycno_model::Decoder;
use serde::{Deserialize, Serialize};

use crate::{
    batch::{Arrangement, Row},
    request::Request,
    tree::Tree,
};

/// What a model says to a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Likelihood {
    /// Loss of the continuation in nats: minus its log-likelihood.
    pub nats: f64,
    /// Whether every token of it was the likeliest.
    pub greedy: bool,
}

/// Rows that go through a model together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvalBatch<'a> {
    pub(crate) rows: &'a [Row<'a>],
    pub(crate) requests: &'a [&'a Request],
    pub(crate) arrangement: Arrangement,
}

/// Scores the requests of some rows, in the rows' order; logits exist for `chunk_rows` tokens at once.
pub(crate) fn batch(decoder: &Decoder, batch: EvalBatch<'_>, chunk_rows: usize) -> Vec<Likelihood> {
    let requests: Vec<&Request> =
        batch.rows.iter().flat_map(|row| row.requests.iter().map(|i| batch.requests[*i])).collect();
    let targets: Vec<u32> =
        requests.iter().flat_map(|request| request.targets()).copied().collect();
    let hidden = match batch.arrangement {
        Arrangement::Tree => tree_rows(decoder, batch),
        Arrangement::Padded => padded_rows(decoder, batch),
    };
    let losses = token_losses(&hidden, &decoder.head(), &targets, chunk_rows);
    let mut losses = losses.as_slice();
    requests.iter().map(|request| take(&mut losses, request.n_scored)).collect()
}

/// Hidden states that predict a scored token, request by request; shared beginnings are read once.
///
/// # Shapes
///
/// - output: `[scored tokens, d_model]`
fn tree_rows(decoder: &Decoder, batch: EvalBatch<'_>) -> Tensor<2> {
    let inputs: Vec<&[u32]> = batch.rows.iter().map(|row| row.inputs).collect();
    let tree = Tree::new(&inputs);
    let hidden = decoder.tree_hidden(&tree.ids, &tree.segments);
    let places = batch.rows.iter().enumerate().flat_map(|(i, row)| {
        let last = |n_scored| tree.last_rows(i, row.inputs.len(), n_scored);
        row.requests.iter().flat_map(|i| last(batch.requests[*i].n_scored)).collect::<Vec<_>>()
    });
    select(hidden, places)
}

/// The same, each row padded on the right to the longest, which a causal model never sees from a real token.
fn padded_rows(decoder: &Decoder, batch: EvalBatch<'_>) -> Tensor<2> {
    let device = decoder.device();
    let seq = batch.rows.iter().map(|row| row.inputs.len()).max().unwrap_or(0);
    let padded: Vec<Vec<u32>> = batch.rows.iter().map(|row| pad(row.inputs, seq)).collect();
    let padded: Vec<&[u32]> = padded.iter().map(Vec::as_slice).collect();
    let hidden = decoder.hidden(ids_tensor(&padded, &device));
    let [rows, seq, d_model] = hidden.dims();
    let places = batch.rows.iter().enumerate().flat_map(|(b, row)| {
        let end = b * seq + row.inputs.len();
        row.requests.iter().flat_map(move |i| end - batch.requests[*i].n_scored..end)
    });
    select(hidden.reshape([rows * seq, d_model]), places)
}

fn select(hidden: Tensor<2>, places: impl Iterator<Item = usize>) -> Tensor<2> {
    let places: Vec<i64> = places.map(|place| place as i64).collect();
    let n = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &hidden.device());
    hidden.select(0, places)
}

/// What stands in the padding does not matter; token 0 exists in every vocabulary.
fn pad(inputs: &[u32], seq: usize) -> Vec<u32> {
    let mut row = inputs.to_vec();
    row.resize(seq, 0);
    row
}

fn take(losses: &mut &[TokenLoss], n: usize) -> Likelihood {
    let (own, rest) = losses.split_at(n);
    *losses = rest;
    Likelihood {
        nats: own.iter().map(|loss| loss.nats).sum(),
        greedy: own.iter().all(|loss| loss.greedy),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, activation::log_softmax};

    use super::*;
    use crate::{batch::BatchPlan, fixture};

    /// Flex sums products of another shape in another order.
    const NOISE: f64 = 1e-5;

    fn request(ids: &[u32], n_scored: usize) -> Request {
        Request { ids: ids.to_vec(), n_scored, scored_bytes: 1, answer_chars: 1, answer_bytes: 1 }
    }

    /// The definition: one request alone, all logits, log-softmax, sum.
    fn plain(decoder: &Decoder, request: &Request) -> (f64, bool) {
        let device = Device::flex();
        let hidden = decoder.hidden(ids_tensor(&[request.inputs()], &device)).squeeze_dim::<2>(0);
        let log_probs = log_softmax(decoder.logits(hidden), 1);
        let [rows, vocab] = log_probs.dims();
        let values: Vec<f32> = log_probs.into_data().try_to_vec().unwrap();
        let first = rows - request.n_scored;
        let scored = request.targets().iter().enumerate().map(|(i, target)| {
            let row = &values[(first + i) * vocab..(first + i + 1) * vocab];
            let own = row[*target as usize];
            (f64::from(own), row.iter().all(|other| *other <= own))
        });
        scored.fold((0.0, true), |sum, one| (sum.0 - one.0, sum.1 && one.1))
    }

    #[test]
    fn a_padded_batch_gives_what_each_request_gives_alone() {
        let decoder = fixture::decoder(12);
        let requests = [
            request(&[1, 5, 7, 2], 2),
            request(&[1, 5, 7, 9], 1),
            request(&[4, 11], 1),
            request(&[1, 3, 3, 8, 6, 10, 2, 4], 5),
        ];
        check(&decoder, &requests, Arrangement::Tree);
        check(&decoder, &requests, Arrangement::Padded);
    }

    /// Scores all requests, and holds each to what it gets alone.
    #[track_caller]
    fn check(decoder: &Decoder, requests: &[Request], arrangement: Arrangement) {
        let all: Vec<&Request> = requests.iter().collect();
        let plan = BatchPlan::new(&all, 100, arrangement);
        let scores = (0..plan.batches.len()).flat_map(|i| {
            batch(decoder, EvalBatch { rows: plan.batch(i), requests: &all, arrangement }, 2)
        });
        let order = plan.rows.iter().flat_map(|row| &row.requests);
        for (i, score) in order.zip(scores) {
            let (nats, greedy) = plain(decoder, &requests[*i]);
            assert!((score.nats - nats).abs() < NOISE, "request {i}: {score:?}, plain {nats}");
            assert_eq!(score.greedy, greedy);
        }
    }

    #[test]
    fn choices_behind_one_context_are_scored_as_if_alone() {
        let decoder = fixture::decoder(12);
        let context = [1, 5, 7, 2, 3, 3, 8, 6, 10];
        let choice = |rest: &[u32]| [context.as_slice(), rest].concat();
        let requests = [&[4, 9][..], &[4, 9, 1], &[2], &[11, 2, 2, 5]]
            .map(|rest| request(&choice(rest), rest.len()));
        check(&decoder, &requests, Arrangement::Tree);
    }
}
