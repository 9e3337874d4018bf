//! Weighs models that the ruler `lab` has not seen.
//!
//! `cargo run --release -p pycno-density --example lab_check [FOLDER]` reads the shipped ruler and
//! `FOLDER/check.csv`, and writes `FOLDER/check.md`; the folder is `experiments/lab-ladder` by default. Same
//! inputs, same bytes.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

mod weigh;

use std::{env, error::Error, fs, path::PathBuf};

const FOLDER: &str = "experiments/lab-ladder";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    let ruler = fs::read_to_string("configs/rulers/lab.toml")?;
    let page = weigh::page(&ruler, &fs::read_to_string(folder.join("check.csv"))?)?;
    fs::write(folder.join("check.md"), &page)?;
    println!("{page}");
    println!("written: {}/check.md", folder.display());
    Ok(())
}
