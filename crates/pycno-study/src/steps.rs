//! How a student comes to be, from its config: what the record keeps and `pycno plan` shows.

use std::collections::BTreeMap;

use pycno_prune::{Amount, PruneConfig, PrunePlan, Structure};
use pycno_record::{ModelStep, Named, Remains};
use pycno_units::TokenCount;
use serde::Serialize;

use crate::config::RecoverConfig;

/// A pruning.
pub(crate) fn pruned(config: &PruneConfig) -> ModelStep {
    let criterion = config.criterion();
    ModelStep::Pruned {
        criterion: named(&criterion, criterion.method().name),
        structure: structure(config.structure()),
        allocation: config.allocation().name().to_owned(),
        update: config.update().name().to_owned(),
    }
}

/// A pruning by a plan; what its own steps were is the plan's story, not this model's.
pub(crate) fn replayed(plan: &PrunePlan) -> ModelStep {
    let decided_by = plan.steps.iter().map(|step| step.config.to_string()).collect();
    ModelStep::Replayed { plan: plan.hash(), decided_by }
}

/// A config of that name with its options.
fn named(config: &impl Serialize, name: &str) -> Named {
    Named::of(config).unwrap_or_else(|| Named { name: name.to_owned(), options: BTreeMap::new() })
}

fn structure(structure: &Structure) -> BTreeMap<String, Remains> {
    let weights = |remains| BTreeMap::from([("weights".to_owned(), remains)]);
    match structure {
        Structure::Weights(sparsity) => weights(Remains::Sparsity { sparsity: (*sparsity).into() }),
        Structure::Pattern(pattern) => {
            weights(Remains::Pattern { keep: pattern.keep(), of: pattern.of() })
        }
        Structure::Parts(amounts) => {
            let parts = amounts.iter().map(|(axis, amount)| {
                let remains = match amount {
                    Amount::Keep(keep) => Remains::Keep(*keep),
                    Amount::Share { sparsity } => {
                        Remains::Sparsity { sparsity: (*sparsity).into() }
                    }
                };
                (axis.name().to_owned(), remains)
            });
            parts.collect()
        }
    }
}

/// A training on so many tokens.
pub(crate) fn trained(config: &RecoverConfig, tokens: TokenCount, from_scratch: bool) -> ModelStep {
    let objective = named(&config.objective, config.objective.name());
    ModelStep::Trained { objective, tokens, from_scratch }
}
