//! `pycno families`: which models are read and written.

use pycno_model::{gguf, hf};

use super::show;
use crate::table::{row, under};

const CHECKED: &str = "
In: Hugging Face folders (one file or shards; F32, F16 or BF16) and GGUF files.
Out: Hugging Face folders. A family is checked against transformers on a random
model of its own: logits, decoding with a cache, losses of training, and that
its students load there and give the same logits.
";

pub(crate) fn families() -> anyhow::Result<()> {
    let head = ["model_type", "GGUF", "beside a Llama's blocks"];
    let families = hf::FAMILIES.iter().map(|family| {
        let same = gguf::ARCHITECTURES.iter().find(|known| known.model_type == family.model_type);
        row([family.model_type, same.map_or("", |known| known.name), family.blocks])
    });
    show(&under(head, families))?;
    Ok(show(CHECKED)?)
}
