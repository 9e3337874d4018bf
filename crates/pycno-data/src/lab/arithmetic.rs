//! Arithmetic: sums and differences of some numbers, term by term.
//!
//! What is added or taken away is one word with its sign, right after the name of its line, so that it is found again
//! as soon as the line is.
//!
//! Small numbers come up more often than large ones, so that the sums to know are many and learned one after
//! another, not all at once.

use super::{
    Question,
    draw::Draw,
    question::{named, one_of_four, worked},
    words::LARGEST_TERM,
};

/// How many small numbers come up most often; see [`Draw::octave`].
const FIRST: usize = 4;

/// A number, then what is added to it, term by term; a term below 0 is taken away.
#[derive(Clone, Debug)]
struct Sum {
    first: i64,
    terms: Vec<i64>,
}

impl Sum {
    fn drawn(terms: usize, draw: &mut Draw) -> Self {
        let first = number(draw);
        let terms = (0..terms).map(|_| term(draw)).collect();
        Self { first, terms }.above_zero()
    }

    /// No total is below 0: what is more than there is is added.
    fn above_zero(mut self) -> Self {
        let mut total = self.first;
        for term in &mut self.terms {
            if total + *term < 0 {
                *term = -*term;
            }
            total += *term;
        }
        self
    }

    /// The first number and what it comes to after every term.
    fn totals(&self) -> Vec<i64> {
        let mut totals = vec![self.first];
        for term in &self.terms {
            totals.push(totals[totals.len() - 1] + term);
        }
        totals
    }

    /// The terms with their names: `i +7`.
    fn lines(&self) -> Vec<String> {
        named(self.terms.iter().map(|term| format!("{term:+}")))
    }

    fn text(&self) -> String {
        format!("{} {}", self.first, self.lines().join(" "))
    }

    /// Term by term: `6 i +7 = 13. 13 j -4 = 9.`
    fn steps(&self) -> String {
        worked(&self.totals(), &self.lines())
    }

    /// The same with one term drawn anew.
    fn changed(&self, draw: &mut Draw) -> Self {
        let mut other = self.clone();
        let place = draw.below(self.terms.len());
        other.terms[place] = term(draw);
        other.above_zero()
    }
}

fn term(draw: &mut Draw) -> i64 {
    let is_added = draw.below(2) == 0;
    let number = number(draw);
    if is_added { number } else { -number }
}

#[expect(clippy::cast_possible_wrap, reason = "below LARGEST_TERM")]
fn number(draw: &mut Draw) -> i64 {
    1 + draw.octave(LARGEST_TERM, FIRST) as i64
}

/// So many terms after a first number. Wrong answers are results of questions that differ in few terms.
pub(crate) fn question(terms: usize, draw: &mut Draw) -> Question {
    let result = |sum: &Sum| sum.totals()[terms].to_string();
    let near = Sum::drawn(terms, draw);
    let (sum, wrong) = one_of_four(&near, draw, Sum::changed, result);
    Question {
        asked: format!("{}?", sum.text()),
        steps: sum.steps(),
        answer: result(&sum),
        wrong,
        stratum: format!("{terms} terms"),
    }
}

#[cfg(test)]
mod tests {
    use pycno_units::Seed;

    use super::*;

    #[test]
    fn steps_are_written_out() {
        let sum = Sum { first: 6, terms: vec![7, -4] };
        assert_eq!(sum.text(), "6 i +7 j -4");
        assert_eq!(sum.steps(), "6 i +7 = 13. 13 j -4 = 9.");
        let below = Sum { first: 2, terms: vec![-5] };
        assert_eq!(below.above_zero().text(), "2 i +5");
    }

    /// Follows a question term by term: the result, and the steps as they have to be.
    fn followed(asked: &str) -> (i64, String) {
        let words: Vec<&str> = asked.trim_end_matches('?').split(' ').collect();
        let mut total: i64 = words[0].parse().unwrap();
        let mut steps = Vec::new();
        for term in words[1..].chunks(2) {
            let change: i64 = term[1].parse().unwrap();
            steps.push(format!("{total} {} = {}.", term.join(" "), total + change));
            total += change;
            assert!(total >= 0);
        }
        (total, steps.join(" "))
    }

    #[test]
    fn answers_are_right_and_the_steps_lead_there() {
        let mut draw = Draw::new(Seed(5));
        for i in 0..300 {
            let question = question(1 + i % 5, &mut draw);
            let (result, steps) = followed(&question.asked);
            assert_eq!((&question.answer, &question.steps), (&result.to_string(), &steps));
            assert!(question.wrong.len() == 3 && !question.wrong.contains(&question.answer));
        }
    }
}
