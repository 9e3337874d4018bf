//! What work on a model keeps in memory, and whether this machine has as much.
//!
//! Checkpoints stay in their mapped files. A decoder holds its weights in `f32` (in the type it computes in, on a GPU), and
//! training keeps a gradient and two running means beside each. Activations come on top: they grow with the batch,
//! not with the model's depth.

use pycno_model::ModelSpec;
use pycno_units::Bytes;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::{DeviceName, StudyError};

/// Work on one model, by what it keeps in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// Pruning without measuring: a mask of a bit per weight, and the matrices that are rated just now. The file's pages come
    /// and go; 3.2e9 parameters in bf16 took 0.81 GiB.
    Prune,
    /// Measuring activations, scoring: the weights in `f32`.
    Run,
    /// Training on text: weights, gradients and two running means in `f32`.
    Train,
    /// The same, beside a teacher as large as the student.
    Distill,
}

impl Work {
    /// All, lightest first.
    pub const ALL: [Self; 4] = [Self::Prune, Self::Run, Self::Train, Self::Distill];

    /// Bytes per parameter.
    pub const fn bytes_per_parameter(self) -> f64 {
        match self {
            Self::Prune => 0.25,
            Self::Run => WEIGHT,
            Self::Train => TRAINED,
            Self::Distill => TRAINED + WEIGHT,
        }
    }

    /// What it is called where users read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prune => "prune, nothing measured",
            Self::Run => "prune by activations, eval",
            Self::Train => "train on text",
            Self::Distill => "distill from a teacher of that size",
        }
    }
}

const WEIGHT: f64 = 4.0;
const TRAINED: f64 = 4.0 * WEIGHT;

/// The memory of this machine, or of the control group that this process may use.
pub fn of_machine() -> Bytes {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(ram);
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    Bytes(system.total_memory().min(group))
}

/// Memory that a model takes as long as it runs: the weights in `f32`.
pub fn to_run(spec: &ModelSpec) -> Bytes {
    bytes(spec, WEIGHT)
}

/// Memory of training a model, beside a teacher if one guides.
pub(crate) fn to_train(spec: &ModelSpec, teacher: Option<&ModelSpec>) -> Bytes {
    let guide = teacher.map_or(0, |teacher| to_run(teacher).0);
    Bytes(bytes(spec, TRAINED).0 + guide)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of parameters is a whole one"
)]
fn bytes(spec: &ModelSpec, per_parameter: f64) -> Bytes {
    Bytes((spec.param_counts().total.0 * per_parameter) as u64)
}

/// Refuses work on the processor that cannot fit: the system would end the process in the middle of it.
///
/// # Errors
///
/// [`StudyError::Memory`].
pub(crate) fn expect_room(what: &str, needs: Bytes, device: DeviceName) -> Result<(), StudyError> {
    expect_within(what, needs, device, of_machine())
}

fn expect_within(
    what: &str,
    needs: Bytes,
    device: DeviceName,
    has: Bytes,
) -> Result<(), StudyError> {
    // A system that does not tell its memory says 0.
    if !device.is_host() || has == Bytes(0) || needs <= has {
        return Ok(());
    }
    Err(StudyError::Memory { what: what.to_owned(), needs, has })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_too_much_is_refused_with_both_sizes() {
        let has = of_machine();
        assert!(has > Bytes(1 << 28), "{has}");
        let check = |needs| expect_within("scoring the teacher", needs, DeviceName::FLEX, has);
        check(has).unwrap();
        let error = check(Bytes(has.0 + (1 << 30))).unwrap_err().to_string();
        assert!(
            error.contains("scoring the teacher") && error.contains(&has.to_string()),
            "{error}"
        );
        let gpu = "wgpu".parse().unwrap();
        expect_within("scoring", Bytes(u64::MAX), gpu, has).unwrap();
    }

    #[test]
    fn heavier_work_takes_more() {
        let bytes = Work::ALL.map(Work::bytes_per_parameter);
        assert!(bytes.is_sorted(), "{bytes:?}");
    }
}
