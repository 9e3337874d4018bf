//! Other people's names stay where their files are read and written: tensors' in `hf`, families' in `hf` and `gguf`.

use crate::{Breach, TextFile, breach, code};

/// Parts of Hugging Face's names of tensors; in two halves so that this file does not find itself.
const TENSORS: [&str; 6] = [
    concat!("self_", "attn"),
    concat!("embed_", "tokens"),
    concat!("lm_", "head"),
    concat!("_layer", "norm"),
    concat!("_pr", "oj."),
    concat!("model.", "layers"),
];
/// Families of models as configs and metadata write them, at the beginning of a literal.
const FAMILIES: [&str; 4] = [
    concat!("\"lla", "ma"),
    concat!("\"mist", "ral"),
    concat!("\"qw", "en"),
    concat!("\"gem", "ma"),
];
const HF: &str = "crates/pycno-model/src/hf/";
const GGUF: &str = "crates/pycno-model/src/gguf/";

/// Finds names of tensors outside `hf`, and names of families outside `hf` and `gguf`, in crates' code.
pub fn breaches(file: &TextFile) -> Vec<Breach> {
    let is_code = file.ends_in(&["rs"]) && file.path.contains("/src/");
    if !is_code || !file.path.starts_with("crates/") || file.path.starts_with(HF) {
        return Vec::new();
    }
    let own = TextFile::new(&file.path, code::without_tests(&file.text));
    let mut found = breach::found(&file.path, code::lines(&own), &TENSORS);
    if !file.path.starts_with(GGUF) {
        found.extend(breach::found(&file.path, code::lines(&own), &FAMILIES));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, line: &str, expect: usize) {
        let found = breaches(&TextFile::new(path, &format!("{line}\n")));
        assert_eq!(found.len(), expect, "{found:?}");
    }

    #[test]
    fn a_name_of_others_is_found_outside_its_adapter() {
        let tensor = format!("let x = \"{}.q\";", TENSORS[0]);
        check("crates/pycno-prune/src/surgery.rs", &tensor, 1);
        check("crates/pycno-model/src/gguf/tensors.rs", &tensor, 1);
        check("crates/pycno-model/src/hf/read.rs", &tensor, 0);
        check("tests/parity/main.rs", &tensor, 0);
        let family = format!("match kind {{ {}2\" => 1 }}", FAMILIES[3]);
        check("crates/pycno-model/src/decoder.rs", &family, 1);
        check("crates/pycno-model/src/gguf/arch.rs", &family, 0);
    }

    #[test]
    fn comments_and_tests_may_say_them() {
        check("crates/a/src/x.rs", &format!("// {}", TENSORS[2]), 0);
        let test = format!("\n#[cfg(test)]\nmod tests {{\n{}\n}}", TENSORS[2]);
        check("crates/a/src/x.rs", &test, 0);
    }
}
