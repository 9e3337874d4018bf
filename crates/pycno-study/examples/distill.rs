//! Trains a student from scratch on what the lab's teacher predicts: forward KL, on the lab's texts.
//!
//!     cargo run --release -p pycno-study --example distill
#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;

use burn::tensor::Device;
use pycno_data::{Batch, Tokenizer, lab, pack};
use pycno_distill::{Divergence, HeadPair, Temperature};
use pycno_model::{Decoder, initial, source::Remote};
use pycno_study::shipped;
use pycno_train::{Gradients, Objective, StudentOutputs, TrainConfig, TrainError, Training};
use pycno_units::{Seed, TokenCount};

/// Nats per token of `KL(teacher, student)`, from a teacher that runs beside the student.
struct ForwardKl(Decoder);

impl Objective for ForwardKl {
    fn name(&self) -> &'static str {
        "forward-kl"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let hidden = self.0.hidden(outputs.batch.inputs(&outputs.hidden.device()));
        let pair = HeadPair {
            student_hidden: outputs.hidden,
            student_head: outputs.head,
            teacher_hidden: hidden.flatten(0, 1), // [batch * seq, d_model]
            teacher_head: self.0.head(),
            weights: outputs.batch.target_weights(),
        };
        let divergence = Divergence::ForwardKl { temperature: Temperature::default() };
        Ok(divergence.gradients(&pair).into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [before, after] = run(TokenCount(500_000))?;
    println!("KL(teacher, student): {before:.3} -> {after:.3} nats per token");
    Ok(())
}

/// Losses on text held out, before training and after so many tokens, each read about once.
fn run(tokens: TokenCount) -> Result<[f64; 2], Box<dyn Error>> {
    let device = Device::flex();
    let teacher = shipped::open(&"lab:teacher".parse()?, &Remote::new(std::env::temp_dir()))?;

    // Half as many layers. Any spec will do that has the teacher's vocabulary.
    let mut spec = teacher.spec.clone();
    spec.layers.truncate(spec.layers.len() / 2);
    let student = initial(&spec, Seed(1));

    let tokenizer = Tokenizer::from_files(&teacher.files)?;
    let corpus = lab::corpus(&format!("lab:train/{tokens}"))?;
    let mut sequences = pack(&corpus, &tokenizer, 65)?.sequences;
    let held_out = Batch::plain(sequences.split_off(sequences.len() - 16));

    let objective = ForwardKl(Decoder::new(&teacher, &device)?);
    let loss = |student: &Decoder| {
        let hidden = student.hidden(held_out.inputs(&device)).flatten(0, 1);
        let outputs =
            StudentOutputs { hidden, head: student.head(), taps: Vec::new(), batch: &held_out };
        objective.gradients(outputs).map(|found| found.loss)
    };

    let config = TrainConfig { learning_rate: 3e-3.try_into()?, ..TrainConfig::new(tokens) };
    let mut training =
        Training::new(&student, &sequences, &objective, &config, (&device, Seed(2)))?;
    let before = loss(training.student())?;
    for _ in 0..training.steps() {
        (training, _) = training.step()?;
    }
    Ok([before, loss(training.student())?])
}

#[test]
fn the_student_comes_closer_to_its_teacher() {
    let [before, after] = run(TokenCount(20_000)).unwrap();
    assert!(after < 0.8 * before, "{before} -> {after}");
}
