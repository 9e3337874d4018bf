//! The paper's numbers from our fits and rulers: one section a file, all on one sheet.
//!
//! Xiao et al. 2025, [doi 10.1038/s42256-025-01137-0](https://doi.org/10.1038/s42256-025-01137-0).
//! The figures to compare with are read from the files of `published/`.

mod compression;
mod constants;
mod growth;
mod models;
mod prices;
mod published;
mod recipes;
mod sheet;
mod valley;
mod vectors;

use std::{error::Error, path::Path};

use published::Published;
use pycno_density::Ruler;
pub(crate) use sheet::Results;
use sheet::Sheet;

/// Any failure: an example says what went wrong and stops.
type Fallible<T> = Result<T, Box<dyn Error>>;

const RULER: &str = include_str!("../../../../../configs/rulers/densing-2025.toml");

/// Recomputes everything from the published figures in a folder and the shipped ruler.
pub(crate) fn recompute(published: &Path) -> Fallible<Results> {
    let (published, ruler) = (Published::read(published)?, Ruler::parse(RULER)?);
    let mut sheet = Sheet::default();
    let refits = constants::refits(&published)?;
    constants::section(&mut sheet, &published, &refits)?;
    valley::section(&mut sheet, &refits)?;
    vectors::section(&mut sheet, &published, &ruler)?;
    let weighed = models::section(&mut sheet, &published, &ruler)?;
    compression::section(&mut sheet, &published, &weighed)?;
    growth::section(&mut sheet, &published)?;
    prices::section(&mut sheet, &published)?;
    growth::moore(&mut sheet, &published)?;
    recipes::section(&mut sheet, &published, &ruler)?;
    sheet.results()
}
