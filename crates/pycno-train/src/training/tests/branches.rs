//! Checks of branched decays, of what watches a run, and of damaged checkpoints.

use std::{fs, path::PathBuf};

use super::*;

/// Budgets of 3, 5 and 8 steps of 4 x 8 tokens.
const BUDGETS: [TokenCount; 3] = [TokenCount(96), TokenCount(160), TokenCount(256)];

fn branching() -> TrainConfig {
    TrainConfig {
        warmup: Phase::Tokens(TokenCount(64)),
        decay: Phase::Share(Share::try_from(0.3).unwrap()),
        checkpoint_every: 1.try_into().unwrap(),
        ..config(256, 4, 4)
    }
}

type Branches = BTreeMap<u64, Vec<(String, Vec<u32>)>>;

/// Stops with an error after so many steps, as a kill would.
fn branch_out(
    folder: &Path,
    budgets: &[TokenCount],
    steps: usize,
) -> (Result<(), TrainError>, Branches) {
    let mut found = Branches::new();
    let objective = StopAfter(Cell::new(steps));
    let ctx = TrainContext {
        device: Device::flex(),
        seed: Seed(5),
        checkpoint_dir: folder,
        held_out: None,
        on_step: &mut |_| {},
    };
    let (student, config) = (model(true, 3), branching());
    let mut on_branch = |tokens: TokenCount, done: TrainedStudent| {
        found.insert(tokens.0, bits(&done.student));
        Ok::<(), TrainError>(())
    };
    let data = data(6, 9);
    let settings = (&config, budgets);
    let ended = train_branches((&student, &data), &objective, settings, ctx, &mut on_branch);
    (ended, found)
}

/// The language-model loss, a few times.
struct StopAfter(Cell<usize>);

impl Objective for StopAfter {
    fn name(&self) -> &'static str {
        "language-model"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let Some(left) = self.0.get().checked_sub(1) else {
            return Err(TrainError::Objective { objective: "stop".into(), reason: "now".into() });
        };
        self.0.set(left);
        LanguageModel::default().gradients(outputs)
    }
}

fn straight(tokens: TokenCount) -> Vec<(String, Vec<u32>)> {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { tokens, ..branching() };
    let (done, _) =
        run(&model(true, 3), &LanguageModel::default(), &config, folder.path()).unwrap();
    bits(&done.student)
}

#[test]
fn every_branch_ends_in_the_bits_of_its_own_run() {
    let folder = tempfile::tempdir().unwrap();
    let (ended, found) = branch_out(folder.path(), &BUDGETS, usize::MAX);
    ended.unwrap();
    assert_eq!(found.len(), 3);
    for tokens in BUDGETS {
        assert_eq!(found[&tokens.0], straight(tokens), "{tokens}");
    }
}

#[test]
fn branches_go_on_where_they_were_stopped() {
    let undisturbed = branch_out(tempfile::tempdir().unwrap().path(), &BUDGETS, usize::MAX).1;
    for stop in [0, 1, 2, 3, 4, 5, 7, 9] {
        let folder = tempfile::tempdir().unwrap();
        let (ended, mut found) = branch_out(folder.path(), &BUDGETS, stop);
        assert!(ended.is_err());
        let left: Vec<TokenCount> =
            BUDGETS.into_iter().filter(|tokens| !found.contains_key(&tokens.0)).collect();
        let (ended, rest) = branch_out(folder.path(), &left, usize::MAX);
        ended.unwrap();
        found.extend(rest);
        assert_eq!(found, undisturbed, "stopped after {stop} steps");
    }
}

#[test]
fn a_budget_that_the_stable_run_has_passed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    branch_out(folder.path(), &BUDGETS[2..], usize::MAX).0.unwrap();
    let error = branch_out(folder.path(), &BUDGETS[..1], usize::MAX).0.unwrap_err();
    assert!(matches!(error, TrainError::Branch { tokens: TokenCount(96), .. }), "{error}");
}

fn checkpoint_of(folder: &Path) -> PathBuf {
    fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_changed_byte_of_a_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let go = || run(&model(true, 3), &LanguageModel::default(), &config(64, 4, 4), folder.path());
    go().unwrap();
    let path = checkpoint_of(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = go().unwrap_err();
    assert!(matches!(error, TrainError::Damaged { .. }), "{error}");
}

#[test]
fn a_run_is_watched_by_text_it_does_not_learn() {
    let folder = tempfile::tempdir().unwrap();
    let held_out = data(40, 9)[30..].to_vec();
    let mut seen = Vec::new();
    let ctx = TrainContext {
        device: Device::flex(),
        seed: Seed(5),
        checkpoint_dir: folder.path(),
        held_out: Some(HeldOut { sequences: &held_out, every: 2 }),
        on_step: &mut |event| seen.push(event.metrics.get("held_out_loss").copied()),
    };
    let student = model(true, 3);
    let done = train(&student, &data(6, 9), &LanguageModel::default(), &config(160, 4, 4), ctx);
    let trained = decoder(&done.unwrap().student);
    assert_eq!(
        seen.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, false, true, true]
    );
    let (expect, _) = composed(&trained, &Batch::plain(held_out.clone()));
    assert!((seen[4].unwrap() - expect).abs() < 1e-5, "{seen:?} {expect}");
}

/// The loss of the text, a hundredfold at one step.
struct Spiky(Cell<usize>);

impl Objective for Spiky {
    fn name(&self) -> &'static str {
        "spiky"
    }

    fn gradients(&self, outputs: StudentOutputs<'_>) -> Result<Gradients, TrainError> {
        let step = self.0.get() + 1;
        self.0.set(step);
        let found = LanguageModel::default().gradients(outputs)?;
        Ok(if step == 40 { Gradients { loss: 100.0 * found.loss, ..found } } else { found })
    }
}

#[test]
fn nothing_is_learned_from_a_spike() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(41 * 32, 4, 4);
    let (done, events) =
        run(&model(true, 3), &Spiky(Cell::new(0)), &config, folder.path()).unwrap();
    let skipped: Vec<u64> =
        events.iter().filter(|event| event.skipped).map(|event| event.step).collect();
    assert_eq!(skipped, [40]);
    assert!(done.steps[39].skipped && !done.steps[40].skipped);
}
