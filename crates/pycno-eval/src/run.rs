//! An evaluation: tasks to requests, requests to batches, batches through the model, likelihoods to outcomes.

use std::path::PathBuf;

use pycno_data::{Tokenizer, hash::sha256_hex};
use pycno_kernels::fusable;
use pycno_model::Decoder;

use crate::{
    EvalError, TaskItems, TaskOutcome,
    batch::{Arrangement, BatchPlan},
    journal::{JournalFile, bad_line},
    metrics,
    request::{self, Encoded, Request},
    score::{self, EvalBatch, Likelihood},
};

/// Version of how likelihoods are asked for and outcomes made of them; raised whenever either changes a number or a
/// file, so that what an earlier version left is computed anew.
pub const VERSION: u32 = 3;

/// How to go about it; no choice here moves a score beyond float noise.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalOptions {
    /// Tokens that the model reads at once, padding included.
    pub token_budget: usize,
    /// Rows of logits that exist at once.
    pub chunk_rows: usize,
    /// Where finished batches are kept; `None` to keep none.
    pub journal: Option<Journal>,
}

/// A journal on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// The file; created if absent.
    pub path: PathBuf,
    /// What the scores depend on beside the requests, such as the hash of the weights. A journal
    /// written under another is refused.
    pub key: String,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Batches finished.
    pub done: usize,
    /// Batches in all.
    pub total: usize,
}

impl Default for EvalOptions {
    /// 4,096 tokens keep two CPU cores busy; 256 rows of a 49k vocabulary are 50 MB.
    fn default() -> Self {
        Self { token_budget: 4096, chunk_rows: 256, journal: None }
    }
}

/// Scores a model on tasks, in their order. With a journal, batches finished by an earlier, killed
/// run are read back, not computed; the outcome is the same.
///
/// # Errors
///
/// An [`EvalError`] for an item that cannot be encoded, a loss that is not finite, or a journal that is
/// another evaluation's.
pub fn evaluate(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    tasks: &[TaskItems],
    options: &EvalOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<TaskOutcome>, EvalError> {
    let spec = decoder.spec();
    let encode = |task| request::encode(task, tokenizer, spec.max_positions);
    let encoded = tasks.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let prompts = Prompts { tasks, encoded: &encoded };
    prompts.check_vocabulary(spec.vocab)?;
    let requests: Vec<&Request> = prompts.requests().map(|(_, _, request)| request).collect();
    // Trees come in many shapes, and GPU kernels are tuned anew for each.
    let on_host = fusable(decoder.head().weight());
    let arrangement = if on_host { Arrangement::Tree } else { Arrangement::Padded };
    let plan = BatchPlan::new(&requests, options.token_budget, arrangement);
    let work = Work { decoder, prompts: &prompts, requests: &requests, plan: &plan, options };
    Ok(prompts.outcomes(work.run(progress)?))
}

struct Work<'a> {
    decoder: &'a Decoder,
    prompts: &'a Prompts<'a>,
    requests: &'a [&'a Request],
    plan: &'a BatchPlan<'a>,
    options: &'a EvalOptions,
}

impl Work<'_> {
    /// Likelihoods in the order of the requests.
    fn run(&self, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Likelihood>, EvalError> {
        let total = self.plan.batches.len();
        let (mut journal, mut finished) = self.journal()?;
        progress(Progress { done: finished.len(), total });
        for i in finished.len()..total {
            let rows = self.plan.batch(i);
            let chunk_rows = self.options.chunk_rows.max(1);
            let (requests, arrangement) = (self.requests, self.plan.arrangement);
            let batch = EvalBatch { rows, requests, arrangement };
            let scores = score::batch(self.decoder, batch, chunk_rows);
            self.check_finite(i, &scores)?;
            if let Some(journal) = &mut journal {
                journal.push(i, &scores)?;
            }
            finished.push(scores);
            progress(Progress { done: i + 1, total });
        }
        Ok(self.in_order(finished))
    }

    fn journal(&self) -> Result<(Option<JournalFile>, Vec<Vec<Likelihood>>), EvalError> {
        let Some(Journal { path, key }) = &self.options.journal else {
            return Ok((None, Vec::new()));
        };
        let (journal, finished) = JournalFile::open(path, &self.hash(key))?;
        let expected =
            |i: usize| self.plan.batch(i).iter().map(|row| row.requests.len()).sum::<usize>();
        let wrong = finished
            .iter()
            .enumerate()
            .find(|(i, scores)| *i >= self.plan.batches.len() || scores.len() != expected(*i));
        match wrong {
            Some((i, _)) => Err(bad_line(path, i + 2, "as many scores as the batch has requests")),
            None => Ok((Some(journal), finished)),
        }
    }

    fn check_finite(&self, batch: usize, scores: &[Likelihood]) -> Result<(), EvalError> {
        let asked = self.plan.batch(batch).iter().flat_map(|row| &row.requests);
        let wrong = asked.zip(scores).find(|(_, score)| !score.nats.is_finite());
        wrong.map_or(Ok(()), |(i, score)| Err(self.prompts.not_finite(*i, score.nats)))
    }

    /// Hash of all that decides which likelihood stands where in a journal.
    fn hash(&self, key: &str) -> String {
        let (arrangement, budget) = (self.plan.arrangement, self.options.token_budget);
        let mut bytes =
            format!("pycno-eval {VERSION}\n{key}\n{arrangement:?} {budget}\n").into_bytes();
        for request in self.requests {
            let sizes = [request.ids.len() as u64, request.n_scored as u64];
            bytes.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
            bytes.extend(request.ids.iter().flat_map(|id| id.to_le_bytes()));
        }
        sha256_hex(&bytes)
    }

    fn in_order(&self, finished: Vec<Vec<Likelihood>>) -> Vec<Likelihood> {
        let asked = self.plan.rows.iter().flat_map(|row| row.requests.iter().copied());
        let mut pairs: Vec<(usize, Likelihood)> =
            asked.zip(finished.into_iter().flatten()).collect();
        pairs.sort_by_key(|(i, _)| *i);
        pairs.into_iter().map(|(_, likelihood)| likelihood).collect()
    }
}

/// Requests with the names of their tasks and items.
struct Prompts<'a> {
    tasks: &'a [TaskItems],
    encoded: &'a [Encoded],
}

impl Prompts<'_> {
    fn requests(&self) -> impl Iterator<Item = (&str, &str, &Request)> {
        self.tasks.iter().zip(self.encoded).flat_map(|(task, encoded)| {
            let name = task.task.name.as_str();
            encoded.items.iter().flat_map(move |item| {
                item.requests.iter().map(move |request| (name, item.id.as_str(), request))
            })
        })
    }

    fn check_vocabulary(&self, vocab: usize) -> Result<(), EvalError> {
        let outside = self.requests().find_map(|(task, item, request)| {
            let token = request.ids.iter().find(|id| **id as usize >= vocab)?;
            Some((task.to_owned(), item.to_owned(), *token))
        });
        outside.map_or(Ok(()), |(task, item, token)| {
            Err(EvalError::Vocabulary { task, item, token, vocab })
        })
    }

    fn not_finite(&self, request: usize, nats: f64) -> EvalError {
        let names = self.requests().nth(request).map(|(task, item, _)| (task, item));
        let (task, item) = names.unwrap_or_default();
        EvalError::NotFinite { task: task.to_owned(), item: item.to_owned(), nats }
    }

    fn outcomes(&self, likelihoods: Vec<Likelihood>) -> Vec<TaskOutcome> {
        let mut rest = likelihoods.into_iter();
        let outcome = |(task, encoded): (&TaskItems, &Encoded)| {
            let per_item: Vec<Vec<Likelihood>> = encoded
                .items
                .iter()
                .map(|item| rest.by_ref().take(item.requests.len()).collect())
                .collect();
            metrics::outcome(task, &encoded.items, encoded.n_available, &per_item)
        };
        self.tasks.iter().zip(self.encoded).map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{broken_decoder, decoder, items_of, text_task, tokenizer};

    /// Flex sums products of another shape in another order.
    const NOISE: f64 = 1e-5;
    const WORDS: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn tasks() -> Vec<TaskItems> {
        let choices = items_of(&[
            ("a b", &[" c", " d", " e a"]),
            ("e d c b a b c", &[" a", " b"]),
            ("", &["a b c d", "d c b a"]),
        ]);
        vec![choices, text_task("a b c d e a b e d c b a a b", 4, None)]
    }

    fn run(tasks: &[TaskItems], options: &EvalOptions) -> Result<Vec<TaskOutcome>, EvalError> {
        evaluate(&decoder(8), &tokenizer(&WORDS, true), tasks, options, &mut |_| {})
    }

    fn options(token_budget: usize) -> EvalOptions {
        EvalOptions { token_budget, chunk_rows: 3, journal: None }
    }

    #[test]
    fn batch_size_and_order_do_not_change_a_score() {
        let mut reversed = tasks();
        reversed.reverse();
        let (one, many) =
            (run(&tasks(), &options(1)).unwrap(), run(&tasks(), &options(64)).unwrap());
        let mut other_order = run(&reversed, &options(20)).unwrap();
        other_order.reverse();
        let lls = |outcomes: &[TaskOutcome]| -> Vec<f64> {
            outcomes.iter().flat_map(|o| &o.items).flat_map(|item| item.lls.clone()).collect()
        };
        let (one, many, other_order) = (lls(&one), lls(&many), lls(&other_order));
        assert_eq!((one.len(), many.len(), other_order.len()), (10, 10, 10));
        for (i, ll) in one.iter().enumerate() {
            assert!((ll - many[i]).abs() < NOISE && (ll - other_order[i]).abs() < NOISE);
        }
    }

    #[test]
    fn a_run_cut_anywhere_ends_as_one_that_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Some(Journal { path: path.clone(), key: "weights".to_owned() });
        let options = EvalOptions { journal, ..options(8) };
        let whole = run(&tasks(), &options).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for len in (0..bytes.len()).step_by(bytes.len() / 7) {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let resumed = run(&tasks(), &options).unwrap();
            assert_eq!(resumed, whole, "cut at {len}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn finished_batches_are_not_computed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Some(Journal { path, key: "weights".to_owned() });
        let options = EvalOptions { journal, ..options(8) };
        let mut seen = Vec::new();
        for _ in 0..2 {
            let tokenizer = tokenizer(&WORDS, true);
            let mut note = |progress| seen.push(progress);
            evaluate(&decoder(8), &tokenizer, &tasks(), &options, &mut note).unwrap();
        }
        let total = seen[0].total;
        assert!(total > 3);
        let expect: Vec<Progress> =
            (0..=total).chain([total]).map(|done| Progress { done, total }).collect();
        assert_eq!(seen, expect);
    }

    #[test]
    fn a_journal_of_other_weights_or_other_batches_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let with = |key: &str, budget| {
            let journal = Some(Journal { path: path.clone(), key: key.to_owned() });
            run(&tasks(), &EvalOptions { journal, ..options(budget) })
        };
        with("weights", 8).unwrap();
        assert!(matches!(with("others", 8), Err(EvalError::OtherJournal { .. })));
        assert!(matches!(with("weights", 9), Err(EvalError::OtherJournal { .. })));
    }

    #[test]
    fn a_loss_that_is_not_finite_stops_the_run_and_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Some(Journal { path: path.clone(), key: "weights".to_owned() });
        let options = EvalOptions { journal, ..options(8) };
        let (decoder, tokenizer) = (broken_decoder(8), tokenizer(&WORDS, true));
        let run = evaluate(&decoder, &tokenizer, &tasks(), &options, &mut |_| {});
        let message = run.unwrap_err().to_string();
        assert!(
            message.contains("task arc_easy item 0: the model's loss must be finite"),
            "{message}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_token_without_an_embedding_is_named() {
        let tokenizer = tokenizer(&WORDS, true);
        let run = evaluate(&decoder(7), &tokenizer, &tasks(), &options(8), &mut |_| {});
        let message = run.unwrap_err().to_string();
        assert!(message.contains("token 7 is outside the model's vocabulary of 7"), "{message}");
    }
}
