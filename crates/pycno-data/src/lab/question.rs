//! A question with its answer, and how both are written.

use std::fmt;

use pycno_units::Seed;

use super::{draw::Draw, words::LINES};

/// One in so many possible questions is kept for testing.
const HELD_OUT: u64 = 8;

/// What a question takes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Skill {
    /// Knowing what the texts have told about a person.
    Facts,
    /// Following who has what.
    Tracking,
    /// Adding and subtracting.
    Arithmetic,
    /// Running a program.
    Programs,
}

impl Skill {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Facts, Self::Tracking, Self::Arithmetic, Self::Programs];

    /// The name in tasks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Tracking => "tracking",
            Self::Arithmetic => "arithmetic",
            Self::Programs => "programs",
        }
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A question, the steps to its answer, and three wrong answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// What is asked, up to its question mark.
    pub asked: String,
    /// The way to the answer, sentence by sentence.
    pub steps: String,
    /// The answer, without a mark at its end.
    pub answer: String,
    /// Other answers.
    pub wrong: Vec<String>,
    /// How hard it is: questions of one stratum are alike.
    pub stratum: String,
}

/// A thing to ask about, drawn near another, and the results of three more that were drawn the same way.
///
/// All four are alike, so that no answer is likelier than another to who only knows what answers look
/// like; were the wrong ones made from the right one, it would lie in their middle, and a guesser who
/// prefers short numbers, say, would fall below chance.
pub(crate) fn one_of_four<T: Clone>(
    center: &T,
    draw: &mut Draw,
    change: impl Fn(&T, &mut Draw) -> T,
    result: impl Fn(&T) -> String,
) -> (T, Vec<String>) {
    let mut found: Vec<(T, String)> = Vec::new();
    let mut other = center.clone();
    while found.len() < 4 {
        // Changes add up, since one alone may leave too few results: what takes the larger of 4 and
        // anything.
        other = change(&other, draw);
        let value = result(&other);
        if found.iter().all(|(_, known)| *known != value) {
            found.push((other, value));
            other = center.clone();
        }
    }
    let (asked, _) = found.swap_remove(draw.below(4));
    (asked, found.into_iter().map(|(_, value)| value).collect())
}

/// Each with the name of its line before it: `i +7`.
pub(crate) fn named(words: impl IntoIterator<Item: fmt::Display>) -> Vec<String> {
    LINES.iter().zip(words).map(|(line, word)| format!("{line} {word}")).collect()
}

/// What named lines make of a number, one after another: `6 i +7 = 13. 13 j -4 = 9.`
pub(crate) fn worked(values: &[impl fmt::Display], lines: &[String]) -> String {
    let steps = values.windows(2).zip(lines);
    let steps = steps.map(|(two, line)| format!("{} {line} = {}.", two[0], two[1]));
    steps.collect::<Vec<_>>().join(" ")
}

impl Question {
    /// The prompt: everything before the answer or the steps.
    pub fn prompt(&self) -> String {
        format!("question: {}", self.asked)
    }

    /// What follows the prompt when the answer is given at once.
    pub fn direct(&self) -> String {
        format!(" answer: {}.", self.answer)
    }

    /// What follows the prompt when the steps are written out.
    pub fn solution(&self) -> String {
        format!(" steps: {} answer: {}.", self.steps, self.answer)
    }

    /// Whether no training text may hold it.
    pub(crate) fn is_held_out(&self) -> bool {
        Seed(0).split(&self.asked).0.is_multiple_of(HELD_OUT)
    }
}
