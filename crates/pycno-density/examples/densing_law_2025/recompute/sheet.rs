//! What was found: rows for the CSV file, text for the page, and what does not reproduce.

use super::{Fallible, published::Figure};

/// Columns of the long table.
const COLUMNS: [&str; 7] =
    ["section", "item", "quantity", "published", "ours", "relative_error", "verdict"];
/// Head of the page.
const TITLE: &str = "# The Densing Law's numbers, recomputed

Written by `cargo run --release -p pycno-density --example densing_law_2025`; edits are lost, and a
test compares the bytes. Published: C. Xiao et al., Densing law of LLMs, Nature Machine Intelligence
7, 1823-1833 (2025), doi 10.1038/s42256-025-01137-0, CC BY 4.0. The article prints few numbers;
*recovered* ones are read from its vector figures, *inferred* ones were computed by an independent
program. Every comparison is a row of [result.csv](result.csv).
";

/// Head of a table of single figures.
pub(crate) const FIGURES: [&str; 5] = ["series", "quantity", "published", "ours", "verdict"];

/// The finished files.
pub(crate) struct Results {
    /// The page in Markdown.
    pub(crate) page: String,
    /// The long table in CSV.
    pub(crate) table: String,
    /// The summary, as it stands on the page.
    pub(crate) summary: String,
}

/// Everything found so far.
#[derive(Default)]
pub(crate) struct Sheet {
    section: String,
    body: Vec<String>,
    rows: Vec<[String; 7]>,
    short: Vec<[String; 4]>,
    gaps: Vec<(String, String)>,
}

/// How a number of ours is held against a published one.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// Within a relative difference.
    Relative(f64),
    /// Within an absolute difference, where the published number is zero or nearly so.
    Absolute(f64),
    /// Rounded to so many decimals it is the published number.
    Decimals(i32),
}

impl Check {
    /// Whether our number meets the published one.
    pub(crate) fn holds(self, published: f64, ours: f64) -> bool {
        match self {
            Self::Relative(tolerance) => (ours / published - 1.0).abs() <= tolerance,
            Self::Absolute(tolerance) => (ours - published).abs() <= tolerance,
            Self::Decimals(decimals) => {
                let unit = 10f64.powi(-decimals);
                ((ours / unit).round() - published / unit).abs() < 1e-6
            }
        }
    }

    /// Digits worth writing: a fit on another machine may differ in the eighth.
    const fn digits(self) -> usize {
        match self {
            Self::Relative(tolerance) if tolerance <= 1e-6 => 9,
            _ => 7,
        }
    }

    fn verdict(self, met: bool) -> String {
        let not = if met { "" } else { "not " };
        match self {
            Self::Relative(tolerance) if tolerance < 1e-4 => format!("{not}within {tolerance:e}"),
            Self::Relative(tolerance) => format!("{not}within {} %", show(100.0 * tolerance, 1)),
            Self::Absolute(tolerance) => format!("{not}within {tolerance:e} absolute"),
            Self::Decimals(_) if met => "rounds to it".to_owned(),
            Self::Decimals(_) => "does not round to it".to_owned(),
        }
    }
}

impl Sheet {
    /// Begins a section of the page.
    pub(crate) fn begin(&mut self, section: &str) {
        section.clone_into(&mut self.section);
        self.body.push(format!("\n## {section}\n"));
    }

    /// Adds a paragraph.
    pub(crate) fn say(&mut self, text: &str) {
        self.body.push(format!("\n{text}\n"));
    }

    /// Adds a table; columns of numbers need no alignment in the text.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rule = "|---".repeat(head.len());
        self.body.push(format!("\n| {} |\n{rule}|\n", head.join(" | ")));
        self.body.extend(rows.iter().map(|row| format!("| {} |\n", row.join(" | "))));
    }

    /// Adds a comparison to the long table and says whether it holds.
    pub(crate) fn compare(
        &mut self,
        (item, quantity): (&str, &str),
        published: f64,
        ours: f64,
        check: Check,
    ) -> bool {
        let met = check.holds(published, ours);
        let error = relative(published, ours);
        let error = error.map_or_else(String::new, |error| format!("{error:.1e}"));
        let cells = [published.to_string(), show(ours, check.digits()), error, check.verdict(met)];
        self.push(item, quantity, cells);
        met
    }

    /// Compares with a single figure, to its decimals, and gives the line of a table under
    /// [`FIGURES`].
    pub(crate) fn figure(
        &mut self,
        (item, quantity): (&str, &str),
        figure: Figure<'_>,
        ours: f64,
    ) -> Vec<String> {
        let Figure { value, decimals, evidence } = figure;
        let check = Check::Decimals(decimals);
        let met = self.compare((item, &format!("{quantity} ({evidence})")), value, ours, check);
        vec![
            item.to_owned(),
            quantity.to_owned(),
            format!("{} ({evidence})", fixed(value, decimals)),
            fixed(ours, decimals.max(0) + 2),
            check.verdict(met),
        ]
    }

    /// Adds an answer that is no number.
    pub(crate) fn answer(&mut self, (item, quantity): (&str, &str), published: &str, ours: &str) {
        let verdict = if published == ours { "the same" } else { "not the same" };
        let [published, ours] = [published, ours].map(ToOwned::to_owned);
        self.push(item, quantity, [published, ours, String::new(), verdict.to_owned()]);
    }

    /// Adds a typed answer where a number is not to be had, and whether that was expected.
    pub(crate) fn typed(
        &mut self,
        (item, quantity): (&str, &str),
        published: &str,
        ours: &str,
        met: bool,
    ) {
        let verdict = if met { "as expected" } else { "not as expected" };
        let [published, ours] = [published, ours].map(ToOwned::to_owned);
        self.push(item, quantity, [published, ours, String::new(), verdict.to_owned()]);
    }

    /// Adds a number of ours that nothing published stands beside.
    pub(crate) fn ours(&mut self, (item, quantity): (&str, &str), ours: f64) {
        let none = "nothing published".to_owned();
        self.push(item, quantity, [String::new(), show(ours, 7), String::new(), none]);
    }

    /// Adds a line of the summary.
    pub(crate) fn short(&mut self, what: &str, published: &str, ours: &str, verdict: &str) {
        self.short.push([what, published, ours, verdict].map(ToOwned::to_owned));
    }

    /// Notes what does not reproduce, and why.
    pub(crate) fn gap(&mut self, what: &str, why: &str) {
        self.gaps.push((what.to_owned(), why.to_owned()));
    }

    /// The files.
    pub(crate) fn results(mut self) -> Fallible<Results> {
        self.begin("9 What does not reproduce");
        let gap = |(what, why): &(String, String)| format!("- **{what}.** {why}\n");
        self.body.push("\n".to_owned());
        self.body.extend(self.gaps.iter().map(gap));
        let summary = self.summary();
        let page = format!("{TITLE}\n## In short\n\n{summary}{}", self.body.concat());
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        for row in &self.rows {
            table.write_record(row)?;
        }
        Ok(Results { page, table: String::from_utf8(table.into_inner()?)?, summary })
    }

    fn summary(&self) -> String {
        let line = |cells: &[String; 4]| format!("| {} |\n", cells.join(" | "));
        let head = "| what | published | ours | verdict |\n|---|---|---|---|\n".to_owned();
        head + &self.short.iter().map(line).collect::<String>()
    }

    fn push(&mut self, item: &str, quantity: &str, [published, ours, error, verdict]: [String; 4]) {
        let (item, quantity) = (item.to_owned(), quantity.to_owned());
        let section = self.section.clone();
        self.rows.push([section, item, quantity, published, ours, error, verdict]);
    }
}

/// `ours / published - 1`; `None` where the published number is zero.
pub(crate) fn relative(published: f64, ours: f64) -> Option<f64> {
    (published != 0.0).then(|| ours / published - 1.0)
}

/// A relative difference as signed percent; what rounds to zero has no sign.
pub(crate) fn percent(relative: f64, decimals: usize) -> String {
    let text = format!("{:+.decimals$}", 100.0 * relative);
    let is_zero = !text.contains(|c: char| c.is_ascii_digit() && c != '0');
    format!("{} %", if is_zero { &text[1..] } else { &text })
}

/// A magnitude as percent.
pub(crate) fn share(magnitude: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", 100.0 * magnitude.abs())
}

/// The word of the summary.
pub(crate) const fn word(met: bool) -> &'static str {
    if met { "met" } else { "**not met**" }
}

/// A number with so many significant digits, with an exponent where it is large or small.
pub(crate) fn show(x: f64, digits: usize) -> String {
    let scientific = format!("{x:.*e}", digits - 1);
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    match exponent {
        Some(e @ -4..=6) => fixed(x, i32::try_from(digits).unwrap_or_default() - 1 - e),
        _ => scientific,
    }
}

/// A number with so many decimals; with fewer than none it is rounded to tens.
pub(crate) fn fixed(x: f64, decimals: i32) -> String {
    let tens = 10f64.powi(-decimals.min(0));
    let places = usize::try_from(decimals).unwrap_or_default();
    format!("{:.places$}", if decimals < 0 { (x / tens).round() * tens } else { x })
}

/// The largest magnitude of several numbers.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |most, value| f64::max(most, value.abs()))
}

/// The middle of several numbers; the mean of the two middle ones of an even count.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    f64::midpoint(values[low], values[high])
}
