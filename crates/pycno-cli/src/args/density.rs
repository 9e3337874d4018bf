//! Flags of `pycno density`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pycno_density::DEFAULT_DRAWS;
use pycno_units::{ParamCount, TokenCount};

use super::value;

const EXAMPLES: &str = "\
Examples:
  One score:
    pycno density --ruler pythia --params 302.3M --scores lambada_openai=43.0
  Five tasks of the densing law with their item counts, hence with intervals:
    pycno density --ruler densing-2025 --params 6.98B \\
      --scores mmlu=66.7,bbh=71.5,math=42.8,humaneval=45.1,mbpp=53.9 \\
      --items mmlu=14042,bbh=6511,math=5000,humaneval=164,mbpp=500
  A mixture of experts (15.7B parameters, 2.4B of them used per token), by every rule of counting:
    pycno density --ruler densing-2025 --params 15.3B --total 15.7B --active 2.4B --bits 16 \\
      --scores mmlu=58.0
  Many models, each against its parent, and their densities by date for `pycno trend`:
    pycno density --ruler densing-2025 --models models.csv --csv census.csv

A table for --models has the columns model and params, optionally total, active, non_zero, bits, \
parent and date (2024-02-01), one column a task with scores in percent, and optionally items:TASK \
(number of items) or stderr:TASK (standard error in percent points). Cells may be empty.

`pycno ruler list` names the rulers and their tasks.";

/// What to weigh, and on what.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DensityArguments {
    /// Name of a shipped ruler, or path of a ruler file (.toml).
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) ruler: String,
    /// Actual size, non-embedding parameters, such as 6.98B.
    #[arg(long, value_name = "COUNT", value_parser = value::size, allow_hyphen_values = true)]
    #[arg(required_unless_present = "models", conflicts_with = "models")]
    pub(crate) params: Option<ParamCount>,
    /// Scores in percent: `task=score,...`; 66.7 and 66.7% are the same.
    #[arg(long, value_delimiter = ',', value_name = "TASK=SCORE")]
    #[arg(required_unless_present = "models", conflicts_with = "models")]
    pub(crate) scores: Vec<String>,
    /// Items behind the scores: `task=count,...`; gives an interval.
    #[arg(long, value_delimiter = ',', value_name = "TASK=COUNT", conflicts_with = "models")]
    pub(crate) items: Vec<String>,
    /// Standard errors of scores in percent points: `task=points,...`, instead of --items.
    #[arg(long, value_delimiter = ',', value_name = "TASK=POINTS", conflicts_with = "models")]
    pub(crate) stderr: Vec<String>,
    /// All parameters; gives densities by other rules of counting.
    #[arg(long, value_name = "COUNT", value_parser = value::size, conflicts_with = "models")]
    pub(crate) total: Option<ParamCount>,
    /// Parameters used per token; of a dense model the total.
    #[arg(long, value_name = "COUNT", value_parser = value::size, requires = "total")]
    pub(crate) active: Option<ParamCount>,
    /// Parameters that are not zero, of all.
    #[arg(long, value_name = "COUNT", value_parser = value::size, requires = "total")]
    pub(crate) non_zero: Option<ParamCount>,
    /// Mean bits of a stored weight; 16 if it is not quantized.
    #[arg(long, value_name = "BITS", value_parser = value::positive, requires = "total")]
    pub(crate) bits: Option<f64>,
    /// Table of many models (CSV) instead of --params and --scores.
    #[arg(long, value_name = "FILE")]
    pub(crate) models: Option<PathBuf>,
    /// Where model, date and density of each dated model go, for `pycno trend`; must not exist.
    #[arg(long, value_name = "OUT", requires = "models")]
    pub(crate) csv: Option<PathBuf>,
    /// Minimum of the ruler's loss fits to read sizes by.
    #[arg(long, value_name = "BASIN", default_value = "chosen")]
    pub(crate) basin: Basin,
    /// Token count D0 to read sizes at instead of the ruler's own; two-step rulers only.
    #[arg(long, value_name = "COUNT", value_parser = value::tokens)]
    pub(crate) tokens: Option<TokenCount>,
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

/// Which minimum of a loss law's fit is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Basin {
    /// The ruler's own.
    Chosen,
    /// The best of the others, where there is one.
    Other,
}
