//! Branched decays: one stable run, and from it a decay for every budget of tokens.
//!
//! A run of WSD is the same up to where its decay begins, whatever its budget, so several budgets cost
//! little more than the largest (Haegele et al. 2024, [arXiv:2405.18392](https://arxiv.org/abs/2405.18392),
//! section 5).

use pycno_model::Checkpoint;
use pycno_units::TokenCount;

use super::{Segment, TrainContext, TrainedStudent, Training, identity::run_hash};
use crate::{BatchSource, Objective, TrainConfig, TrainError, checkpoint};

/// Trains a student on several budgets of tokens, the least first; each ends in the same bits as
/// [`train`](super::train) with that budget would, if the warm-up is in tokens.
///
/// `config.tokens` is the largest budget of the whole run: it names the stable run, so that one that
/// was killed goes on. `budgets` are those still to be done. What is found in `checkpoint_dir` is continued;
/// it is the caller's to remove it after the last.
///
/// # Errors
///
/// As [`train`](super::train); [`TrainError::Branch`] if the stable run is past where a budget leaves it;
/// and what `on_branch` fails with.
pub fn train_branches<E: From<TrainError>>(
    (student, source): (&Checkpoint, &dyn BatchSource),
    objective: &dyn Objective,
    (config, budgets): (&TrainConfig, &[TokenCount]),
    ctx: TrainContext<'_>,
    on_branch: &mut dyn FnMut(TokenCount, TrainedStudent) -> Result<(), E>,
) -> Result<(), E> {
    let TrainContext { device, seed, checkpoint_dir, held_out, on_step } = ctx;
    let every = config.checkpoint_every.get();
    let mut budgets = budgets.to_vec();
    budgets.sort_unstable();
    let stable = Training::new(student, source, objective, config, (&device, seed))?;
    let hash = run_hash(student, source, (objective.name(), config, seed))?;
    let hash = format!("{hash} without decay");
    let folder = checkpoint_dir.join("stable");
    let mut segment = Segment { folder: &folder, hash, every, held_out: None, on_step };
    let mut stable = segment.resumed(stable.without_decay(), &device)?;
    for tokens in budgets {
        let end = stable.branch(tokens)?.schedule().stable();
        if stable.taken() > end {
            return Err(TrainError::Branch { tokens, end, taken: stable.taken() }.into());
        }
        stable = segment.advance(stable, end)?;
        let own = TrainConfig { tokens, ..config.clone() };
        let folder = checkpoint_dir.join(tokens.0.to_string());
        let hash = run_hash(student, source, (objective.name(), &own, seed))?;
        let mut decay =
            Segment { folder: &folder, hash, every, held_out, on_step: segment.on_step };
        let branch = decay.resumed(stable.branch(tokens)?, &device)?;
        let steps = branch.steps();
        on_branch(tokens, decay.advance(branch, steps)?.trained(student))?;
        checkpoint::remove(&folder)?;
    }
    Ok(())
}
