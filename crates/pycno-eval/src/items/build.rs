//! Items from the rows of a task's file.

use std::path::Path;

use serde_json::Value;

use super::{
    Item, Pair,
    table::{Row, rows},
    template::fill,
};
use crate::{
    EvalError, Task, TaskKind,
    task::{LastWordTask, MinimalPairsTask, MultipleChoiceTask},
};

/// All items of a file, in order.
pub(crate) fn items(task: &Task, path: &Path, text: &str) -> Result<Vec<Item>, EvalError> {
    if matches!(task.kind, TaskKind::BitsPerByte(_)) {
        let whole = pair(String::new(), text.to_owned());
        let item = Item { id: "0".to_owned(), stratum: None, gold: 0, pairs: vec![whole] };
        return Ok(if text.is_empty() { vec![] } else { vec![item] });
    }
    rows(path, text)?.iter().enumerate().map(|(i, row)| item(&task.kind, i, row)).collect()
}

fn item(kind: &TaskKind, i: usize, row: &Row<'_>) -> Result<Item, EvalError> {
    let (stratum, gold, pairs) = match kind {
        TaskKind::MultipleChoice(kind) => choices(kind, row)?,
        TaskKind::LastWord(kind) => {
            (stratum(kind.stratum.as_ref(), row)?, 0, vec![last_word(kind, row)?])
        }
        TaskKind::MinimalPairs(kind) => minimal_pair(kind, row)?,
        TaskKind::BitsPerByte(_) => (None, 0, Vec::new()),
    };
    Ok(Item { id: i.to_string(), stratum, gold, pairs })
}

fn pair(context: String, continuation: String) -> Pair {
    Pair { context, answer: continuation.clone(), continuation }
}

fn filled(template: &str, row: &Row<'_>) -> Result<String, EvalError> {
    fill(template, |name| row.text(name).map(str::to_owned))
}

fn choices(
    kind: &MultipleChoiceTask,
    row: &Row<'_>,
) -> Result<(Option<String>, usize, Vec<Pair>), EvalError> {
    let context = filled(&kind.context, row)?;
    let value = row.column(&kind.choices)?;
    let choices =
        value.as_array().ok_or_else(|| row.refuse("a list of choices", value.to_string()))?;
    if choices.is_empty() {
        return Err(row.refuse("at least one choice", "none"));
    }
    let choice = |value: &Value| {
        let answer =
            value.as_str().ok_or_else(|| row.refuse("a choice in text", value.to_string()))?;
        if answer.is_empty() {
            return Err(row.refuse("a choice in text", "an empty choice"));
        }
        let continuation = fill(&kind.continuation, |name| match name {
            "choice" => Ok(answer.to_owned()),
            name => row.text(name).map(str::to_owned),
        })?;
        Ok(Pair { context: context.clone(), continuation, answer: answer.to_owned() })
    };
    let pairs = choices.iter().map(choice).collect::<Result<Vec<_>, _>>()?;
    Ok((stratum(kind.stratum.as_ref(), row)?, gold(kind, row, pairs.len())?, pairs))
}

fn stratum(column: Option<&String>, row: &Row<'_>) -> Result<Option<String>, EvalError> {
    column.map(|column| row.text(column).map(str::to_owned)).transpose()
}

fn gold(kind: &MultipleChoiceTask, row: &Row<'_>, n: usize) -> Result<usize, EvalError> {
    let value = row.column(&kind.gold)?;
    let gold = value.as_u64().and_then(|gold| usize::try_from(gold).ok());
    gold.filter(|gold| *gold < n)
        .ok_or_else(|| row.refuse(format!("a gold below {n}"), value.to_string()))
}

fn last_word(kind: &LastWordTask, row: &Row<'_>) -> Result<Pair, EvalError> {
    Ok(pair(filled(&kind.context, row)?, filled(&kind.continuation, row)?))
}

fn minimal_pair(
    kind: &MinimalPairsTask,
    row: &Row<'_>,
) -> Result<(Option<String>, usize, Vec<Pair>), EvalError> {
    let sentence = |template: &str| Ok(pair(String::new(), filled(template, row)?));
    let stratum = row.text(&kind.stratum)?.to_owned();
    Ok((Some(stratum), 0, vec![sentence(&kind.good)?, sentence(&kind.bad)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::builtin;

    #[track_caller]
    fn check(task: &str, text: &str, expect: &[(&str, &str)]) {
        let task = builtin(task).unwrap();
        let items = items(&task, Path::new(&task.file), text).unwrap();
        let pairs: Vec<(&str, &str)> = items
            .iter()
            .flat_map(|item| &item.pairs)
            .map(|pair| (pair.context.as_str(), pair.continuation.as_str()))
            .collect();
        assert_eq!(pairs, expect);
    }

    #[test]
    fn prompts_are_those_of_the_harness() {
        check(
            "arc_easy",
            r#"{"choices": ["a", "b"], "query": "Question: Why?", "gold": 1}"#,
            &[("Question: Why?\nAnswer:", " a"), ("Question: Why?\nAnswer:", " b")],
        );
        check(
            "piqa",
            r#"{"choices": ["a"], "gold": 0, "query": "Question: ice box\n"}"#,
            &[("Question: ice box\nAnswer:", " a")],
        );
        check(
            "lambada_openai",
            r#"{"context": "don't care about", "continuation": "signs"}"#,
            &[("don't care about", " signs")],
        );
        check("wikitext2_test", "a text", &[("", "a text")]);
        check("blimp", "uid\tgood\tbad\nu\tI am.\tI is.\n", &[("", "I am."), ("", "I is.")]);
    }
}
