//! Texts with numbered parts: `part{1..3}` stands for `part1`, `part2`, `part3`, as in a shell.

use std::fmt;

/// More are a slip of the keyboard.
const MAX_PARTS: usize = 1000;

/// A text that stands for one or, by ranges in braces, for several.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Numbered {
    /// Ranges, each with the text before it.
    ranges: Vec<(String, Range)>,
    /// The text behind the last range.
    end: String,
}

/// `{first..last}`, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Range {
    first: usize,
    last: usize,
    /// Digits that smaller numbers are filled up to with zeros; 0 without any.
    width: usize,
}

impl Numbered {
    /// Parses a text; `None` if a brace belongs to no range, or ranges differ in length.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut ranges = vec![];
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (range, after) = behind.split_once('}')?;
            ranges.push((before.to_owned(), Range::parse(range)?));
            rest = after;
        }
        let numbered = Self { ranges, end: rest.to_owned() };
        let stray = numbered.texts().any(|text| text.contains('}'));
        let equal = numbered.ranges.windows(2).all(|pair| pair[0].1.len() == pair[1].1.len());
        (equal && !stray).then_some(numbered)
    }

    /// Texts that this stands for; `None` without a range.
    pub(super) fn len(&self) -> Option<usize> {
        self.ranges.first().map(|(_, range)| range.len())
    }

    /// Text `i`, counted from 0; without a range they are all the same.
    pub(super) fn nth(&self, i: usize) -> String {
        let numbers = self.ranges.iter().map(|(before, range)| before.clone() + &range.nth(i));
        numbers.collect::<String>() + &self.end
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        self.ranges.iter().map(|(before, _)| before).chain([&self.end])
    }
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, range) in &self.ranges {
            let last = range.len() - 1;
            write!(f, "{before}{{{}..{}}}", range.nth(0), range.nth(last))?;
        }
        f.write_str(&self.end)
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once("..")?;
        let both = [first, last];
        let digits = both.iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let filled = both.iter().any(|number| number.len() > 1 && number.starts_with('0'));
        // `{01..4}` could mean two things.
        if !digits || filled && first.len() != last.len() {
            return None;
        }
        let width = if filled { first.len() } else { 0 };
        let [first, last] = [first.parse().ok()?, last.parse().ok()?];
        (first <= last && last - first < MAX_PARTS).then_some(Self { first, last, width })
    }

    const fn len(self) -> usize {
        self.last - self.first + 1
    }

    fn nth(self, i: usize) -> String {
        format!("{:0width$}", self.first + i, width = self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the texts that one stands for, and that it is written back the same.
    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let numbered = Numbered::parse(text).unwrap();
        assert_eq!(numbered.to_string(), text);
        let n = numbered.len().unwrap_or(1);
        assert_eq!((0..n).map(|i| numbered.nth(i)).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn ranges_count_as_in_a_shell() {
        check("part{1..3}", &["part1", "part2", "part3"]);
        check("m.{00..02}", &["m.00", "m.01", "m.02"]);
        check("{9..11}x", &["9x", "10x", "11x"]);
        check("{09..10}", &["09", "10"]);
        check("{0..0}", &["0"]);
    }

    #[test]
    fn ranges_of_one_text_step_together() {
        check("a{1..2}/b.{00..01}.c", &["a1/b.00.c", "a2/b.01.c"]);
    }

    #[test]
    fn a_text_without_a_range_is_itself() {
        check("a/b.gguf", &["a/b.gguf"]);
        assert_eq!(Numbered::parse("a").unwrap().len(), None);
    }

    #[test]
    fn braces_that_are_no_range_are_refused() {
        for text in [
            "a{",
            "a}",
            "{}",
            "{1}",
            "{1..}",
            "{..2}",
            "{a..c}",
            "{1,2}",
            "{3..1}",
            "{1..04}",
            "{-1..1}",
            "{{1..2}}",
            "{1..2}}",
            "{1..2}{1..3}",
            "{1..1001}",
            "{0..99999999999999999999}",
        ] {
            assert_eq!(Numbered::parse(text), None, "{text}");
        }
        assert!(Numbered::parse("{1..1000}").is_some());
    }
}
