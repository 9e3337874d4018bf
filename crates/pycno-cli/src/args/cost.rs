//! Flags of `pycno cost`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use pycno_density::CHIP_DOUBLING_DAYS;

use super::value;

const EXAMPLES: &str = "\
Examples:
  How fast does the price of a capability fall?
    pycno cost --prices prices.csv
  Density times Moore's law:
    pycno cost --trend census.csv
  Does a training cost come back before a half-size rival appears?
    pycno cost --doubling-days 106 --training-usd 5e6 --profit-usd-per-month 2e6

A table of prices has the columns date (2024-02-01), name and usd_per_million_tokens. A census is \
one of `pycno trend`.";

/// What to work out; at least one of --prices, --trend and --doubling-days.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("source").required(true).multiple(true))]
#[group(skip)]
pub(crate) struct CostArguments {
    /// Prices of one capability by date (CSV).
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) prices: Option<PathBuf>,
    /// Densities by date (CSV); their doubling time is fitted, with an interval.
    #[arg(long, value_name = "CENSUS.csv", group = "source", conflicts_with = "doubling_days")]
    pub(crate) trend: Option<PathBuf>,
    /// Doubling time of density in days, taken as known.
    #[arg(long, value_name = "DAYS", value_parser = value::positive, group = "source")]
    pub(crate) doubling_days: Option<f64>,
    /// Doubling time of chip performance per price in days.
    #[arg(long, value_name = "DAYS", value_parser = value::positive)]
    #[arg(default_value_t = CHIP_DOUBLING_DAYS)]
    pub(crate) chip_doubling_days: f64,
    /// Cost of a training in US dollars; with --profit-usd-per-month.
    #[arg(long, value_name = "USD", value_parser = value::positive)]
    #[arg(requires = "profit_usd_per_month")]
    pub(crate) training_usd: Option<f64>,
    /// Profit from the model in US dollars a month, after the cost of serving.
    #[arg(long, value_name = "USD", value_parser = value::finite, allow_hyphen_values = true)]
    #[arg(requires = "training_usd")]
    pub(crate) profit_usd_per_month: Option<f64>,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}
