//! Recomputes the Densing Law's numbers from our fits and rulers, beside the published ones.
//!
//! `cargo run --release -p pycno-density --example densing_law_2025 [FOLDER]` reads
//! `FOLDER/published/*.csv` and the shipped ruler, writes `FOLDER/result.md` and
//! `FOLDER/result.csv`, and prints the summary; the folder is `experiments/densing-law-2025` by
//! default. Same inputs, same bytes.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

mod recompute;

use std::{env, error::Error, fs, path::PathBuf};

const FOLDER: &str = "experiments/densing-law-2025";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    let results = recompute::recompute(&folder.join("published"))?;
    fs::write(folder.join("result.md"), &results.page)?;
    fs::write(folder.join("result.csv"), &results.table)?;
    println!("{}", results.summary);
    println!("written: {0}/result.md and {0}/result.csv", folder.display());
    Ok(())
}
