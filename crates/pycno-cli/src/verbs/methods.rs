//! `pycno methods`: what can be removed, and who says which.

use pycno_prune::{Allocation, Criterion, Method, Needs, StructureKind};

use super::show;
use crate::table::{row, under};

const WORDS: &str = "
A study says prune = { criterion = NAME, structure = NAME, .. }:

  structure   weights     sparsity = 0.5; zeros stay, pycno/masks.safetensors
              keep:of     such as \"2:4\": of every 4 inputs in a row 2 stay
              ffn, kv-groups, layers
                          keep = N or sparsity = S, of each layer; several at
                          once: structure = { ffn = 1024, kv_groups = 2 }
  allocation  uniform     as much everywhere (default)
              global      one threshold for all matrices; weights only
  update      none        the weights that stay do not change (default)

Or a plan that was made before, of this model or of one of the same shape:
prune = { plan = \"STUDENT/plan.json\" }

With options: criterion = { name = \"random\", seed = 3 }.
";

pub(crate) fn methods() -> anyhow::Result<()> {
    let head = ["criterion", "structure", "allocation", "needs", "options"];
    let rows = Criterion::ALL.iter().flat_map(|criterion| of_criterion(criterion.method()));
    show(&under(head, rows))?;
    show("\n")?;
    let head = ["criterion", "importance; where it comes from"];
    let rows = Criterion::ALL.iter().flat_map(|criterion| {
        let method = criterion.method();
        [row([method.name, method.rates_by]), row(["", method.paper])]
    });
    show(&under(head, rows))?;
    Ok(show(WORDS)?)
}

/// A line per structure; what all of them share stands in the first.
fn of_criterion(method: &Method) -> Vec<Vec<String>> {
    let line = |(i, kind): (usize, &StructureKind)| {
        let first = |text| if i == 0 { text } else { "" };
        let allocations: Vec<&str> =
            Allocation::of(*kind).iter().map(|known| known.name()).collect();
        let needs = match method.needs {
            Needs::Nothing => "weights",
            Needs::Statistics => "calibration text",
        };
        row([
            first(method.name),
            kind.name(),
            &allocations.join(", "),
            first(needs),
            first(method.options),
        ])
    };
    method.structures.iter().enumerate().map(line).collect()
}
