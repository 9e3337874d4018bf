//! Programs: a stack language on single digits, and what is on top in the end.

use super::{Question, draw::Draw};

/// What an instruction does with the two numbers on top, modulo 10.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operation {
    Add,
    Sub,
    Mul,
    Max,
    Min,
}

const OPERATIONS: [Operation; 5] =
    [Operation::Add, Operation::Sub, Operation::Mul, Operation::Max, Operation::Min];

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    fn apply(self, below: usize, top: usize) -> usize {
        match self {
            Self::Add => (below + top) % 10,
            Self::Sub => (below + 10 - top) % 10,
            Self::Mul => below * top % 10,
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
        let first = draw.below(10);
        let rest = (0..operations).map(|_| (draw.below(10), *draw.pick(&OPERATIONS))).collect();
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
            other.rest[place].0 = draw.below(10);
        } else {
            other.rest[place].1 = *draw.pick(&OPERATIONS);
        }
        other
    }
}

/// A program with so many operations. Wrong answers are results of programs that differ in few places, so
/// that no answer is likelier than another for being a common result.
pub(crate) fn question(operations: usize, draw: &mut Draw) -> Question {
    let program = Program::drawn(operations, draw);
    let tops: Vec<String> = program.run().iter().map(ToString::to_string).collect();
    let answer = tops[operations].clone();
    let mut wrong: Vec<String> = Vec::new();
    let mut other = program.clone();
    while wrong.len() < 3 {
        // Changes add up, since one alone may leave too few results: what begins with 0 and multiplies.
        other = other.changed(draw);
        let result = other.run()[operations].to_string();
        if result != answer && !wrong.contains(&result) {
            wrong.push(result);
            other = program.clone();
        }
    }
    Question {
        asked: format!("{}?", program.text()),
        steps: format!("{}.", tops.join(" ")),
        answer,
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
                "add" => (below + top) % 10,
                "sub" => (10 + below - top) % 10,
                "mul" => below * top % 10,
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
