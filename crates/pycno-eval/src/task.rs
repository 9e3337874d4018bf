//! A task is data: where its items are, how a prompt is made of them, what counts as right.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::EvalError;

/// The tasks that come with pycno, by name.
const BUILTIN: [(&str, &str); 16] = [
    ("arc_challenge", include_str!("../../../configs/tasks/arc_challenge.toml")),
    ("arc_easy", include_str!("../../../configs/tasks/arc_easy.toml")),
    ("blimp", include_str!("../../../configs/tasks/blimp.toml")),
    ("copa", include_str!("../../../configs/tasks/copa.toml")),
    ("lab_arithmetic", include_str!("../../../configs/tasks/lab_arithmetic.toml")),
    ("lab_arithmetic_steps", include_str!("../../../configs/tasks/lab_arithmetic_steps.toml")),
    ("lab_facts", include_str!("../../../configs/tasks/lab_facts.toml")),
    ("lab_facts_steps", include_str!("../../../configs/tasks/lab_facts_steps.toml")),
    ("lab_programs", include_str!("../../../configs/tasks/lab_programs.toml")),
    ("lab_programs_steps", include_str!("../../../configs/tasks/lab_programs_steps.toml")),
    ("lab_recall", include_str!("../../../configs/tasks/lab_recall.toml")),
    ("lab_tracking", include_str!("../../../configs/tasks/lab_tracking.toml")),
    ("lab_tracking_steps", include_str!("../../../configs/tasks/lab_tracking_steps.toml")),
    ("lambada_openai", include_str!("../../../configs/tasks/lambada_openai.toml")),
    ("piqa", include_str!("../../../configs/tasks/piqa.toml")),
    ("wikitext2_test", include_str!("../../../configs/tasks/wikitext2_test.toml")),
];

/// The definition of a task; its texts lie in the data folder.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name, as in lm-evaluation-harness where it has the task.
    pub name: String,
    /// Counted up whenever a change of the definition can move a score.
    pub version: u32,
    /// The items, relative to the data folder; `lab:NAME` are made from the lab's world.
    pub file: String,
    /// What guessing scores, percent; absent for a task that only has a loss.
    #[serde(default)]
    pub chance: Option<f64>,
    /// How many such items there are in all, if these were drawn from more: then what is known of these tells
    /// what is kept of all, in bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn_from: Option<u64>,
    /// License of the texts.
    pub license: String,
    /// How items become prompts and prompts a score.
    pub kind: TaskKind,
}

/// What an item is. Prompt pieces are templates: `{name}` stands for that column of the item.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// A text, scored window by window.
    BitsPerByte(BitsPerByteTask),
    /// A question with several answers, the likeliest of which is taken.
    MultipleChoice(MultipleChoiceTask),
    /// A context whose last word must be the likeliest at every token.
    LastWord(LastWordTask),
    /// Two sentences, the good one of which must be likelier.
    MinimalPairs(MinimalPairsTask),
}

/// Windows over a text.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BitsPerByteTask {
    /// Tokens a window: that many inputs, and as many next tokens scored.
    pub window: usize,
}

/// A question and its answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MultipleChoiceTask {
    /// Template of the prompt.
    pub context: String,
    /// Template of an answer; `{choice}` is one of the choices.
    pub continuation: String,
    /// Column with the list of choices.
    pub choices: String,
    /// Column with the index of the right one, counted from 0.
    pub gold: String,
    /// Column that says which items are alike, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
    /// What the score is.
    pub metric: Metric,
}

/// A passage and its last word, or whatever else must follow it to the letter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LastWordTask {
    /// Template of the passage.
    pub context: String,
    /// Template of the word.
    pub continuation: String,
    /// Column that says which items are alike, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
}

/// A sentence and one that is wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MinimalPairsTask {
    /// Template of the acceptable sentence.
    pub good: String,
    /// Template of the unacceptable one.
    pub bad: String,
    /// Column that names the paradigm.
    pub stratum: String,
}

/// What is averaged over items.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Whether the right answer is the likeliest.
    Acc,
    /// The same by log-likelihood per character of the answer.
    AccNorm,
    /// The same by log-likelihood per UTF-8 byte of the answer.
    AccBytes,
    /// Bits per byte of the text; no score.
    BitsPerByte,
}

impl TaskKind {
    /// The name in task files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BitsPerByte(_) => "bits-per-byte",
            Self::MultipleChoice(_) => "multiple-choice",
            Self::LastWord(_) => "last-word",
            Self::MinimalPairs(_) => "minimal-pairs",
        }
    }
}

impl Metric {
    /// The name in records, lm-evaluation-harness's where it has one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acc => "acc",
            Self::AccNorm => "acc_norm",
            Self::AccBytes => "acc_bytes",
            Self::BitsPerByte => "bits_per_byte",
        }
    }
}

impl Task {
    /// Parses a task file; `file` names it in errors.
    ///
    /// # Errors
    ///
    /// [`EvalError::TaskFile`] for what is no task, [`EvalError::TaskField`] for a value out of range.
    pub fn parse(text: &str, file: &str) -> Result<Self, EvalError> {
        let task: Self = toml::from_str(text).map_err(|source| EvalError::TaskFile {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        task.check()?;
        Ok(task)
    }

    /// Reads a task file.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`], or as [`Task::parse`].
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = fs::read_to_string(path).map_err(|source| EvalError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The lab's file, if the items are made from its world and lie in no folder.
    pub fn lab_file(&self) -> Option<&str> {
        self.file.strip_prefix("lab:")
    }

    /// What its score averages.
    pub const fn metric(&self) -> Metric {
        match &self.kind {
            TaskKind::BitsPerByte(_) => Metric::BitsPerByte,
            TaskKind::MultipleChoice(kind) => kind.metric,
            TaskKind::LastWord(_) | TaskKind::MinimalPairs(_) => Metric::Acc,
        }
    }

    fn check(&self) -> Result<(), EvalError> {
        let refuse = |field, expected, found| {
            Err(EvalError::TaskField { task: self.name.clone(), field, expected, found })
        };
        let has_choices = matches!(self.kind, TaskKind::MultipleChoice(_));
        if let Some(found) = self.drawn_from.filter(|_| !has_choices) {
            let expected = "absent, since only choices tell what is known";
            return refuse("drawn_from", expected, found.to_string());
        }
        match (&self.kind, self.chance) {
            (_, Some(chance)) if !(0.0..100.0).contains(&chance) => {
                refuse("chance", "a percentage in [0, 100)", chance.to_string())
            }
            (TaskKind::BitsPerByte(_), Some(chance)) => {
                refuse("chance", "absent, since the task only has a loss", chance.to_string())
            }
            (TaskKind::BitsPerByte(kind), None) if kind.window == 0 => {
                refuse("window", "at least 1", kind.window.to_string())
            }
            (TaskKind::MultipleChoice(kind), _) if kind.metric == Metric::BitsPerByte => {
                refuse("metric", "acc, acc_norm or acc_bytes", kind.metric.name().to_owned())
            }
            (TaskKind::BitsPerByte(_), None) | (_, Some(_)) => Ok(()),
            (_, None) => refuse("chance", "given for a task with a score", "none".to_owned()),
        }
    }
}

/// Names of the tasks that come with pycno.
pub fn builtin_names() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

/// A task that comes with pycno.
///
/// # Errors
///
/// [`EvalError::UnknownTask`] with the names there are.
pub fn builtin(name: &str) -> Result<Task, EvalError> {
    let text = builtin_text(name).ok_or_else(|| EvalError::UnknownTask {
        name: name.to_owned(),
        known: builtin_names().into_iter().map(str::to_owned).collect(),
    })?;
    Task::parse(text, name)
}

/// The file of a task that comes with pycno.
pub fn builtin_text(name: &str) -> Option<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_that_comes_with_pycno_parses_under_its_own_name() {
        for name in builtin_names() {
            assert_eq!(builtin(name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = builtin("mmlu_pro").unwrap_err().to_string();
        assert!(error.contains("\"mmlu_pro\"") && error.contains("arc_easy, blimp"), "{error}");
    }

    const TEXT: &str = "name = \"t\"\nversion = 1\nfile = \"f.jsonl\"\nlicense = \"MIT\"\n";
    const LAST_WORD: &str = "[kind.last-word]\ncontext = \"{a}\"\ncontinuation = \"{b}\"\n";

    #[track_caller]
    fn check_refused(text: &str, part: &str) {
        let error = Task::parse(text, "t.toml").unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let message = format!("{error} {}", source.unwrap_or_default());
        assert!(message.contains(part), "{message}");
    }

    #[test]
    fn a_file_with_a_stray_or_missing_key_is_refused() {
        check_refused(
            &format!("{TEXT}chance = 0.0\nshots = 5\n{LAST_WORD}"),
            "unknown field `shots`",
        );
        let stray = format!("{TEXT}chance = 0.0\n{LAST_WORD}metric = \"acc\"\n");
        check_refused(&stray, "unknown field `metric`");
        check_refused(&format!("{TEXT}chance = 0.0\n"), "missing field `kind`");
        check_refused(&format!("{TEXT}[kind.essay]\n"), "unknown variant `essay`");
    }

    #[test]
    fn a_value_out_of_range_is_refused() {
        check_refused(&format!("{TEXT}chance = 100.0\n{LAST_WORD}"), "chance must be a percentage");
        check_refused(&format!("{TEXT}chance = nan\n{LAST_WORD}"), "got NaN");
        check_refused(&format!("{TEXT}{LAST_WORD}"), "chance must be given");
        check_refused(
            &format!("{TEXT}[kind.bits-per-byte]\nwindow = 0\n"),
            "window must be at least 1",
        );
        let scored = format!("{TEXT}chance = 1.0\n[kind.bits-per-byte]\nwindow = 2\n");
        check_refused(&scored, "chance must be absent");
        let no_choices = format!("{TEXT}chance = 0.0\ndrawn_from = 9\n{LAST_WORD}");
        check_refused(&no_choices, "drawn_from must be absent");
    }
}
