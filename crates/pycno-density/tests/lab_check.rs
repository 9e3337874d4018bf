//! The page of the lab's check is made from its table and the shipped ruler.

use std::{error::Error, fs, path::Path};

#[path = "../examples/lab_check/weigh.rs"]
mod weigh;

#[test]
fn the_committed_page_is_made_again_to_the_byte() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path));
    let page =
        weigh::page(&read("configs/rulers/lab.toml")?, &read("experiments/lab-ladder/check.csv")?)?;
    assert_eq!(page, read("experiments/lab-ladder/check.md")?);
    Ok(())
}
