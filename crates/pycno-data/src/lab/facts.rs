//! Facts: people, and what is so about each.
//!
//! Every attribute is drawn evenly and on its own, so the world holds a known number of bits (Allen-Zhu
//! and Li 2024, [arXiv:2404.05405](https://arxiv.org/abs/2404.05405), section 3).

use pycno_units::Seed;

use super::{
    Question,
    draw::Draw,
    words::{COLORS, JOBS, PETS, first_names, last_names, places},
};

/// Attributes a person has.
pub(crate) const ATTRIBUTES: usize = 4;
/// Their names, as strata.
pub(crate) const NAMES: [&str; ATTRIBUTES] = ["home", "job", "pet", "color"];
/// People there are names for.
const MOST: usize = 64 * 64;
/// People of whom texts tell most often; see [`Draw::octave`].
const FIRST: usize = 64;

/// Someone with a name and four attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) attributes: [String; ATTRIBUTES],
}

/// Of whom it may be asked: even people in training texts, odd ones in tests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    InTraining,
    InTests,
}

/// All values an attribute can have.
pub(crate) fn values(attribute: usize) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match attribute {
        0 => places(),
        1 => owned(&JOBS),
        2 => owned(&PETS),
        _ => owned(&COLORS),
    }
}

/// What the attributes of one person tell, in bits.
pub(crate) fn bits_a_person() -> f64 {
    (0..ATTRIBUTES).map(|attribute| (values(attribute).len() as f64).log2()).sum()
}

/// The first `n` people of a world.
pub(crate) fn people(seed: Seed, n: usize) -> Vec<Person> {
    assert!(n <= MOST, "names for {MOST} people, not {n}");
    let mut draw = Draw::new(seed.split("people"));
    let (first, last) = (first_names(), last_names());
    let values: Vec<Vec<String>> = (0..ATTRIBUTES).map(values).collect();
    let person = |i: usize, draw: &mut Draw| Person {
        name: format!("{} {}", first[i % 64], last[i / 64]),
        attributes: std::array::from_fn(|attribute| draw.pick(&values[attribute]).clone()),
    };
    draw.distinct(n, MOST).into_iter().map(|i| person(i, &mut draw)).collect()
}

/// Someone to tell of: the first often, the last seldom.
pub(crate) fn told<'a>(people: &'a [Person], draw: &mut Draw) -> &'a Person {
    &people[draw.octave(people.len(), FIRST)]
}

/// A fact as a sentence, in one of two ways.
pub(crate) fn statement(person: &Person, attribute: usize, way: usize) -> String {
    let (name, value) = (&person.name, &person.attributes[attribute]);
    match (attribute, way) {
        (0, 0) => format!("{name} lives in {value}."),
        (0, _) => format!("the home of {name} is {value}."),
        (1, 0) => format!("{name} works as a {value}."),
        (1, _) => format!("the job of {name} is {value}."),
        (2, 0) => format!("{name} keeps a {value}."),
        (2, _) => format!("the pet of {name} is a {value}."),
        (_, 0) => format!("{name} likes {value}."),
        (_, _) => format!("the color of {name} is {value}."),
    }
}

/// A question about an attribute of a person who may be asked about.
pub(crate) fn question(
    people: &[Person],
    asked: Asked,
    attribute: usize,
    draw: &mut Draw,
) -> Question {
    let pair = draw.octave(people.len() / 2, FIRST / 2);
    let person = &people[2 * pair + usize::from(asked == Asked::InTests)];
    let answer = person.attributes[attribute].clone();
    let others: Vec<String> =
        values(attribute).into_iter().filter(|value| *value != answer).collect();
    let wrong = draw.distinct(3, others.len()).into_iter().map(|i| others[i].clone()).collect();
    let name = &person.name;
    let asked = match attribute {
        0 => format!("where does {name} live?"),
        1 => format!("what work does {name} do?"),
        2 => format!("what pet does {name} keep?"),
        _ => format!("what color does {name} like?"),
    };
    let (steps, stratum) = (statement(person, attribute, 0), NAMES[attribute].to_owned());
    Question { asked, steps, answer, wrong, stratum }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn people_have_names_of_their_own_and_every_value_is_used() {
        let people = people(Seed(1), 2048);
        let names: BTreeSet<&str> = people.iter().map(|person| person.name.as_str()).collect();
        assert_eq!(names.len(), 2048);
        for attribute in 0..ATTRIBUTES {
            let used: BTreeSet<&String> =
                people.iter().map(|person| &person.attributes[attribute]).collect();
            assert_eq!(used.len(), values(attribute).len());
        }
        assert!((bits_a_person() - 18.0).abs() < 1e-12);
    }

    #[test]
    fn training_and_tests_ask_about_other_people() {
        let people = people(Seed(1), 64);
        let names = |asked| -> BTreeSet<String> {
            let mut draw = Draw::new(Seed(2));
            (0..400).map(|i| question(&people, asked, i % ATTRIBUTES, &mut draw).steps).collect()
        };
        assert!(names(Asked::InTraining).is_disjoint(&names(Asked::InTests)));
    }

    #[test]
    fn a_question_is_answered_by_its_steps() {
        let people = people(Seed(1), 8);
        let mut draw = Draw::new(Seed(2));
        for turn in 0..40 {
            let question = question(&people, Asked::InTests, turn % ATTRIBUTES, &mut draw);
            assert!(question.steps.ends_with(&format!(" {}.", question.answer)), "{question:?}");
            let answers: BTreeSet<_> = question.wrong.iter().chain([&question.answer]).collect();
            assert_eq!(answers.len(), 4);
        }
    }
}
