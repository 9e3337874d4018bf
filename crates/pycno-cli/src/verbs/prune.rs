//! `pycno prune`: one model, one pruning, one folder.

use pycno_prune::Needs;
use pycno_study::{PruneRequest, settings, single};

use super::show;
use crate::{args::PruneArguments, bars::Bars, environment};

pub(crate) fn prune(arguments: &PruneArguments) -> anyhow::Result<()> {
    let request = PruneRequest {
        teacher: arguments.teacher.clone(),
        prune: settings(&arguments.settings())?,
        calibration: arguments.calibration.clone(),
        statistics: arguments.statistics.clone(),
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
    } else if before == after {
        show("nothing was removed\n")?;
    }
    let measured = arguments.calibration.is_some() || arguments.statistics.is_some();
    if measured && request.prune.needs() == Needs::Nothing {
        show("this pruning looks at no activations: text and statistics were not read\n")?;
    }
    Ok(())
}
