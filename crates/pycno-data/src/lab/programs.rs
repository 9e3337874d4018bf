//! Programs: a stack language on the digits 0 to 4, and what is on top in the end.

use super::{Question, draw::Draw, question::one_of_four};

/// Numbers there are: what does not fit begins again at 0. A table of so many by so many for each
/// operation is what a model has to learn.
const NUMBERS: usize = 5;

/// What an instruction does with the two numbers on top, modulo [`NUMBERS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    Add,
    Sub,
    Max,
    Min,
}

const OPERATIONS: [Operation; 4] = [Operation::Add, Operation::Sub, Operation::Max, Operation::Min];

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    fn apply(self, below: usize, top: usize) -> usize {
        match self {
            Self::Add => (below + top) % NUMBERS,
            Self::Sub => (below + NUMBERS - top) % NUMBERS,
            Self::Max => below.max(top),
            Self::Min => below.min(top),
        }
    }
}

/// A first number, then numbers each with what is done with it.
#[derive(Clone, Debug)]
struct Program {
    first: usize,
    rest: Vec<(usize, Operation)>,
}

impl Program {
    fn drawn(operations: usize, draw: &mut Draw) -> Self {
        let first = draw.below(NUMBERS);
        let rest =
            (0..operations).map(|_| (draw.below(NUMBERS), *draw.pick(&OPERATIONS))).collect();
        Self { first, rest }
    }

    /// The number on top after the first push and after every operation.
    fn run(&self) -> Vec<usize> {
        let mut tops = vec![self.first];
        for (number, operation) in &self.rest {
            tops.push(operation.apply(tops[tops.len() - 1], *number));
        }
        tops
    }

    fn text(&self) -> String {
        let step = |(number, operation): &(usize, Operation)| {
            format!(" push {number} {}", operation.name())
        };
        format!("push {}{}", self.first, self.rest.iter().map(step).collect::<String>())
    }

    /// The same with one number or one operation drawn anew.
    fn changed(&self, draw: &mut Draw) -> Self {
        let mut other = self.clone();
        let place = draw.below(self.rest.len());
        if draw.below(2) == 0 {
            other.rest[place].0 = draw.below(NUMBERS);
        } else {
            other.rest[place].1 = *draw.pick(&OPERATIONS);
        }
        other
    }
}

/// A program with so many operations. Wrong answers are results of programs that differ in few places.
pub(crate) fn question(operations: usize, draw: &mut Draw) -> Question {
    let result = |program: &Program| program.run()[operations].to_string();
    let near = Program::drawn(operations, draw);
    let (program, wrong) = one_of_four(&near, draw, Program::changed, result);
    let tops: Vec<String> = program.run().iter().map(ToString::to_string).collect();
    Question {
        asked: format!("{}?", program.text()),
        steps: format!("{}.", tops.join(" ")),
        answer: result(&program),
        wrong,
        stratum: format!("{operations} operations"),
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::Seed;

    use super::*;

    /// A stack machine that knows nothing of how programs are drawn.
    fn top_of(text: &str) -> usize {
        let mut stack: Vec<usize> = Vec::new();
        for word in text.trim_end_matches('?').split(' ').filter(|word| *word != "push") {
            if let Ok(number) = word.parse() {
                stack.push(number);
                continue;
            }
            let (top, below) = (stack.pop().unwrap(), stack.pop().unwrap());
            stack.push(match word {
                "add" => (below + top) % 5,
                "sub" => (5 + below - top) % 5,
                "max" => below.max(top),
                "min" => below.min(top),
                other => panic!("{other}"),
            });
        }
        assert_eq!(stack.len(), 1);
        stack[0]
    }

    #[test]
    fn answers_are_those_of_a_stack_machine() {
        let mut draw = Draw::new(Seed(6));
        for i in 0..500 {
            let question = question(1 + i % 5, &mut draw);
            assert_eq!(question.answer, top_of(&question.asked).to_string(), "{question:?}");
            assert!(question.steps.ends_with(&format!("{}.", question.answer)));
            assert!(question.wrong.len() == 3 && !question.wrong.contains(&question.answer));
        }
    }
}
