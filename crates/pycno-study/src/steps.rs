//! How a student comes to be, from its config: what the record keeps and `pycno plan` shows.

use std::collections::BTreeMap;

use pycno_prune::{Amount, PruneConfig, Structure};
use pycno_record::{ModelStep, Named, Remains};
use pycno_units::TokenCount;

use crate::config::RecoverConfig;

/// A pruning.
pub(crate) fn pruned(config: &PruneConfig) -> ModelStep {
    let name = config.criterion().method().name;
    let plain = || Named { name: name.to_owned(), options: BTreeMap::new() };
    ModelStep::Pruned {
        criterion: Named::of(&config.criterion()).unwrap_or_else(plain),
        structure: structure(config.structure()),
        allocation: config.allocation().name().to_owned(),
        update: config.update().name().to_owned(),
    }
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
    let name = config.objective.name();
    let plain = || Named { name: name.to_owned(), options: BTreeMap::new() };
    let objective = Named::of(&config.objective).unwrap_or_else(plain);
    ModelStep::Trained { objective, tokens, from_scratch }
}
