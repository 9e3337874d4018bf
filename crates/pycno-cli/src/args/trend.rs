//! Flags of `pycno trend`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pycno_density::Series;
use pycno_units::ParamCount;
use time::Date;

use super::value;

const EXAMPLES: &str = "\
Examples:
  pycno trend census.csv
  Did the pace change at a date?
    pycno trend census.csv --split 2022-11-30
  How small can a model as good as a 70B reference model be at a date, and when does a 4B model do?
    pycno trend census.csv --effective 70B --at 2026-01-01 --size 4B

A census has the columns model, date (2024-02-01) and density; others are not read. `pycno density \
--models FILE --csv census.csv` writes one.";

/// What to fit, and what to read off it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrendArguments {
    /// Densities by date (CSV).
    #[arg(value_name = "CENSUS.csv")]
    pub(crate) census: PathBuf,
    /// Models that count: the densest of their day, or all.
    #[arg(long, default_value = "envelope")]
    pub(crate) series: SeriesName,
    /// Date of day 0; the first of all dates if not given.
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub(crate) origin: Option<Date>,
    /// First day of a later period, compared with the earlier one.
    #[arg(long, value_name = "DATE", value_parser = value::date)]
    pub(crate) split: Option<Date>,
    /// Effective size to forecast, such as 7B; with --at, --size or both.
    #[arg(long, value_name = "COUNT", value_parser = value::size)]
    pub(crate) effective: Option<ParamCount>,
    /// Date to forecast the size for.
    #[arg(long, value_name = "DATE", value_parser = value::date, requires = "effective")]
    pub(crate) at: Option<Date>,
    /// Size to forecast the date for.
    #[arg(long, value_name = "COUNT", value_parser = value::size, requires = "effective")]
    pub(crate) size: Option<ParamCount>,
    /// One JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A series by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SeriesName {
    /// The strict running maximum of the density by date.
    Envelope,
    /// Every model.
    All,
}

impl From<SeriesName> for Series {
    fn from(name: SeriesName) -> Self {
        match name {
            SeriesName::Envelope => Self::Envelope,
            SeriesName::All => Self::AllModels,
        }
    }
}
