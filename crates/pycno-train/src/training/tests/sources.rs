//! Checks of sources of batches other than packed text.

use pycno_data::batch::ids_tensor;

use super::*;
use crate::{BatchRequest, BatchSource};

/// What the student itself says to prompts of four tokens, greedily, up to nine; the prompts do not count.
struct OnPolicy(Vec<Vec<u32>>);

/// The likeliest tokens behind a prompt.
fn answer(student: &Decoder, prompt: &[u32]) -> Vec<u32> {
    let mut ids = prompt.to_vec();
    while ids.len() < 9 {
        let hidden = student.hidden(ids_tensor(&[&ids], &student.device()));
        let [_, seq, d_model] = hidden.dims();
        let last = hidden.narrow(1, seq - 1, 1).reshape([1, d_model]);
        ids.extend(student.logits(last).argmax(1).into_data().iter::<u32>());
    }
    ids
}

impl BatchSource for OnPolicy {
    fn sequence_len(&self, _: &ModelSpec) -> Result<usize, TrainError> {
        Ok(9)
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        add(b"on policy");
        self.0.identify(add);
    }

    fn batch(&self, request: &BatchRequest<'_>) -> Result<Batch, TrainError> {
        let prompts = self.0.batch(request)?.ids;
        let ids = prompts.iter().map(|prompt| answer(request.student, prompt)).collect();
        let weights = vec![vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]; request.rows];
        Ok(Batch { ids, weights: Some(weights) })
    }
}

fn run_on(
    source: &dyn BatchSource,
    objective: &dyn Objective,
    folder: &Path,
) -> Result<(TrainedStudent, Vec<StepEvent>), TrainError> {
    let config = TrainConfig { checkpoint_every: 2.try_into().unwrap(), ..config(5 * 32, 4, 3) };
    super::run_on((&model(true, 3), source), objective, &config, folder)
}

#[test]
fn a_student_can_be_trained_on_what_it_says_and_goes_on_with_the_same_bits() {
    let (source, text) = (OnPolicy(data(6, 4)), LanguageModel::default());
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (straight, events) = run_on(&source, &text, folders[0].path()).unwrap();
    // Whoever learns what he says anyway says it ever more surely.
    assert!(events[4].loss < 0.7 * events[0].loss, "{events:?}");
    // Two micro-batches a step: dies in the first of step 4.
    let dying = Dying { inner: &text, calls: Cell::new(6) };
    assert!(run_on(&source, &dying, folders[1].path()).is_err());
    let (resumed, events) = run_on(&source, &text, folders[1].path()).unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(bits(&resumed.student), bits(&straight.student));
    let error = run_on(&data(6, 9), &text, folders[1].path()).unwrap_err();
    assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
}

/// Gives one batch, whatever is asked for.
struct Fixed(Batch);

impl BatchSource for Fixed {
    fn sequence_len(&self, _: &ModelSpec) -> Result<usize, TrainError> {
        Ok(9)
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        self.0.ids.identify(add);
    }

    fn batch(&self, _: &BatchRequest<'_>) -> Result<Batch, TrainError> {
        Ok(self.0.clone())
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused() {
    let refuse = |batch: Batch| {
        let folder = tempfile::tempdir().unwrap();
        let found = run_on(&Fixed(batch), &LanguageModel::default(), folder.path());
        found.map(drop).unwrap_err().to_string()
    };
    let weights =
        |row: [f32; 9]| Batch { weights: Some(vec![row.to_vec(); 4]), ..Batch::plain(data(4, 9)) };
    assert!(refuse(Batch::plain(data(4, 8))).contains("length of the first, 9"));
    assert!(refuse(Batch::plain(vec![vec![29; 9]; 4])).contains("token 29"));
    let mut one = [0.0; 9];
    one[0] = 1.0;
    assert!(refuse(weights(one)).contains("step 1: expected"));
    assert!(refuse(weights(one)).contains("found no token that counts"));
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        one[3] = wrong;
        assert!(refuse(weights(one)).contains("negative or no number"));
    }
    let few = Batch { weights: Some(vec![vec![1.0; 9]; 3]), ..Batch::plain(data(4, 9)) };
    assert!(refuse(few).contains("another shape"));
}
