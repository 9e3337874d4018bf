//! Tracking: four people with a thing each, and who has what after some pairs of them swapped.
//!
//! Everyone has one thing at any time, so who only knows which names were read guesses. A thing stands right before
//! who has it and a swap has a name, so that both can be found again; some people come up more often
//! than others, and are followed earlier.

use super::{
    Question,
    draw::Draw,
    words::{LINES, THINGS, first_names},
};

/// People in a story, and things; a guess is right one time in so many.
const PEOPLE: usize = THINGS.len();
/// People that stories are most often about; see [`Draw::octave`].
const FIRST: usize = 8;

/// Who has what in the beginning, thing by thing, and which two swap what they have, line by line.
struct Story {
    people: Vec<String>,
    swaps: Vec<[usize; 2]>,
}

impl Story {
    fn drawn(swaps: usize, draw: &mut Draw) -> Self {
        let names = first_names();
        let mut people: Vec<String> = Vec::with_capacity(PEOPLE);
        while people.len() < PEOPLE {
            let name = &names[draw.octave(names.len(), FIRST)];
            if !people.contains(name) {
                people.push(name.clone());
            }
        }
        let pair = |draw: &mut Draw| {
            let two = draw.distinct(2, PEOPLE);
            [two[0], two[1]]
        };
        let swaps = (0..swaps).map(|_| pair(draw)).collect();
        Self { people, swaps }
    }

    /// `bell Sada. book Kelin. .. i Sada Kelin.`
    fn told(&self) -> String {
        let first = THINGS.iter().zip(&self.people);
        let first = first.map(|(thing, person)| format!("{thing} {person}."));
        let swap = |(line, [one, other]): (&&str, &[usize; 2])| {
            format!("{line} {} {}.", self.people[*one], self.people[*other])
        };
        first.chain(LINES.iter().zip(&self.swaps).map(swap)).collect::<Vec<_>>().join(" ")
    }

    /// Who has a thing in the beginning and after every swap.
    fn holders(&self, thing: usize) -> Vec<usize> {
        let mut holders = vec![thing];
        for [one, other] in &self.swaps {
            let holder = holders[holders.len() - 1];
            let next = match holder {
                _ if holder == *one => *other,
                _ if holder == *other => *one,
                _ => holder,
            };
            holders.push(next);
        }
        holders
    }

    /// Who has one of the things.
    fn asked(&self, thing: usize) -> Question {
        let holders = self.holders(thing);
        let lines = [THINGS[thing]].into_iter().chain(LINES);
        let steps: Vec<String> =
            lines.zip(&holders).map(|(line, i)| format!("{line} {}.", self.people[*i])).collect();
        let holder = holders[holders.len() - 1];
        Question {
            asked: format!("{} who has the {}?", self.told(), THINGS[thing]),
            steps: steps.join(" "),
            answer: self.people[holder].clone(),
            wrong: (0..PEOPLE).filter(|i| *i != holder).map(|i| self.people[i].clone()).collect(),
            stratum: format!("{} swaps", self.swaps.len()),
        }
    }
}

/// A question about a story with so many swaps.
pub(crate) fn question(swaps: usize, draw: &mut Draw) -> Question {
    let asked = draw.below(PEOPLE);
    Story::drawn(swaps, draw).asked(asked)
}

/// All questions about a story, in random order.
pub(crate) fn questions(swaps: usize, draw: &mut Draw) -> Vec<Question> {
    let story = Story::drawn(swaps, draw);
    draw.distinct(PEOPLE, PEOPLE).into_iter().map(|thing| story.asked(thing)).collect()
}

/// A question without its story, for after another one about the same.
pub(crate) fn alone(asked: &str) -> &str {
    asked.rsplit_once(". ").map_or(asked, |(_, question)| question)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pycno_units::Seed;

    use super::*;

    /// Reads a story and follows it, sentence by sentence: who has the asked thing after each.
    fn followed(asked: &str) -> Vec<String> {
        let mut owned: BTreeMap<&str, &str> = BTreeMap::new();
        let (_, wanted) = asked.trim_end_matches('?').rsplit_once(' ').unwrap();
        let mut holders = Vec::new();
        for sentence in asked.split(". ") {
            let words: Vec<&str> = sentence.split(' ').collect();
            match words[..] {
                [thing, person] => {
                    owned.insert(person, thing);
                }
                [_, one, other] => {
                    let (first, second) = (owned[one], owned[other]);
                    owned.extend([(one, second), (other, first)]);
                }
                ["who", "has", "the", _] => return holders,
                _ => panic!("{words:?}"),
            }
            let holder = owned.iter().find(|(_, thing)| **thing == wanted);
            holders.push(holder.map_or_else(String::new, |(person, _)| (*person).to_owned()));
        }
        panic!("no question in {asked}")
    }

    #[test]
    fn answers_are_those_of_a_reader_who_follows() {
        let mut draw = Draw::new(Seed(4));
        for i in 0..300 {
            let swaps = i % 6;
            let question = question(swaps, &mut draw);
            let holders = followed(&question.asked);
            let steps: Vec<&str> = question.steps.trim_end_matches('.').split(". ").collect();
            let steps: Vec<&str> =
                steps.iter().map(|step| step.split_once(' ').unwrap().1).collect();
            assert_eq!(steps, holders[PEOPLE - 1..], "{question:?}");
            assert_eq!(steps.len(), 1 + swaps);
            assert_eq!(question.answer, steps[swaps]);
            assert!(question.wrong.len() == 3 && !question.wrong.contains(&question.answer));
        }
    }
}
