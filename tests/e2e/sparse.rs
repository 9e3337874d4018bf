//! A student without half of its single weights, through training, export and report.

use pycno_record::ModelStep;
use pycno_tests::world::{STUDY, World};

use crate::shell::{leave_for_transformers, run_study, stage, succeeded};

const STUDENTS: &str = r#"
[[student]]
name = "half"
prune = { criterion = "magnitude", structure = "weights", sparsity = 0.5, allocation = "global" }

[[student]]
name = "half-distilled"
from = "half"
recover = { objective = { name = "forward-kl" }, tokens = 2048, batch = 4, micro_batch = 2, weight_decay = 0.5 }

[[student]]
name = "half-and-narrow"
from = "half-distilled"
prune = { criterion = "minitron", structure = { ffn = 24, kv_groups = 1 } }
"#;

#[test]
fn what_left_stays_away_through_training_and_a_second_pruning() {
    let world = World::new();
    let head = &STUDY[..STUDY.find("[[student]]").unwrap()];
    let (study, run) = (world.study(&format!("{head}{STUDENTS}")), world.path().join("run"));
    succeeded(&run_study(&world, &study, &run));

    let read = |label: &str| pycno_model::hf::read(&stage(&run, label).join("model")).unwrap();
    let (half, distilled) = (read("half-prune"), read("half-distilled-recover"));
    assert!(half.removed_weights() > 0);
    assert_eq!(distilled.masks, half.masks);
    let prunable: usize =
        half.masks.values().map(|mask| mask.shape().iter().product::<usize>()).sum();
    assert_eq!(half.removed_weights(), prunable / 2);
    let moved = distilled.tensors.iter().filter(|(id, tensor)| half.tensors[*id] != **tensor);
    assert_eq!(moved.count(), half.tensors.len(), "every tensor learned");
    let narrow = read("half-and-narrow-prune");
    assert_eq!(narrow.masks.len(), half.masks.len());
    assert!(narrow.removed_weights() < half.removed_weights());

    let record = pycno_record::read(&run.join("record.json")).unwrap();
    let sizes = record.models[2].sizes;
    assert!((sizes.non_embedding.0 - sizes.non_zero.0 - (prunable / 2) as f64).abs() < 1.0);
    let ModelStep::Pruned { allocation, structure, .. } = &record.models[2].steps[1] else {
        panic!("loaded, pruned, trained: {:?}", record.models[2].steps);
    };
    assert_eq!(
        (allocation.as_str(), structure["weights"].to_string().as_str()),
        ("global", "sparsity 0.5")
    );
    let report = std::fs::read_to_string(run.join("report.md")).unwrap();
    assert!(report.contains("magnitude, weights sparsity 0.5, global"), "{report}");
    leave_for_transformers("half-distilled", &stage(&run, "half-distilled-recover").join("model"));
}
