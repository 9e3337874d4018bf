//! Flags of `pycno ruler`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with rulers.
#[derive(Debug, Subcommand)]
pub(crate) enum RulerVerb {
    /// Name the shipped rulers, with their tasks and sources.
    List(ListArguments),
    /// Show a ruler's constants and how they were found.
    Show(ShowArguments),
    /// Fit a ruler to a table of runs, or a ruler's own points again.
    Fit(FitArguments),
}

/// How to list.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  pycno ruler list")]
pub(crate) struct ListArguments {
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  pycno ruler show densing-2025 --task mmlu
  pycno ruler show my-ruler.toml --json";

/// What to show.
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct ShowArguments {
    /// Name of a shipped ruler, or path of a ruler file (.toml).
    #[arg(value_name = "NAME|FILE")]
    pub(crate) ruler: String,
    /// This task alone.
    #[arg(long)]
    pub(crate) task: Option<String>,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

const FIT_EXAMPLES: &str = "\
Examples:
  Make a ruler:
    pycno ruler fit runs.csv --spec configs/ruler-specs/pythia.toml --out my-ruler.toml
  Fit a ruler's own points again and say what differs:
    pycno ruler fit my-ruler.toml

A table of runs has the columns run, suite, cluster, params, tokens, loss:TASK (nats per token) \
and score:TASK (percent); only run is required. A specification has the tables [family], [[task]] \
and [task.recipe]; those in configs/ruler-specs are examples.";

/// What to fit.
#[derive(Args, Debug)]
#[command(after_help = FIT_EXAMPLES)]
pub(crate) struct FitArguments {
    /// A table of runs (with --spec), or a ruler by name or path (without).
    #[arg(value_name = "RUNS.csv|RULER")]
    pub(crate) from: String,
    /// Family, tasks and recipes (TOML).
    #[arg(long, value_name = "SPEC.toml")]
    pub(crate) spec: Option<PathBuf>,
    /// Where the ruler goes; must not exist.
    #[arg(long, value_name = "RULER.toml", requires = "spec")]
    pub(crate) out: Option<PathBuf>,
    /// Writes the ruler even if scores hardly tell one size from another (R2 below 0.5), or if a constant
    /// of a law ended on a bound of the search.
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}
