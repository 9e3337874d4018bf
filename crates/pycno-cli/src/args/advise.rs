//! Flags of `pycno advise`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pycno_density::DEFAULT_DRAWS;
use pycno_units::{ParamCount, TokenCount};
use time::Date;

use super::{density::Basin, value};

/// What to plan.
#[derive(Debug, Subcommand)]
pub(crate) enum AdviseVerb {
    /// Say which size, how many tokens and how much compute reach a score.
    Score(TargetArguments),
    /// Say how good a student must be to be worth keeping.
    Student(StudentArguments),
    /// Say when a device is enough for a score.
    Device(DeviceArguments),
}

/// The law that answers.
#[derive(Args, Debug)]
pub(crate) struct LawArguments {
    /// Name of a shipped ruler, or path of a ruler file (.toml).
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) ruler: String,
    /// Task that is scored, or several for their mean; the ruler's own mean, if it has one.
    #[arg(long, value_delimiter = ',', value_name = "TASK,..")]
    pub(crate) task: Vec<String>,
    /// Minimum of the ruler's loss fits to read sizes by.
    #[arg(long, value_name = "BASIN", default_value = "chosen")]
    pub(crate) basin: Basin,
    /// Draws behind an interval; at least 80.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DRAWS)]
    pub(crate) draws: usize,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

const TARGET_EXAMPLES: &str = "\
Examples:
  What does a mean score of 60 over the ruler's tasks take, and what with 2T tokens or 30B parameters?
    pycno advise score --ruler densing-2025 --score 60 --tokens 2T --params 30B
  By the other fit of the loss law:
    pycno advise score --ruler densing-2025 --score 60 --basin other
  One task of a ruler whose laws go from size to score:
    pycno advise score --ruler pythia --task piqa --score 70

`pycno ruler list` names the rulers and their tasks.";

/// The score to reach.
#[derive(Args, Debug)]
#[command(after_help = TARGET_EXAMPLES)]
pub(crate) struct TargetArguments {
    /// Score to reach in percent; 66.7 and 66.7% are the same.
    #[arg(long, value_name = "SCORE")]
    pub(crate) score: String,
    /// Tokens to spend; gives the smallest size at that count too.
    #[arg(long, value_name = "COUNT", value_parser = value::tokens)]
    pub(crate) tokens: Option<TokenCount>,
    /// Size to train, by the ruler's convention; gives the fewest tokens.
    #[arg(long, value_name = "COUNT", value_parser = value::size)]
    pub(crate) params: Option<ParamCount>,
    #[command(flatten)]
    pub(crate) law: LawArguments,
}

const STUDENT_EXAMPLES: &str = "\
Examples:
  Against the teacher and a reference model of the student's size:
    pycno advise student --ruler densing-2025 --teacher-params 8B --teacher-score 65 \\
      --student-params 4B
  Against a model of the trend's density at a date:
    pycno advise student --ruler densing-2025 --teacher-params 8B --teacher-score 65 \\
      --student-params 4B --trend census.csv --at 2025-01-01

A census has the columns model, date (2024-02-01) and density, weighed on the same ruler.";

/// The teacher, and the student to be.
#[derive(Args, Debug)]
#[command(after_help = STUDENT_EXAMPLES)]
pub(crate) struct StudentArguments {
    /// Size of the teacher, by the ruler's convention.
    #[arg(long, value_name = "COUNT", value_parser = value::size)]
    pub(crate) teacher_params: ParamCount,
    /// Score of the teacher in percent.
    #[arg(long, value_name = "SCORE")]
    pub(crate) teacher_score: String,
    /// Size of the student, by the ruler's convention.
    #[arg(long, value_name = "COUNT", value_parser = value::size)]
    pub(crate) student_params: ParamCount,
    /// Densities by date (CSV), for a model from scratch of the day instead of one of the ruler's family.
    #[arg(long, value_name = "CENSUS.csv", requires = "at")]
    pub(crate) trend: Option<PathBuf>,
    /// Date of the model from scratch.
    #[arg(long, value_name = "DATE", value_parser = value::date, requires = "trend")]
    pub(crate) at: Option<Date>,
    #[command(flatten)]
    pub(crate) law: LawArguments,
}

const DEVICE_EXAMPLES: &str = "\
Examples:
  When does a model on a phone that fits 4B parameters score 60?
    pycno advise device --ruler densing-2025 --score 60 --fits 4B --at 2025-01-01 --trend census.csv
  And on a phone of the same price, whose chips double every 2.1 years?
    pycno advise device --ruler densing-2025 --score 60 --fits 4B --at 2025-01-01 \\
      --trend census.csv --chip-doubling-days 767

A census has the columns model, date (2024-02-01) and density, weighed on the same ruler.";

/// The device, and the score asked of it.
#[derive(Args, Debug)]
#[command(after_help = DEVICE_EXAMPLES)]
pub(crate) struct DeviceArguments {
    /// Score to reach in percent; 66.7 and 66.7% are the same.
    #[arg(long, value_name = "SCORE")]
    pub(crate) score: String,
    /// Largest size that the device runs, by the ruler's convention.
    #[arg(long, value_name = "COUNT", value_parser = value::size)]
    pub(crate) fits: ParamCount,
    /// Date at which such a device is to be had.
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub(crate) at: Date,
    /// Densities by date (CSV).
    #[arg(long, value_name = "CENSUS.csv")]
    pub(crate) trend: PathBuf,
    /// Doubling time in days of what the device's price buys; gives a date for that price too.
    #[arg(long, value_name = "DAYS", value_parser = value::positive)]
    pub(crate) chip_doubling_days: Option<f64>,
    #[command(flatten)]
    pub(crate) law: LawArguments,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Arguments;

    #[track_caller]
    fn check(line: &str, expect: Option<&str>) {
        let parsed = Arguments::try_parse_from(format!("pycno advise {line}").split_whitespace());
        let message = parsed.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(message.is_empty(), expect.is_none(), "{line}: {message}");
        assert!(message.contains(expect.unwrap_or_default()), "{line}: {message}");
    }

    #[test]
    fn a_plan_is_complete_or_names_what_is_missing() {
        let student = "student --ruler r --teacher-params 8B --teacher-score 65";
        check("score --ruler r --score 60 --task a,b --tokens 2T --params 30B", None);
        check("score --ruler r", Some("--score"));
        check("score --score 60", Some("--ruler"));
        check(&format!("{student} --student-params 4B"), None);
        check(student, Some("--student-params"));
        check(&format!("{student} --student-params 4B --trend c.csv"), Some("--at"));
        check(&format!("{student} --student-params 4B --at 2025-01-01"), Some("--trend"));
        let device = "device --ruler r --score 60 --fits 4B --at 2025-01-01";
        check(device, Some("--trend"));
        check(&format!("{device} --trend c.csv"), None);
    }

    #[test]
    fn values_out_of_range_are_refused_where_they_are_read() {
        let device = "device --ruler r --score 60 --trend c.csv";
        check("score --ruler r --score 60 --tokens 0", Some("at least 1000"));
        check("score --ruler r --score 60 --params 0", Some("a whole number, at least 1000"));
        check(&format!("{device} --fits 0 --at 2025-01-01"), Some("a whole number, at least 1000"));
        check(&format!("{device} --fits 4B --at 2025-1-1"), Some("such as 2024-02-01"));
        let chips = format!("{device} --fits 4B --at 2025-01-01 --chip-doubling-days 0");
        check(&chips, Some("expected a positive number"));
    }
}
