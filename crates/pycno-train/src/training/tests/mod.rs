//! Checks of the loop on tiny random decoders.

use std::cell::Cell;

use burn::{
    module::Module as _,
    optim::GradientsParams,
    tensor::{Int, Tensor, TensorData, activation::log_softmax},
};
use pycno_data::Batch;
use pycno_kernels::head::{ForwardKl, HeadPair, distill_head};
use pycno_model::{
    AttentionSpec, Decoder, FfnSpec, HostTensor, LayerSpec, ModelSpec, NormSpec, RopeSpec,
};

mod branches;
mod hook;
mod masks;
mod sources;
mod steps;

use super::{
    gradients::{batch_gradients, micro_gradients},
    *,
};
use crate::{
    Gradients, LanguageModel, LearningRate, NormLimit, Phase, Share, StudentOutputs,
    optimizer::{Optimizer, Rates, global_norm},
    parameters,
};

/// Gradients in `f32` computed in two orders, relative to the largest entry.
const TOLERANCE: f32 = 1e-5;

fn spec(tied: bool) -> ModelSpec {
    let layer = |[n_heads, n_kv_heads, d_ffn]: [usize; 3]| {
        let attention = AttentionSpec {
            qkv_bias: true,
            o_bias: true,
            ..AttentionSpec::plain(n_heads, n_kv_heads, 4, RopeSpec::plain(1e4))
        };
        LayerSpec::pre_norm(attention, FfnSpec::swiglu(d_ffn))
    };
    ModelSpec {
        vocab: 29,
        d_model: 16,
        layers: vec![layer([4, 2, 24]), layer([2, 1, 20])],
        norm: NormSpec::plain(1e-5),
        tied,
        max_positions: 64,
        embedding_scale: None,
        logit_softcap: None,
    }
}

/// A random model; norms are near 1.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn model(tied: bool, seed: u64) -> Checkpoint {
    let spec = spec(tied);
    let tensors = spec.shapes().map(|(id, shape)| {
        let name = id.to_string();
        let [middle, spread] = if name.contains("norm") { [1.0, 0.05] } else { [0.0, 0.5] };
        let draw = |i: usize| {
            // Repeatable, unlike Burn's generator, which all tests of a process share.
            let bits = Seed(seed).split(&name).split(&i.to_string()).0;
            (middle + spread * (2.0 * bits as f64 / u64::MAX as f64 - 1.0)) as f32
        };
        let values = (0..shape.iter().product()).map(draw).collect();
        (id, HostTensor::new(shape, values))
    });
    let tensors = tensors.collect();
    Checkpoint::new(spec, tensors)
}

fn data(n: u32, seq: u32) -> Vec<Vec<u32>> {
    (0..n).map(|i| (0..seq).map(|j| (i * 5 + j * j + 3 * j) % 29).collect()).collect()
}

fn config(tokens: u64, batch: usize, micro_batch: usize) -> TrainConfig {
    TrainConfig {
        batch: batch.try_into().unwrap(),
        micro_batch: micro_batch.try_into().unwrap(),
        learning_rate: LearningRate::try_from(1e-2).unwrap(),
        ..TrainConfig::new(TokenCount(tokens))
    }
}

fn decoder(student: &Checkpoint) -> Decoder {
    Decoder::new(student, &Device::flex()).unwrap()
}

fn host(x: &Tensor<1>) -> Vec<f32> {
    x.clone().into_data().try_to_vec().unwrap()
}

#[track_caller]
fn check_same(found: &BTreeMap<String, Tensor<1>>, expect: &BTreeMap<String, Tensor<1>>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expect.keys().collect::<Vec<_>>());
    for (path, expect) in expect {
        let (found, expect) = (host(&found[path]), host(expect));
        let scale = expect.iter().fold(1e-4, |max: f32, x| max.max(x.abs()));
        for (a, b) in found.iter().zip(&expect) {
            assert!((a - b).abs() <= TOLERANCE * scale, "{path}: {a}, not {b} (scale {scale})");
        }
    }
}

/// The language-model loss of a batch, all logits at once, all of it under autodiff.
fn composed(student: &Decoder, batch: &Batch) -> (f64, BTreeMap<String, Tensor<1>>) {
    let device = Device::flex();
    let tracked = student.clone().train();
    let hidden = tracked.hidden(batch.inputs(&device));
    let [rows, seq, d_model] = hidden.dims();
    let logits = hidden.reshape([rows * seq, d_model]).matmul(tracked.head().weight().clone());
    let targets: Vec<i64> = batch.targets().into_iter().map(i64::from).collect();
    let targets = TensorData::new(targets, [rows * seq, 1]);
    let targets = Tensor::<2, Int>::from_data(targets, &device);
    let loss = -log_softmax(logits, 1).gather(1, targets).mean();
    let value = loss.clone().into_data().iter::<f64>().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &tracked);
    (value, parameters::gradients(student, gradients))
}

#[test]
fn gradients_are_those_of_the_whole_loss_under_autodiff() {
    for tied in [true, false] {
        let student = decoder(&model(tied, 1));
        let batch = Batch::plain(data(4, 9));
        let (loss, expect) = composed(&student, &batch);
        for micro_batch in [4, 3, 1] {
            let config = config(1, 4, micro_batch);
            let found =
                batch_gradients(&student, &batch, &LanguageModel { chunk_rows: 5 }, &config)
                    .unwrap();
            assert!((found.loss - loss).abs() < 1e-5, "{} {loss}", found.loss);
            assert_eq!(found.gradients.len(), if tied { 28 } else { 29 });
            check_same(&found.gradients, &expect);
        }
    }
}

/// Distillation from a fixed teacher.
struct Guided(Decoder);

impl Objective for Guided {
    fn name(&self) -> &'static str {
        "forward-kl"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let teacher = self.0.hidden(outputs.batch.inputs(&Device::flex()));
        let [rows, seq, d_model] = teacher.dims();
        let pair = HeadPair {
            student_hidden: outputs.hidden,
            student_head: outputs.head,
            teacher_hidden: teacher.reshape([rows * seq, d_model]),
            teacher_head: self.0.head(),
            weights: outputs.batch.target_weights(),
        };
        Ok(distill_head(&pair, &ForwardKl::at(1.0), 16).into())
    }
}

fn run(
    student: &Checkpoint,
    objective: &dyn Objective,
    config: &TrainConfig,
    folder: &Path,
) -> Result<(TrainedStudent, Vec<StepEvent>), TrainError> {
    run_on((student, &data(6, 9)), objective, config, folder)
}

fn run_on(
    (student, source): (&Checkpoint, &dyn BatchSource),
    objective: &dyn Objective,
    config: &TrainConfig,
    folder: &Path,
) -> Result<(TrainedStudent, Vec<StepEvent>), TrainError> {
    let mut events = Vec::new();
    let ctx = TrainContext {
        device: Device::flex(),
        seed: Seed(5),
        checkpoint_dir: folder,
        held_out: None,
        on_step: &mut |event| events.push(event.clone()),
    };
    let trained = train(student, source, objective, config, ctx)?;
    Ok((trained, events))
}

fn bits(student: &Checkpoint) -> Vec<(String, Vec<u32>)> {
    let bits = |x: &HostTensor| x.values().iter().map(|x| x.to_bits()).collect();
    student.tensors.iter().map(|(id, x)| (id.to_string(), bits(x))).collect()
}

/// Distillation from a teacher that computes exactly what the student does.
struct Echo;

impl Objective for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let pair = HeadPair {
            student_hidden: outputs.hidden.clone(),
            student_head: outputs.head.clone(),
            teacher_hidden: outputs.hidden,
            teacher_head: outputs.head,
            weights: None,
        };
        Ok(distill_head(&pair, &ForwardKl::at(1.0), 16).into())
    }
}

#[test]
fn a_student_equal_to_its_teacher_stays_as_it_is() {
    let student = model(true, 3);
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { weight_decay: 0.0.try_into().unwrap(), ..config(64, 4, 2) };
    let (found, events) = run(&student, &Echo, &config, folder.path()).unwrap();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.loss.to_bits() == 0));
    assert!(events.iter().all(|event| event.gradient_norm.to_bits() == 0));
    assert_eq!(bits(&found.student), bits(&student));
}

#[test]
fn an_equal_teacher_run_without_a_tape_differs_by_rounding_only() {
    // Burn computes attention in another order under autodiff.
    let student = model(true, 3);
    let batch = Batch::plain(data(4, 9));
    let objective = Guided(decoder(&student));
    let found = batch_gradients(&decoder(&student), &batch, &objective, &config(1, 4, 4)).unwrap();
    let (norm, _) = global_norm(found.gradients);
    assert!(found.loss.abs() < 1e-7 && norm < 1e-4, "{} {norm}", found.loss);
}

#[test]
fn a_student_learns_a_short_text_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let (found, events) =
        run(&model(true, 4), &LanguageModel::default(), &config(80 * 48, 6, 6), folder.path())
            .unwrap();
    let (first, last) = (events[0].loss, events[events.len() - 1].loss);
    assert!(first > 2.0 && last < 0.3 * first, "{first} to {last}");
    assert_eq!(found.steps.len(), 80);
    assert_eq!(found.steps[79].tokens, TokenCount(80 * 48));
}

#[test]
fn steps_in_memory_are_those_of_a_run_with_checkpoints() {
    let (student, objective) = (model(true, 6), LanguageModel::default());
    let config = config(3 * 32, 4, 4);
    let folder = tempfile::tempdir().unwrap();
    let (on_disk, expect) = run(&student, &objective, &config, folder.path()).unwrap();
    let place = (&Device::flex(), Seed(5));
    let text = data(6, 9);
    let mut training = Training::new(&student, &text, &objective, &config, place).unwrap();
    let mut events = Vec::new();
    for _ in 0..3 {
        let event;
        (training, event) = training.step().unwrap();
        events.push(event);
    }
    assert_eq!(events, expect);
    assert_eq!(training.student().tensors(), on_disk.student.tensors);
}

/// Fails after so many calls: a run that is killed.
struct Dying<'a> {
    inner: &'a dyn Objective,
    calls: Cell<u32>,
}

impl Objective for Dying<'_> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let left = self.calls.get();
        self.calls.set(left.saturating_sub(1));
        if left == 0 {
            let (objective, reason) = (self.name().to_owned(), "killed".to_owned());
            return Err(TrainError::Objective { objective, reason });
        }
        self.inner.gradients(outputs)
    }
}

#[test]
fn a_run_that_was_killed_ends_with_the_same_bits() {
    for tied in [true, false] {
        let student = model(tied, 6);
        let objective = Guided(decoder(&model(true, 7)));
        let config =
            TrainConfig { checkpoint_every: 3.try_into().unwrap(), ..config(6 * 32, 4, 3) };
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (straight, _) = run(&student, &objective, &config, folders[0].path()).unwrap();
        // Two micro-batches a step: dies in the second of step 5.
        let dying = Dying { inner: &objective, calls: Cell::new(9) };
        assert!(run(&student, &dying, &config, folders[1].path()).is_err());
        let (resumed, events) = run(&student, &objective, &config, folders[1].path()).unwrap();
        assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [4, 5, 6]);
        assert_eq!(resumed.steps, straight.steps);
        assert_eq!(bits(&resumed.student), bits(&straight.student));
        assert_ne!(bits(&resumed.student), bits(&student));
        let (again, events) = run(&student, &objective, &config, folders[1].path()).unwrap();
        assert!(events.is_empty());
        assert_eq!(bits(&again.student), bits(&straight.student));
        assert_eq!(std::fs::read_dir(folders[1].path()).unwrap().count(), 1);
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let objective = LanguageModel::default();
    run(&model(true, 6), &objective, &config(32, 4, 4), folder.path()).unwrap();
    let others = [(model(true, 8), config(32, 4, 4)), (model(true, 6), config(64, 4, 4))];
    for (student, config) in others {
        let error = run(&student, &objective, &config, folder.path()).unwrap_err();
        assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
    }
}

#[test]
fn a_torn_checkpoint_is_an_error_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (student, objective) = (model(true, 6), LanguageModel::default());
    run(&student, &objective, &config(32, 4, 4), folder.path()).unwrap();
    let path = folder.path().join("step-00000001.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for n in [0, 4, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..n]).unwrap();
        let error = run(&student, &objective, &config(32, 4, 4), folder.path()).unwrap_err();
        assert!(matches!(error, TrainError::Format { .. }), "{error}");
    }
}

/// Turns what the inner objective finds into nonsense from some call on.
struct Broken(Cell<u32>);

impl Objective for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        let mut found = LanguageModel::default().gradients(outputs)?;
        if left == 0 {
            found.grad_hidden = found.grad_hidden * f32::INFINITY;
        }
        Ok(found)
    }
}

#[test]
fn a_run_that_diverges_names_the_step_and_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { checkpoint_every: 1.try_into().unwrap(), ..config(160, 4, 4) };
    let error = run(&model(true, 6), &Broken(Cell::new(2)), &config, folder.path()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { step: 3, .. }), "{error}");
    assert!(folder.path().join("step-00000002.safetensors").exists());
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let refuse = |data: &Vec<Vec<u32>>| {
        let folder = tempfile::tempdir().unwrap();
        let ctx = TrainContext {
            device: Device::flex(),
            seed: Seed(5),
            checkpoint_dir: folder.path(),
            held_out: None,
            on_step: &mut |_| {},
        };
        let objective = LanguageModel::default();
        train(&model(true, 1), data, &objective, &config(32, 4, 4), ctx).unwrap_err()
    };
    assert!(matches!(refuse(&vec![]), TrainError::Batches { .. }));
    assert!(matches!(refuse(&vec![vec![1]]), TrainError::Sequence { index: 0, .. }));
    assert!(matches!(refuse(&vec![vec![1, 2], vec![1]]), TrainError::Sequence { index: 1, .. }));
    assert!(matches!(refuse(&vec![vec![1, 29]]), TrainError::Token { token: 29, .. }));
}
