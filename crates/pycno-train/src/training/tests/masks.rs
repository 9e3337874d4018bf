//! A student whose single weights were pruned trains the others alone.

use pycno_model::{Mask, Masks, TensorId, TensorInfo};

use super::*;

/// The model without every second weight of all matrices of its blocks.
fn sparse() -> Checkpoint {
    let mut student = model(false, 1);
    let prunable = |id: &TensorId| id.info().is_some_and(TensorInfo::is_prunable);
    let ids: Vec<_> = student.tensors.keys().copied().filter(prunable).collect();
    for id in ids {
        let matrix = &student.tensors[&id];
        let kept: Vec<bool> = (0..matrix.n_values()).map(|i| (i + i / 16) % 2 == 0).collect();
        let mask = Mask::new([matrix.shape()[0], matrix.shape()[1]], &kept);
        let masked = mask.apply(matrix);
        student.tensors.insert(id, masked);
        student.masks.insert(id, mask);
    }
    student.check().unwrap();
    student
}

fn steps(student: &Checkpoint, n: usize) -> (Checkpoint, Vec<StepEvent>) {
    let (data, config) = (data(8, 9), config(512, 4, 2));
    let how = (&Device::flex(), Seed(3));
    let objective = LanguageModel { chunk_rows: 5 };
    let mut training = Training::new(student, &data, &objective, &config, how).unwrap();
    let mut events = Vec::new();
    for _ in 0..n {
        let event;
        (training, event) = training.step().unwrap();
        events.push(event);
    }
    (training.trained(student).student, events)
}

#[test]
fn removed_weights_stay_zero_and_all_others_move() {
    let student = sparse();
    let (trained, _) = steps(&student, 6);
    trained.check().unwrap();
    assert_eq!(trained.masks, student.masks);
    for (id, mask) in &trained.masks {
        let (after, before) = (trained.tensors[id].values(), student.tensors[id].values());
        for (i, (after, before)) in after.iter().zip(&*before).enumerate() {
            assert_eq!(mask.keeps(i), after.to_bits() != before.to_bits(), "{id}, weight {i}");
        }
    }
}

#[test]
fn without_masks_the_same_zeros_move() {
    let dense = Checkpoint { masks: Masks::new(), ..sparse() };
    let (trained, _) = steps(&dense, 1);
    let masks = sparse().masks;
    assert!(masks.iter().any(|(id, mask)| mask.violation(&trained.tensors[id]).is_some()));
}

#[test]
fn the_clip_counts_kept_weights_alone() {
    let student = sparse();
    let decoder = decoder(&student);
    let (data, config) = (data(8, 9), config(512, 4, 2));
    let seed = Seed(3).split("batches");
    let batch = pycno_data::Batches::new(&data, 4, seed).unwrap().step(0);
    let objective = LanguageModel { chunk_rows: 5 };
    let found = batch_gradients(&decoder, &batch, &objective, &config).unwrap();
    let mut kept = 0.0;
    for (path, gradient) in &found.gradients {
        let mask = Decoder::tensor_of(path).and_then(|id| student.masks.get(&id));
        let counts = |(i, _): &(usize, &f32)| mask.is_none_or(|mask| mask.keeps(*i));
        let squares =
            host(gradient).iter().enumerate().filter(counts).map(|(_, g)| g.powi(2)).sum::<f32>();
        kept += f64::from(squares);
    }
    let norm = steps(&student, 1).1[0].gradient_norm;
    assert!((norm - kept.sqrt()).abs() < 1e-4 * norm, "{norm} against {}", kept.sqrt());
    let whole = global_norm(found.gradients).0;
    assert!(whole > 1.05 * norm, "{whole} against {norm}");
}

#[test]
fn a_run_is_named_by_its_masks_too() {
    let (student, data, config) = (sparse(), data(8, 9), config(512, 4, 2));
    let hash = |student: &Checkpoint| {
        run_hash(student, &data, ("language-model", &config, Seed(3))).unwrap()
    };
    let dense = Checkpoint { masks: Masks::new(), ..student.clone() };
    assert_ne!(hash(&student), hash(&dense));
}
