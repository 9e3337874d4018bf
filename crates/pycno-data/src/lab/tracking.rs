//! Tracking: four people, three things, and who has what after some were given away.

use super::{
    Question,
    draw::Draw,
    words::{THINGS, first_names},
};

/// People in a story; a guess is right one time in so many.
const PEOPLE: usize = 4;
/// Things they have in the beginning, one each; the last has nothing.
const OBJECTS: usize = 3;

/// A story with so many gifts, of which those of the other things do not matter.
pub(crate) fn question(gifts: usize, draw: &mut Draw) -> Question {
    let names = first_names();
    let people: Vec<&String> =
        draw.distinct(PEOPLE, names.len()).into_iter().map(|i| &names[i]).collect();
    let things: Vec<&str> =
        draw.distinct(OBJECTS, THINGS.len()).into_iter().map(|i| THINGS[i]).collect();
    let mut sentences: Vec<String> = people
        .iter()
        .zip(&things)
        .map(|(person, thing)| format!("{person} has the {thing}."))
        .collect();
    let asked = draw.below(OBJECTS);
    let mut holders: Vec<usize> = (0..OBJECTS).collect();
    let mut steps = vec![people[asked].clone()];
    for _ in 0..gifts {
        let thing = draw.below(OBJECTS);
        let from = holders[thing];
        // Anyone but the giver.
        let to = (from + draw.between([1, PEOPLE - 1])) % PEOPLE;
        sentences.push(format!("{} gives the {} to {}.", people[from], things[thing], people[to]));
        holders[thing] = to;
        if thing == asked {
            steps.push(people[to].clone());
        }
    }
    let holder = holders[asked];
    let wrong = (0..PEOPLE).filter(|i| *i != holder).map(|i| people[i].clone()).collect();
    Question {
        asked: format!("{} who has the {}?", sentences.join(" "), things[asked]),
        steps: format!("{}.", steps.join(" ")),
        answer: people[holder].clone(),
        wrong,
        stratum: format!("{gifts} gifts"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pycno_units::Seed;

    use super::*;

    /// Reads a story and follows it, sentence by sentence; also how often the asked thing moved.
    fn followed(asked: &str) -> (String, usize) {
        let mut owner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for sentence in asked.split(". ") {
            let words: Vec<&str> = sentence.split(' ').collect();
            match words[..] {
                ["who", "has", "the", thing] => {
                    let owners = &owner[thing.trim_end_matches('?')];
                    return (owners[owners.len() - 1].to_owned(), owners.len() - 1);
                }
                [person, "has", "the", thing] => owner.entry(thing).or_default().push(person),
                [one, "gives", "the", thing, "to", two] => {
                    let owners = owner.get_mut(thing).unwrap();
                    assert_eq!(owners.last(), Some(&one));
                    assert_ne!(one, two);
                    owners.push(two);
                }
                _ => panic!("{words:?}"),
            }
        }
        panic!("no question in {asked}")
    }

    #[test]
    fn answers_are_those_of_a_reader_who_follows() {
        let mut draw = Draw::new(Seed(4));
        for i in 0..300 {
            let question = question(1 + i % 6, &mut draw);
            let (holder, moves) = followed(&question.asked);
            assert_eq!(question.answer, holder, "{question:?}");
            assert!(question.steps.ends_with(&format!("{}.", question.answer)));
            assert_eq!(question.steps.split(' ').count(), 1 + moves);
            assert!(!question.wrong.contains(&question.answer));
        }
    }
}
