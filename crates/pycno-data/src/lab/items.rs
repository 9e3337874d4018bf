//! Test items as the files of tasks: one JSON object a line.

use serde_json::json;

use super::{Question, Skill, World, draw::Draw, facts};

/// Items of each task.
const ITEMS: usize = 600;
/// Solved questions before the one that is asked; stories are too long for more than none.
pub(crate) const fn shots(skill: Skill) -> usize {
    match skill {
        Skill::Tracking => 0,
        Skill::Facts | Skill::Arithmetic | Skill::Programs => 2,
    }
}

/// Names of the files there are.
pub const FILES: [&str; 5] = ["facts", "tracking", "arithmetic", "programs", "recall"];

/// The file of a task of the lab's world; see [`World::task_file`].
pub fn task_file(name: &str) -> Option<String> {
    World::default().task_file(name)
}

impl World {
    /// The file of a task: a skill's questions, or under `recall` what has been told of people. `None`
    /// for a name there is none of.
    pub fn task_file(&self, name: &str) -> Option<String> {
        if name == "recall" {
            return Some(self.recall_items(ITEMS));
        }
        let skill = Skill::ALL.into_iter().find(|skill| skill.name() == name)?;
        Some(self.skill_items(skill, ITEMS))
    }

    /// Questions with four answers each, in random order, and the solution written out.
    fn skill_items(&self, skill: Skill, n: usize) -> String {
        let mut draw = Draw::new(self.seed.split("choices").split(skill.name()));
        let line = |question: &Question| {
            let examples = self.examples(skill, &mut draw);
            let order = draw.distinct(4, 4);
            let answers: Vec<&String> = question.wrong.iter().chain([&question.answer]).collect();
            let choices: Vec<&String> = order.iter().map(|i| answers[*i]).collect();
            let gold = order.iter().position(|i| *i == 3);
            let object = json!({"examples": examples, "question": question.prompt(),
                "choices": choices, "gold": gold,
                "steps": question.steps, "answer": question.answer,
                "stratum": question.stratum});
            format!("{object}\n")
        };
        self.questions(skill, n).iter().map(line).collect()
    }

    /// Solved questions, as training texts have them.
    fn examples(&self, skill: Skill, draw: &mut Draw) -> String {
        let example = |_| {
            let question = self.training_question(skill, draw);
            format!("{}{} ", question.prompt(), question.direct())
        };
        (0..shots(skill)).map(example).collect()
    }

    /// What the texts have told, one fact per line: the sentence up to its last word, and all the words that
    /// could stand there.
    fn recall_items(&self, n: usize) -> String {
        let mut draw = Draw::new(self.seed.split("recall"));
        let line = |i: usize| {
            let (person, attribute) = (draw.pick(&self.people), i % facts::ATTRIBUTES);
            let sentence = facts::statement(person, attribute, 0);
            let value = &person.attributes[attribute];
            let context = sentence.trim_end_matches(&format!(" {value}."));
            let values = facts::values(attribute);
            let gold = values.iter().position(|other| other == value);
            let stratum = facts::NAMES[attribute];
            let object =
                json!({"context": context, "choices": values, "gold": gold, "stratum": stratum});
            format!("{object}\n")
        };
        (0..n).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Tokenizer, hash::sha256_hex};

    fn lines(name: &str) -> Vec<Value> {
        task_file(name).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_right_answer_is_the_gold_choice_and_ends_the_solution() {
        for skill in Skill::ALL {
            let lines = lines(skill.name());
            assert_eq!(lines.len(), ITEMS);
            let mut golds = [0; 4];
            for line in lines {
                let gold = usize::try_from(line["gold"].as_u64().unwrap()).unwrap();
                golds[gold] += 1;
                let answer = line["choices"][gold].as_str().unwrap();
                assert_eq!(line["answer"].as_str(), Some(answer));
                assert!(line["steps"].as_str().unwrap().ends_with('.'));
            }
            assert!(golds.iter().all(|n| (110..190).contains(n)), "{golds:?}");
        }
    }

    /// Whether who takes the first choice by some order is right.
    fn is_right(line: &Value, order: fn(&str) -> (usize, String)) -> bool {
        let choices: Vec<&str> = line["choices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|choice| choice.as_str().unwrap())
            .collect();
        (0..4).min_by_key(|i| order(choices[*i])).map(|i| i as u64) == line["gold"].as_u64()
    }

    /// Taking the shortest or the longest answer is guessing.
    #[test]
    fn who_knows_only_what_answers_look_like_guesses() {
        let shortest = |text: &str| (text.len(), text.to_owned());
        let longest = |text: &str| (99 - text.len(), text.to_owned());
        for skill in Skill::ALL {
            let lines = lines(skill.name());
            for order in [shortest, longest] {
                let hits = lines.iter().filter(|line| is_right(line, order)).count();
                // 600 guesses: 150, and four standard errors of 10.6.
                assert!((107..194).contains(&hits), "{skill}: {hits}");
            }
        }
    }

    #[test]
    fn a_fact_has_one_right_word_among_all() {
        for line in lines("recall") {
            let n = line["choices"].as_array().unwrap().len();
            assert!([64, 32, 16, 8].contains(&n));
            assert!(line["gold"].as_u64().unwrap() < n as u64);
        }
    }

    /// What a model reads of an item, by both kinds of task.
    fn read(line: &Value) -> [String; 2] {
        let part = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let asked = format!("{}{}", part("question"), part("context"));
        [
            format!("{}{asked} answer: {}.", part("examples"), part("answer")),
            format!("{asked} steps: {} answer: {}.", part("steps"), part("answer")),
        ]
    }

    #[test]
    fn items_fit_a_short_context_and_the_tokenizer() {
        let tokenizer = Tokenizer::from_files(&super::super::tokenizer_files()).unwrap();
        for text in FILES.into_iter().flat_map(lines).flat_map(|line| read(&line)) {
            let ids = tokenizer.encode(&text, false).unwrap();
            assert!(ids.len() <= 128 && ids.iter().all(|id| *id > 1), "{} {text}", ids.len());
        }
    }

    /// The same bytes on every machine; whoever changes the world on purpose changes the sums with it.
    #[test]
    fn the_files_are_these_to_the_byte() {
        let hashes = FILES.map(|name| sha256_hex(task_file(name).unwrap().as_bytes()));
        let expect = [
            "acb130e6d8d930fe5cf117625debe933e4dc0e5687a82c8b7b60f8c5431c5e95",
            "c675ddb0ab94ccd933951d6210ac79913688457ca6340082af8a18311ce40fde",
            "203690ff3f848fa142bae7ef02448fe37266aff8fc5ce00d6f3a5b7a6446ad47",
            "887f67161ca4b7ea5a63757b6a077a57e1376e0ce19bea777e60517d872d0025",
            "ee78ee98e787fc0531ff99defb38cf5b680666f741ea7d1e85f4b76aa49580a5",
        ];
        assert_eq!(hashes, expect);
    }
}
