//! `pycno prune`: one model, one pruning, one folder.

use pycno_study::{PruneRequest, settings, single};

use super::show;
use crate::{args::PruneArguments, bars::Bars, environment};

pub(crate) fn prune(arguments: &PruneArguments) -> anyhow::Result<()> {
    let request = PruneRequest {
        teacher: arguments.teacher.clone(),
        prune: settings(&arguments.settings())?,
        calibration: arguments.calibration.clone(),
        sequences: arguments.sequences,
        length: arguments.length,
        dtype: arguments.dtype,
        out: arguments.out.clone(),
    };
    environment::use_threads(arguments.places.threads)?;
    let environment = environment::of(&arguments.places)?;
    let (sizes, removed) = single::prune(&request, &environment, &mut Bars::new())?;
    let (before, after) = (sizes.before, sizes.after);
    show(&format!(
        "{}: {} -> {} non-embedding parameters ({} -> {} in all)\n",
        arguments.out.display(),
        before.non_embedding,
        after.non_embedding,
        before.total,
        after.total,
    ))?;
    if removed > 0 {
        show(&format!("{removed} of them are zero now, as pycno/masks.safetensors says\n"))?;
    }
    Ok(())
}
