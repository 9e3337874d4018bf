//! pycno's worker of `benches/peers/`: `peer prepare DIR` makes the inputs, `peer WORK DIR` does a work on request.
#![forbid(unsafe_code)]

use std::{env, io, path::Path, process::ExitCode};

use anyhow::bail;
use pycno_benches::peer::{channel::Channel, prepare, serve};

fn main() -> ExitCode {
    pycno_kernels::memory::keep_freed();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Err(error) = run(&arguments) else { return ExitCode::SUCCESS };
    complain(&error);
    ExitCode::FAILURE
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    match arguments {
        [verb, folder] if verb == "prepare" => prepare::prepare(Path::new(folder)),
        [work, folder] => {
            let mut channel = Channel::new(io::stdin().lock(), io::stdout().lock());
            serve(work, Path::new(folder), &mut channel)
        }
        _ => bail!("usage: peer prepare DIR, or peer WORK DIR"),
    }
}

#[expect(clippy::print_stderr, reason = "a worker's standard output is the channel")]
fn complain(error: &anyhow::Error) {
    eprintln!("peer: {error:#}");
}
