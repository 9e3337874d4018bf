//! Arithmetic: sums and differences, with the digits and what is carried written out.

use super::{Question, draw::Draw, question::one_of_four};

/// Two numbers, and whether they are added or the second is taken from the first.
#[derive(Clone, Copy, Debug)]
struct Sum {
    numbers: [usize; 2],
    is_sum: bool,
}

impl Sum {
    fn drawn(digits: usize, draw: &mut Draw) -> Self {
        let range = [power(digits - 1), power(digits) - 1];
        let numbers = [draw.between(range), draw.between(range)];
        Self { numbers, is_sum: draw.below(2) == 0 }.ordered()
    }

    /// No result is below 0.
    fn ordered(self) -> Self {
        let [one, two] = self.numbers;
        if self.is_sum { self } else { Self { numbers: [one.max(two), one.min(two)], ..self } }
    }

    const fn result(self) -> usize {
        let [one, two] = self.numbers;
        if self.is_sum { one + two } else { one - two }
    }

    /// The same with another digit at one place of one number.
    fn changed(self, digits: usize, draw: &mut Draw) -> Self {
        let (which, place) = (draw.below(2), power(draw.below(digits)));
        let Self { mut numbers, is_sum } = self;
        let digit = numbers[which] / place % 10;
        // The first digit of a number is not 0.
        let others = if place == power(digits - 1) { [1, 9] } else { [0, 9] };
        numbers[which] = numbers[which] - digit * place + draw.between(others) * place;
        Self { numbers, is_sum }.ordered()
    }
}

/// A sum or a difference of two numbers of so many digits. Wrong answers are results of questions that
/// differ in few digits.
pub(crate) fn question(digits: usize, draw: &mut Draw) -> Question {
    let near = Sum::drawn(digits, draw);
    let change = |sum: &Sum, draw: &mut Draw| sum.changed(digits, draw);
    let (sum, wrong) = one_of_four(&near, draw, change, |sum| sum.result().to_string());
    let ([one, two], is_sum) = (sum.numbers, sum.is_sum);
    let sign = if is_sum { '+' } else { '-' };
    Question {
        asked: format!("{one} {sign} {two}?"),
        steps: steps(one, two, digits, is_sum).join(" "),
        answer: sum.result().to_string(),
        wrong,
        stratum: format!("{digits} digits"),
    }
}

/// What a digit at a place, counted from the last, stands for.
fn power(place: usize) -> usize {
    (0..place).fold(1, |power, _| 10 * power)
}

/// Digit by digit from the last: `7 + 8 + 1 = 16.`, `13 - 8 - 0 = 5.`; the third number is carried.
fn steps(one: usize, two: usize, digits: usize, is_sum: bool) -> Vec<String> {
    let mut carried = 0;
    let mut step = |place: usize| {
        let at = |x: usize| x / power(place) % 10;
        let (a, b, c) = (at(one), at(two), carried);
        if is_sum {
            carried = (a + b + c) / 10;
            return format!("{a} + {b} + {c} = {}.", a + b + c);
        }
        carried = usize::from(a < b + c);
        let a = a + 10 * carried;
        format!("{a} - {b} - {c} = {}.", a - b - c)
    };
    (0..digits).map(&mut step).collect()
}

#[cfg(test)]
mod tests {
    use pycno_units::Seed;

    use super::*;

    #[test]
    fn steps_are_those_of_the_schoolbook() {
        assert_eq!(steps(47, 85, 2, true), ["7 + 5 + 0 = 12.", "4 + 8 + 1 = 13."]);
        assert_eq!(
            steps(143, 58, 3, false),
            ["13 - 8 - 0 = 5.", "14 - 5 - 1 = 8.", "1 - 0 - 1 = 0."]
        );
    }

    /// The result as the steps spell it, last digit first.
    fn spelled(steps: &str) -> usize {
        let results =
            steps.split(". ").filter_map(|step| step.trim_end_matches('.').split("= ").nth(1));
        let results: Vec<usize> = results.map(|result| result.parse().unwrap()).collect();
        let last = results.len() - 1;
        let digit = |(place, x): (usize, &usize)| {
            if place < last { x % 10 * power(place) } else { x * power(place) }
        };
        results.iter().enumerate().map(digit).sum()
    }

    #[test]
    fn answers_are_right_and_the_steps_lead_there() {
        let mut draw = Draw::new(Seed(5));
        for i in 0..300 {
            let question = question(1 + i % 5, &mut draw);
            let words: Vec<&str> = question.asked.trim_end_matches('?').split(' ').collect();
            let (one, two): (usize, usize) = (words[0].parse().unwrap(), words[2].parse().unwrap());
            let result = if words[1] == "+" { one + two } else { one - two };
            assert_eq!(question.answer, result.to_string());
            assert_eq!(spelled(&question.steps), result, "{question:?}");
            assert!(question.wrong.len() == 3 && !question.wrong.contains(&question.answer));
        }
    }
}
