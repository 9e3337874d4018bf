//! `pycno prune`: one model, one move, one folder.

use pycno_prune::PruneConfig;
use pycno_study::{PruneRequest, single};

use super::show;
use crate::{args::PruneArguments, bars::Bars, environment};

pub(crate) fn prune(arguments: &PruneArguments) -> anyhow::Result<()> {
    let order = PruneRequest {
        teacher: arguments.teacher.clone(),
        config: config(arguments)?,
        calibration: arguments.calibration.clone(),
        sequences: arguments.sequences,
        length: arguments.length,
        out: arguments.out.clone(),
    };
    environment::use_threads(arguments.places.threads)?;
    let environment = environment::of(&arguments.places)?;
    let (before, after) = single::prune(&order, &environment, &mut Bars::new())?;
    show(&format!(
        "{}: {} -> {} non-embedding parameters ({} -> {} in all)\n",
        arguments.out.display(),
        before.non_embedding,
        after.non_embedding,
        before.total,
        after.total,
    ));
    Ok(())
}

/// The flags as a study file would say them, so that both are checked by the same rules.
fn config(arguments: &PruneArguments) -> anyhow::Result<PruneConfig> {
    let mut table = serde_json::Map::new();
    table.insert("method".into(), arguments.method.clone().into());
    let mut put = |key: &str, value: Option<serde_json::Value>| {
        if let Some(value) = value {
            table.insert(key.into(), value);
        }
    };
    put("keep_layers", arguments.keep_layers.map(Into::into));
    put("keep_ffn", arguments.keep_ffn.map(Into::into));
    put("sparsity", arguments.sparsity.map(Into::into));
    put("keep_groups", arguments.keep_groups.map(Into::into));
    Ok(serde_json::from_value(table.into())?)
}
