//! The binary `pycno`: arguments in, exit code out. The only place that prints or looks at the environment.
#![forbid(unsafe_code)]

mod args;
mod bars;
mod environment;
mod sheet;
mod table;
mod verbs;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Verb};

fn main() -> ExitCode {
    pycno_kernels::memory::keep_freed();
    let Err(error) = run(Arguments::parse().verb) else { return ExitCode::SUCCESS };
    complain(&error);
    ExitCode::FAILURE
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Run(arguments) => verbs::run::run(&arguments),
        Verb::Plan(arguments) => verbs::plan::plan(&arguments),
        Verb::Train(arguments) => verbs::train::train(&arguments),
        Verb::Prune(arguments) => verbs::prune::prune(&arguments),
        Verb::Eval(arguments) => verbs::eval::eval(&arguments),
        Verb::Density(arguments) => verbs::density::density(&arguments),
        Verb::Ruler(verb) => verbs::ruler::ruler(&verb),
        Verb::Trend(arguments) => verbs::trend::trend(&arguments),
        Verb::Cost(arguments) => verbs::cost::cost(&arguments),
        Verb::Advise(verb) => verbs::advise::advise(&verb),
        Verb::Report(arguments) => verbs::report::report(&arguments),
        Verb::Ls => {
            verbs::shipped::ls();
            Ok(())
        }
        Verb::Methods => {
            verbs::methods::methods();
            Ok(())
        }
        Verb::Families => {
            verbs::families::families();
            Ok(())
        }
        Verb::Cp(arguments) => verbs::shipped::cp(&arguments),
        Verb::Doctor(arguments) => verbs::doctor::doctor(&arguments),
    }
}

#[expect(clippy::print_stderr, reason = "the one place errors are printed")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("cause: {}", cause.to_string().trim_end());
    }
}
