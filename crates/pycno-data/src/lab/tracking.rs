//! Tracking: four people, four things, and who has what after some swaps.

use super::{
    Question,
    draw::Draw,
    words::{THINGS, first_names},
};

/// People in a story; a guess is right one time in so many.
const PEOPLE: usize = 4;

/// A story with so many swaps.
pub(crate) fn question(swaps: usize, draw: &mut Draw) -> Question {
    let names = first_names();
    let people: Vec<&String> =
        draw.distinct(PEOPLE, names.len()).into_iter().map(|i| &names[i]).collect();
    let things: Vec<&str> =
        draw.distinct(PEOPLE, THINGS.len()).into_iter().map(|i| THINGS[i]).collect();
    let mut sentences: Vec<String> = people
        .iter()
        .zip(&things)
        .map(|(person, thing)| format!("{person} has the {thing}."))
        .collect();
    let asked = draw.below(PEOPLE);
    let (mut holder, mut steps) = (asked, vec![people[asked].clone()]);
    for _ in 0..swaps {
        let pair = draw.distinct(2, PEOPLE);
        sentences.push(format!("{} and {} swap.", people[pair[0]], people[pair[1]]));
        holder = swapped(holder, &pair);
        steps.push(people[holder].clone());
    }
    let wrong = (0..PEOPLE).filter(|i| *i != holder).map(|i| people[i].clone()).collect();
    Question {
        asked: format!("{} who has the {}?", sentences.join(" "), things[asked]),
        steps: format!("{}.", steps.join(" ")),
        answer: people[holder].clone(),
        wrong,
        stratum: format!("{swaps} swaps"),
    }
}

fn swapped(holder: usize, pair: &[usize]) -> usize {
    match holder {
        holder if holder == pair[0] => pair[1],
        holder if holder == pair[1] => pair[0],
        holder => holder,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pycno_units::Seed;

    use super::*;

    fn exchanged<'a>(person: &'a str, [one, two]: [&'a str; 2]) -> &'a str {
        match person {
            person if person == one => two,
            person if person == two => one,
            person => person,
        }
    }

    /// Reads a story and follows it, thing by thing.
    fn followed(asked: &str) -> String {
        let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
        for sentence in asked.split(". ") {
            let words: Vec<&str> = sentence.split(' ').collect();
            match words[..] {
                ["who", "has", "the", thing] => {
                    return owner[thing.trim_end_matches('?')].to_owned();
                }
                [person, "has", "the", thing] => drop(owner.insert(thing, person)),
                [one, "and", two, "swap"] => {
                    owner = owner
                        .into_iter()
                        .map(|(thing, person)| (thing, exchanged(person, [one, two])))
                        .collect();
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
            assert_eq!(question.answer, followed(&question.asked), "{question:?}");
            assert!(question.steps.ends_with(&format!("{}.", question.answer)));
            assert_eq!(question.steps.split(' ').count(), 2 + i % 6);
            assert!(!question.wrong.contains(&question.answer));
        }
    }
}
