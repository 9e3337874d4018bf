//! Prunes a model in three ways and saves each student as a Hugging Face folder.
//!
//!     cargo run --release -p pycno-study --example prune [MODEL [TEXT]]
//!
//! MODEL is a folder or a .gguf file; the lab's teacher if left out. TEXT is what activations are measured on.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{error::Error, path::PathBuf};

use burn::tensor::Device;
use pycno_data::{Batch, Tokenizer, corpus, pack};
use pycno_model::{Decoder, hf, source::Remote};
use pycno_prune::{MeasuredOn, PruneConfig, Pruned, Statistics, fingerprint, prune};
use pycno_study::shipped;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let model = words.next().unwrap_or_else(|| "lab:teacher".to_owned());
    let text = words.next().map_or_else(|| PathBuf::from("README.md"), PathBuf::from);
    run(&model, &text, &std::env::temp_dir().join("pycno-students"))
}

fn run(model: &str, text: &std::path::Path, out: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let teacher = shipped::open(&model.parse()?, &Remote::new(out))?;
    let device = Device::flex();

    // What criteria may ask for: sums of activations on some text.
    let tokenizer = Tokenizer::from_files(&teacher.files)?;
    let sequences = pack(&corpus::read(text)?, &tokenizer, 64)?.sequences;
    let measured_on =
        MeasuredOn { checkpoint: fingerprint(&teacher), calibration: text.display().to_string() };
    let mut statistics = Statistics::new(&teacher.spec, measured_on);
    let decoder = Decoder::new(&teacher, &device)?;
    for batch in sequences.chunks(8).take(4) {
        let ids = Batch::plain(batch.to_vec()).tensor(&device);
        statistics.observe(&decoder, ids)?;
    }

    for (name, words) in [
        (
            "shallow",
            r#"{ "criterion": "block-influence", "structure": "layers", "sparsity": 0.25 }"#,
        ),
        ("narrow", r#"{ "criterion": "minitron", "structure": { "ffn": { "sparsity": 0.25 } } }"#),
        ("sparse", r#"{ "criterion": "magnitude", "structure": "2:4" }"#),
    ] {
        let config: PruneConfig = serde_json::from_str(words)?;
        let Pruned { student, plan } = prune(&teacher, &config, &mut statistics)?;
        let sizes = plan.sizes(&teacher.spec)?;
        println!("{name}: {config}, {} of {} parameters", sizes.after.total, sizes.before.total);
        println!("  of these held at zero: {}", student.removed_weights());
        hf::write(&student, &out.join(name), hf::SaveDtype::F32)?;
    }
    Ok(())
}

#[test]
fn runs_on_the_labs_teacher() {
    let out = tempfile::tempdir().unwrap();
    let text = out.path().join("text.txt");
    std::fs::write(&text, "Ann gives Bo two pears. Bo gives Cy one pear. ".repeat(400)).unwrap();
    run("lab:teacher", &text, out.path()).unwrap();
    assert!(hf::read(&out.path().join("sparse")).unwrap().removed_weights() > 0);
}
