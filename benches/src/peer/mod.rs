//! Our side of `benches/peers/`: the same work as PyTorch's and candle's workers, through the public
//! functions that a study calls.
//!
//! Start reading at [`work`] (what is done), then [`channel`] (how the orchestrator asks for it).

pub mod channel;
pub mod flops;
pub mod forward;
pub mod matmul;
pub mod memory;
pub mod prepare;
pub mod training;
pub mod work;

use std::{
    io::{BufRead, Write},
    path::Path,
};

use channel::Channel;
use work::{What, Work};

/// Does the named work of a prepared folder whenever the channel asks for it.
///
/// # Errors
///
/// If the folder lacks the work or its inputs, a model cannot run, or the channel breaks.
pub fn serve<R: BufRead, W: Write>(
    name: &str,
    folder: &Path,
    channel: &mut Channel<R, W>,
) -> anyhow::Result<()> {
    let work = Work::read(name, folder)?;
    match &work.what {
        What::Matmul(shape) => matmul::serve(&work, *shape, channel),
        What::TrainStep { .. } | What::KdStep { .. } => training::serve(&work, folder, channel),
        What::Loglik { .. } => forward::loglik(&work, folder, channel),
        What::Decode { .. } => forward::decode(&work, folder, channel),
    }
}
