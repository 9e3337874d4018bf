//! Nothing committed names the machine it was written on or a package registry's host.

use crate::{Breach, TextFile, breach};

/// Machine paths and hosts; written in two halves so that this file does not find itself.
const FORBIDDEN: [&str; 9] = [
    concat!("/wo", "rk/"),
    concat!("/tmp", "/w/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io/"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("debian", ".org"),
];

/// Finds machine paths and registry hosts in any text.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    breach::found(&file.path, file.numbered(), &FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_machine_is_found_in_code_data_and_comments() {
        for word in FORBIDDEN {
            for path in ["a.rs", "a.json", ".ci/run"] {
                let planted = TextFile::new(path, &format!("x\n# see {word}x\n"));
                assert_eq!(breaches(&planted), [Breach::new(path, 2, format!("found `{word}`"))]);
            }
        }
    }

    #[test]
    fn a_path_below_the_project_is_fine() {
        assert!(breaches(&TextFile::new("README.md", "../shared/data and runs/x")).is_empty());
    }
}
