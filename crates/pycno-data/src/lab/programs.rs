//! Programs: a stack language whose operations replace the digit on top, and what is there in the end.

use pycno_units::Seed;

use super::{
    Question,
    draw::Draw,
    question::{named, one_of_four, worked},
    words::operations,
};

/// Numbers there are.
const NUMBERS: usize = 10;
/// Operations that programs use most often; see [`Draw::octave`].
const FIRST: usize = 4;

/// What every operation makes of the number on top: a table drawn evenly, so that there is no rule
/// behind it and each is learned on its own.
#[derive(Clone, Debug)]
pub(crate) struct Library(Vec<Operation>);

#[derive(Clone, Debug)]
struct Operation {
    name: String,
    table: [usize; NUMBERS],
}

impl Library {
    pub(crate) fn new(seed: Seed) -> Self {
        let mut draw = Draw::new(seed.split("operations"));
        let mut made =
            |name| Operation { name, table: std::array::from_fn(|_| draw.below(NUMBERS)) };
        Self(operations().into_iter().map(&mut made).collect())
    }

    fn drawn(&self, draw: &mut Draw) -> usize {
        draw.octave(self.0.len(), FIRST)
    }
}

/// A first number, then what is done with it, line by line.
#[derive(Clone, Debug)]
struct Program {
    first: usize,
    lines: Vec<usize>,
}

impl Program {
    fn drawn(library: &Library, operations: usize, draw: &mut Draw) -> Self {
        let lines = (0..operations).map(|_| library.drawn(draw)).collect();
        Self { first: draw.below(NUMBERS), lines }
    }

    /// The number on top in the beginning and after every line.
    fn run(&self, library: &Library) -> Vec<usize> {
        let mut tops = vec![self.first];
        for operation in &self.lines {
            tops.push(library.0[*operation].table[tops[tops.len() - 1]]);
        }
        tops
    }

    /// The lines with their names: `i dav`.
    fn lines(&self, library: &Library) -> Vec<String> {
        named(self.lines.iter().map(|operation| &library.0[*operation].name))
    }

    fn text(&self, library: &Library) -> String {
        format!("{} {}", self.first, self.lines(library).join(" "))
    }

    /// Line by line: `3 i dav = 1. 1 j zim = 4.`
    fn steps(&self, library: &Library) -> String {
        worked(&self.run(library), &self.lines(library))
    }

    /// The same with another number or another operation in one place.
    fn changed(&self, library: &Library, draw: &mut Draw) -> Self {
        let mut other = self.clone();
        match draw.below(1 + self.lines.len()) {
            0 => other.first = draw.below(NUMBERS),
            place => other.lines[place - 1] = library.drawn(draw),
        }
        other
    }
}

/// A program of so many lines.
///
/// Steps repeat what a line works on, so that its result depends on the two words before it alone, and
/// lines have names, so that the next one can be found again. Wrong answers are results of programs that differ in few places.
pub(crate) fn question(library: &Library, operations: usize, draw: &mut Draw) -> Question {
    let result = |program: &Program| program.run(library)[operations].to_string();
    let near = Program::drawn(library, operations, draw);
    let change = |program: &Program, draw: &mut Draw| program.changed(library, draw);
    let (program, wrong) = one_of_four(&near, draw, change, result);
    Question {
        asked: format!("{}?", program.text(library)),
        steps: program.steps(library),
        answer: result(&program),
        wrong,
        stratum: format!("{operations} operations"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// What each line does, as far as steps tell: number on top, operation, number on top after it. Also the
    /// program that the steps belong to.
    fn read(steps: &str) -> (Vec<[&str; 3]>, String) {
        let mut done = Vec::new();
        let mut program = vec![steps.split(' ').next().unwrap()];
        for step in steps.trim_end_matches('.').split(". ") {
            let words: Vec<&str> = step.split(' ').collect();
            let [top, line, operation, "=", result] = words[..] else { panic!("{step}") };
            program.extend([line, operation]);
            done.push([top, operation, result]);
        }
        (done, program.join(" "))
    }

    #[test]
    fn steps_run_the_program_by_the_same_tables_throughout() {
        let library = Library::new(Seed(1));
        let mut draw = Draw::new(Seed(6));
        let mut known = BTreeMap::new();
        for i in 0..4000 {
            let Question { asked, steps, answer, wrong, .. } =
                question(&library, 1 + i % 5, &mut draw);
            let (done, program) = read(&steps);
            assert_eq!(asked, format!("{program}?"));
            assert_eq!(done.len(), 1 + i % 5);
            assert!(done.windows(2).all(|two| two[0][2] == two[1][0]), "{steps}");
            assert_eq!(done[done.len() - 1][2], answer);
            assert!(wrong.len() == 3 && !wrong.contains(&answer));
            for [top, operation, result] in done {
                let key = [top, operation].map(str::to_owned);
                assert_eq!(*known.entry(key).or_insert_with(|| result.to_owned()), result);
            }
        }
        let used: BTreeSet<&String> = known.keys().map(|[_, operation]| operation).collect();
        assert_eq!(used.len(), library.0.len());
    }
}
