//! From log-likelihoods to results: an item's, a task's.

use std::collections::BTreeMap;

use pycno_data::hash::sha256_hex;
use pycno_record::TaskScore;
use pycno_units::{BitsPerByte, NatsPerToken, Score};
use serde::{Deserialize, Serialize};

use crate::{
    EvalError, Metric, Task, TaskItems, TaskKind,
    request::{EncodedItem, Request},
    score::Likelihood,
};

/// What came out of one item.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ItemResult {
    /// Row of the task's file, or window of its text, counted from 0.
    pub id: String,
    /// Paradigm or other group.
    pub stratum: Option<String>,
    /// The task's metric on this item: 1 or 0 for right or wrong, bits per byte of a window.
    pub score: f64,
    /// Loss of the right answer, nats.
    pub gold_nats: f64,
    /// Its tokens.
    pub gold_tokens: usize,
    /// UTF-8 bytes of the text scored as the right answer, delimiter included.
    pub gold_bytes: usize,
    /// Log-likelihood of every answer, nats.
    pub lls: Vec<f64>,
}

/// What came out of a task.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaskOutcome {
    /// Name of the task.
    pub task: String,
    /// Version of its definition.
    pub version: u32,
    /// What `ItemResult::score` is.
    pub metric: Metric,
    /// Items or windows of the whole task.
    pub n_available: usize,
    /// Hash of what was asked.
    pub prompts_hash: String,
    /// One entry an item, in the file's order.
    pub items: Vec<ItemResult>,
    /// Means of other metrics: percent, or a perplexity.
    pub also: BTreeMap<String, f64>,
}

/// Right or wrong on one item, three ways.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Correct {
    acc: bool,
    acc_norm: bool,
    acc_bytes: bool,
}

/// Turns the likelihoods of a task's requests, item by item, into its outcome.
pub(crate) fn outcome(
    items: &TaskItems,
    encoded: &[EncodedItem],
    n_available: usize,
    likelihoods: &[Vec<Likelihood>],
) -> TaskOutcome {
    let task = &items.task;
    let pairs = || encoded.iter().zip(likelihoods);
    let correct: Vec<Correct> =
        pairs().map(|(item, asked)| correct(&task.kind, item, asked)).collect();
    let results: Vec<ItemResult> = pairs()
        .zip(&correct)
        .map(|((item, asked), correct)| item_result(task.metric(), item, asked, *correct))
        .collect();
    let mut also = also(task, &results, &correct);
    if let Some(all) = task.drawn_from {
        also.insert("bits_kept".to_owned(), all as f64 * bits_known(&results));
    }
    TaskOutcome {
        task: task.name.clone(),
        version: task.version,
        metric: task.metric(),
        n_available,
        prompts_hash: items.prompts_hash.clone(),
        also,
        items: results,
    }
}

fn correct(kind: &TaskKind, item: &EncodedItem, asked: &[Likelihood]) -> Correct {
    let all = |hit| Correct { acc: hit, acc_norm: hit, acc_bytes: hit };
    match kind {
        TaskKind::BitsPerByte(_) => all(false),
        TaskKind::LastWord(_) => all(asked.iter().all(|likelihood| likelihood.greedy)),
        // DIFFERENCE: a tie is wrong, as in lm-evaluation-harness 0.3; 0.4 lets the first of equals win.
        TaskKind::MinimalPairs(_) => all(asked
            .iter()
            .enumerate()
            .all(|(i, other)| i == item.gold || asked[item.gold].nats < other.nats)),
        TaskKind::MultipleChoice(_) => {
            let best = |length: fn(&Request) -> usize| {
                let per = |(request, likelihood): (&Request, &Likelihood)| {
                    -likelihood.nats / length(request) as f64
                };
                first_maximum(item.requests.iter().zip(asked).map(per)) == Some(item.gold)
            };
            Correct {
                acc: best(|_| 1),
                acc_norm: best(|request| request.answer_chars),
                acc_bytes: best(|request| request.answer_bytes),
            }
        }
    }
}

/// Where the largest value is; the first of equals, as in `NumPy`.
fn first_maximum(values: impl Iterator<Item = f64>) -> Option<usize> {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    values.enumerate().reduce(larger).map(|(i, _)| i)
}

fn item_result(
    metric: Metric,
    item: &EncodedItem,
    asked: &[Likelihood],
    correct: Correct,
) -> ItemResult {
    let gold = &item.requests[item.gold];
    let gold_nats = asked[item.gold].nats;
    let score = match metric {
        Metric::Acc => f64::from(correct.acc),
        Metric::AccNorm => f64::from(correct.acc_norm),
        Metric::AccBytes => f64::from(correct.acc_bytes),
        Metric::BitsPerByte => BitsPerByte::from_nats(gold_nats, gold.scored_bytes).0,
    };
    ItemResult {
        id: item.id.clone(),
        stratum: item.stratum.clone(),
        score,
        gold_nats,
        gold_tokens: gold.n_scored,
        gold_bytes: gold.scored_bytes,
        lls: asked.iter().map(|likelihood| -likelihood.nats).collect(),
    }
}

fn also(task: &Task, results: &[ItemResult], correct: &[Correct]) -> BTreeMap<String, f64> {
    let percent = |hit: fn(&Correct) -> bool| {
        100.0 * correct.iter().filter(|correct| hit(correct)).count() as f64 / correct.len() as f64
    };
    let named = |metrics: &[(&str, f64)]| {
        metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    match &task.kind {
        TaskKind::BitsPerByte(_) => named(&[("perplexity", gold_loss(results).perplexity())]),
        // lm-evaluation-harness's perplexity: per item, not per token.
        TaskKind::LastWord(_) => {
            named(&[("perplexity", mean(results.iter().map(|item| item.gold_nats)).exp())])
        }
        TaskKind::MinimalPairs(_) => named(&[("acc_by_stratum", 100.0 * mean_of_strata(results))]),
        TaskKind::MultipleChoice(_) => named(&[
            ("acc", percent(|correct| correct.acc)),
            ("acc_norm", percent(|correct| correct.acc_norm)),
            ("acc_bytes", percent(|correct| correct.acc_bytes)),
        ]),
    }
}

fn mean_of_strata(results: &[ItemResult]) -> f64 {
    let mut strata: BTreeMap<&Option<String>, Vec<f64>> = BTreeMap::new();
    for item in results {
        strata.entry(&item.stratum).or_default().push(item.score);
    }
    mean(strata.values().map(|scores| mean(scores.iter().copied())))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Loss of the right answers: all their nats over all their tokens.
pub fn gold_loss(results: &[ItemResult]) -> NatsPerToken {
    let nats: f64 = results.iter().map(|item| item.gold_nats).sum();
    NatsPerToken(nats / results.iter().map(|item| item.gold_tokens).sum::<usize>() as f64)
}

/// Bits per byte of the right answers: all their bits over all their bytes.
pub fn gold_bits(results: &[ItemResult]) -> BitsPerByte {
    let nats: f64 = results.iter().map(|item| item.gold_nats).sum();
    BitsPerByte::from_nats(nats, results.iter().map(|item| item.gold_bytes).sum())
}

/// Standard error of a mean, `sample sd / sqrt(n)`; `None` for fewer than two values.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (n - 1.0) / n).sqrt())
}

/// The outcome as records hold it; the items go in by their hash.
///
/// # Errors
///
/// [`EvalError::Score`] if the mean is no share, as of an outcome without items.
pub fn task_score(outcome: &TaskOutcome) -> Result<TaskScore, EvalError> {
    let scores: Vec<f64> = outcome.items.iter().map(|item| item.score).collect();
    let scored = outcome.metric != Metric::BitsPerByte;
    let refused = |source| EvalError::Score { task: outcome.task.clone(), source };
    let score = scored.then(|| Score::from_share(mean(scores.iter().copied()))).transpose();
    Ok(TaskScore {
        task: outcome.task.clone(),
        version: outcome.version,
        metric: outcome.metric.name().to_owned(),
        n: outcome.items.len(),
        n_available: outcome.n_available,
        score: score.map_err(refused)?,
        stderr: standard_error(&scores).filter(|_| scored).map(|error| 100.0 * error),
        also: also_of(outcome),
        gold_loss: gold_loss(&outcome.items),
        gold_bits: gold_bits(&outcome.items),
        items_hash: sha256_hex(serde_json::json!(outcome.items).to_string().as_bytes()),
        prompts_hash: outcome.prompts_hash.clone(),
    })
}

/// The outcome's other metrics and, where items have several answers, `bits_known`.
fn also_of(outcome: &TaskOutcome) -> BTreeMap<String, f64> {
    let mut also = outcome.also.clone();
    if outcome.items.iter().all(|item| item.lls.len() > 1) {
        also.insert("bits_known".to_owned(), bits_known(&outcome.items));
    }
    also
}

/// What a model knows of the right answers beyond that each is one of those given: the mean of `log2 n + log2 p`, where
/// `p` is the right one's share among them. Over facts whose values are drawn evenly this is what the model has kept of
/// them (Allen-Zhu and Li 2024, [arXiv:2404.05405](https://arxiv.org/abs/2404.05405), section 3).
fn bits_known(items: &[ItemResult]) -> f64 {
    let of = |item: &ItemResult| {
        let top = item.lls.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = top + item.lls.iter().map(|ll| (ll - top).exp()).sum::<f64>().ln();
        (item.lls.len() as f64).log2() + (-item.gold_nats - all) / std::f64::consts::LN_2
    };
    mean(items.iter().map(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::builtin;

    fn likelihood(nats: f64, greedy: bool) -> Likelihood {
        Likelihood { nats, greedy }
    }

    /// An item whose answers have the given characters and bytes, two tokens each.
    fn item(gold: usize, stratum: &str, answers: &[(usize, usize)]) -> EncodedItem {
        let request = |(chars, bytes): &(usize, usize)| Request {
            ids: vec![1, 2, 3],
            n_scored: 2,
            scored_bytes: bytes + 1,
            answer_chars: *chars,
            answer_bytes: *bytes,
        };
        EncodedItem {
            id: "0".to_owned(),
            stratum: Some(stratum.to_owned()),
            gold,
            requests: answers.iter().map(request).collect(),
        }
    }

    #[track_caller]
    fn check_choice(answers: &[(usize, usize)], nats: &[f64], expect: [usize; 3]) {
        let kind = builtin("arc_easy").unwrap().kind;
        let asked: Vec<Likelihood> = nats.iter().map(|nats| likelihood(*nats, false)).collect();
        let wins = |gold| {
            let correct = correct(&kind, &item(gold, "", answers), &asked);
            [correct.acc, correct.acc_norm, correct.acc_bytes]
        };
        for gold in 0..answers.len() {
            assert_eq!(wins(gold), expect.map(|best| best == gold), "gold {gold}");
        }
    }

    #[test]
    fn the_three_accuracies_can_differ() {
        // Per answer: 2, 3, 4 nats; per character 2, 1.5, 1; per byte 1, 0.5, 1.
        check_choice(&[(1, 2), (2, 6), (4, 4)], &[2.0, 3.0, 4.0], [0, 2, 1]);
    }

    #[test]
    fn the_first_of_equals_wins() {
        check_choice(&[(1, 1), (1, 1)], &[2.0, 2.0], [0, 0, 0]);
        check_choice(&[(1, 1), (1, 1), (1, 1)], &[3.0, 2.0, 2.0], [1, 1, 1]);
    }

    #[test]
    fn a_minimal_pair_needs_the_good_sentence_to_be_likelier() {
        let kind = builtin("blimp").unwrap().kind;
        let hit = |good, bad| {
            let asked = [likelihood(good, true), likelihood(bad, true)];
            correct(&kind, &item(0, "", &[(1, 1), (1, 1)]), &asked).acc
        };
        assert!(hit(1.0, 2.0));
        assert!(!hit(2.0, 1.0) && !hit(1.0, 1.0));
    }

    fn outcome_of(task: &str, items: &[EncodedItem], asked: &[Vec<Likelihood>]) -> TaskOutcome {
        let items_of_task = TaskItems {
            task: builtin(task).unwrap(),
            file_sha256: String::new(),
            n_available: 99,
            items: vec![],
            window_limit: None,
            prompts_hash: "p".to_owned(),
            items_sha256: "i".to_owned(),
        };
        outcome(&items_of_task, items, 99, asked)
    }

    #[test]
    fn last_words_count_when_greedy_and_their_perplexity_is_per_item() {
        let items = [item(0, "", &[(5, 5)]), item(0, "", &[(9, 9)])];
        let asked = [vec![likelihood(1.0, true)], vec![likelihood(2.0, false)]];
        let score = task_score(&outcome_of("lambada_openai", &items, &asked)).unwrap();
        assert_eq!(score.score, Score::from_share(0.5).ok());
        assert!((score.also["perplexity"] - 1.5_f64.exp()).abs() < 1e-12);
        // 3 nats over 4 tokens and over 6 + 10 bytes.
        assert_eq!(score.gold_loss, NatsPerToken(0.75));
        assert!((score.gold_bits.0 - 3.0 / 16.0 / std::f64::consts::LN_2).abs() < 1e-12);
        assert_eq!((score.n, score.n_available, score.metric.as_str()), (2, 99, "acc"));
    }

    #[test]
    fn strata_weigh_the_same_however_many_items_they_have() {
        let pair = [(1, 1), (1, 1)];
        let items =
            [item(0, "a", &pair), item(0, "a", &pair), item(0, "a", &pair), item(0, "b", &pair)];
        let (right, wrong) = (
            vec![likelihood(1.0, false), likelihood(2.0, false)],
            vec![likelihood(2.0, false), likelihood(1.0, false)],
        );
        let asked = [right.clone(), right.clone(), right, wrong];
        let score = task_score(&outcome_of("blimp", &items, &asked)).unwrap();
        assert_eq!(score.score, Score::from_share(0.75).ok());
        assert!((score.also["acc_by_stratum"] - 50.0).abs() < 1e-12);
        // Sample variance of 1, 1, 1, 0 is 1/4; error 100 sqrt(1/16).
        assert!((score.stderr.unwrap() - 25.0).abs() < 1e-12);
    }

    #[test]
    fn a_text_has_a_loss_and_no_score() {
        let items = [item(0, "", &[(7, 7)]), item(0, "", &[(3, 3)])];
        let asked = [vec![likelihood(4.0, false)], vec![likelihood(2.0, false)]];
        let outcome = outcome_of("wikitext2_test", &items, &asked);
        let score = task_score(&outcome).unwrap();
        assert_eq!((score.score, score.stderr), (None, None));
        assert!((score.also["perplexity"] - 1.5_f64.exp()).abs() < 1e-12);
        assert!((outcome.items[0].score - 0.5 / std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn the_standard_error_is_the_harness_s() {
        // 1173 of 1319 right: 0.8893 +- 0.00864.
        let values: Vec<f64> = (0..1319).map(|i| f64::from(i < 1173)).collect();
        assert!((standard_error(&values).unwrap() - 0.00864).abs() < 5e-6);
        assert_eq!(standard_error(&[1.0]), None);
    }

    #[test]
    fn the_items_hash_sees_every_bit() {
        let hash = |nats: f64| {
            let asked = [vec![likelihood(nats, true)]];
            let outcome = outcome_of("lambada_openai", &[item(0, "", &[(1, 1)])], &asked);
            task_score(&outcome).unwrap().items_hash
        };
        assert_eq!(hash(0.1), hash(0.1));
        assert_ne!(hash(0.1), hash(0.1_f64.next_up()));
    }

    #[test]
    fn an_outcome_without_items_has_no_score() {
        let error = task_score(&outcome_of("blimp", &[], &[])).unwrap_err().to_string();
        assert_eq!(error, "task blimp: the score is out of range");
    }

    #[test]
    fn a_sample_tells_what_is_kept_of_all() {
        let items = [item(0, "", &[(1, 1); 4]), item(1, "", &[(1, 1); 4])];
        let knows = |gold: usize| -> Vec<Likelihood> {
            (0..4).map(|i| likelihood(if i == gold { 0.0 } else { 90.0 }, false)).collect()
        };
        let score = task_score(&outcome_of("lab_recall", &items, &[knows(0), knows(1)])).unwrap();
        assert!((score.also["bits_known"] - 2.0).abs() < 1e-9);
        let all = builtin("lab_recall").unwrap().drawn_from.unwrap();
        assert!((score.also["bits_kept"] - 2.0 * all as f64).abs() < 1e-6);
        // Of 64, 32, 16 and 8 values, by turns.
        let bits = pycno_data::lab::World::default().fact_bits();
        assert!((4.5 * all as f64 - bits).abs() < 1e-6);
        let score = task_score(&outcome_of("arc_easy", &items, &[knows(0), knows(1)])).unwrap();
        assert!(!score.also.contains_key("bits_kept"));
    }

    #[test]
    fn bits_known_are_none_for_a_guesser_and_all_for_a_knower() {
        let of = |lls: [f64; 4]| {
            bits_known(&[ItemResult {
                id: "0".to_owned(),
                stratum: None,
                score: 0.0,
                gold_nats: -lls[2],
                gold_tokens: 1,
                gold_bytes: 1,
                lls: lls.to_vec(),
            }])
        };
        assert!(of([-3.0; 4]).abs() < 1e-12);
        assert!((of([-90.0, -90.0, -1.0, -90.0]) - 2.0).abs() < 1e-12);
        // Half of what is left lies on the right one: one bit of two.
        let [half, rest] = [0.5_f64.ln(), (0.5_f64 / 3.0).ln()];
        assert!((of([rest, rest, half, rest]) - 1.0).abs() < 1e-12);
        assert!(of([0.0, -90.0, -90.0, -90.0]) < -100.0);
    }
}
