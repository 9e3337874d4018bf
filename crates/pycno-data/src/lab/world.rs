//! The world: who lives in it, and how hard its questions are.

use std::collections::BTreeSet;

use pycno_units::Seed;

use super::{
    Question, Skill, arithmetic,
    draw::Draw,
    facts::{self, Asked, Person},
    programs::{self, Library},
    tracking,
    words::{LARGEST, LARGEST_TERM, LINES},
};

/// Draws that may bring nothing new before there is taken to be nothing.
const DRAWS: usize = 1000;

/// How hard questions are; of each range both ends are included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Difficulty {
    /// People whose four attributes the texts tell.
    pub people: usize,
    /// Swaps before it is asked who has a thing.
    pub swaps: [usize; 2],
    /// Numbers to add or take away, after a first one.
    pub terms: [usize; 2],
    /// Instructions that compute, in a program.
    pub operations: [usize; 2],
}

impl Default for Difficulty {
    /// What the lab's ruler is fitted on.
    fn default() -> Self {
        Self { people: 2048, swaps: [0, 3], terms: [2, 4], operations: [2, 4] }
    }
}

/// A world made from a seed.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) seed: Seed,
    pub(crate) difficulty: Difficulty,
    pub(crate) people: Vec<Person>,
    library: Library,
}

impl Default for World {
    /// The lab's world.
    fn default() -> Self {
        Self::new(Seed(0), Difficulty::default())
    }
}

impl World {
    /// Makes a world.
    ///
    /// # Panics
    ///
    /// If there are more people than names (4,096), a range is empty, terms or operations begin at 0, or there
    /// are more of a kind than names for lines (8) or words for their sum (4 terms).
    pub fn new(seed: Seed, difficulty: Difficulty) -> Self {
        let Difficulty { swaps, terms, operations, .. } = difficulty;
        let (lines, sums) = (LINES.len(), LARGEST / LARGEST_TERM - 1);
        for ([low, high], [least, most]) in
            [(swaps, [0, lines]), (terms, [1, sums]), (operations, [1, lines])]
        {
            let fits = least <= low && low <= high && high <= most;
            assert!(fits, "a range within {least} to {most}, found {low} to {high}");
        }
        Self {
            seed,
            difficulty,
            people: facts::people(seed, difficulty.people),
            library: Library::new(seed),
        }
    }

    /// Bits it takes to tell every attribute of every person, their names being known.
    pub fn fact_bits(&self) -> f64 {
        self.people.len() as f64 * facts::bits_a_person()
    }

    /// Test items of a skill: always the same, `n` of them, no two alike, every stratum as often.
    ///
    /// # Panics
    ///
    /// If a thousand draws in a row bring nothing new: the world is too small for so many.
    pub fn questions(&self, skill: Skill, n: usize) -> Vec<Question> {
        let mut draw = Draw::new(self.seed.split("items").split(skill.name()));
        let mut found: Vec<Question> = Vec::with_capacity(n);
        let mut asked = BTreeSet::new();
        for turn in 0..n {
            let level = |_: &mut Draw, [low, high]: [usize; 2]| low + turn % (high - low + 1);
            let fresh = (0..DRAWS)
                .map(|_| self.drawn(skill, Asked::InTests, level, &mut draw))
                .filter(|question| skill == Skill::Facts || question.is_held_out())
                .find(|question| asked.insert(question.asked.clone()));
            assert!(fresh.is_some(), "{DRAWS} draws brought no new question of {skill}");
            found.extend(fresh);
        }
        found
    }

    /// A question that a training text may hold.
    pub(crate) fn training_question(&self, skill: Skill, draw: &mut Draw) -> Question {
        // Texts begin with the easiest, of which there are too few to keep any for tests.
        let level = |draw: &mut Draw, [low, high]: [usize; 2]| draw.between([low.min(1), high]);
        loop {
            let question = self.drawn(skill, Asked::InTraining, level, draw);
            if skill == Skill::Facts || !question.is_held_out() {
                return question;
            }
        }
    }

    /// Questions about one story, none of which is kept for tests.
    pub(crate) fn training_story(&self, draw: &mut Draw) -> Vec<Question> {
        loop {
            let swaps = draw.between(self.difficulty.swaps);
            let questions = tracking::questions(swaps, draw);
            if !questions.iter().any(Question::is_held_out) {
                return questions;
            }
        }
    }

    /// Any question of a skill; `level` picks how hard of a range, or which attribute.
    fn drawn(
        &self,
        skill: Skill,
        asked: Asked,
        level: impl Fn(&mut Draw, [usize; 2]) -> usize,
        draw: &mut Draw,
    ) -> Question {
        let Difficulty { swaps, terms, operations, .. } = self.difficulty;
        match skill {
            Skill::Facts => {
                let attribute = level(draw, [0, facts::ATTRIBUTES - 1]);
                facts::question(&self.people, asked, attribute, draw)
            }
            Skill::Tracking => tracking::question(level(draw, swaps), draw),
            Skill::Arithmetic => arithmetic::question(level(draw, terms), draw),
            Skill::Programs => programs::question(&self.library, level(draw, operations), draw),
        }
    }
}
