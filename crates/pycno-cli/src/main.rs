//! The binary `pycno`: arguments in, exit code out. The only place that prints or looks at the environment.
#![forbid(unsafe_code)]

mod args;
mod bars;
mod environment;
mod sheet;
mod table;
mod verbs;
mod words;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use pycno_study::StudyError;

use crate::{
    args::{Arguments, Verb},
    verbs::NotShown,
};

/// The exit code of the argument parser.
const UNUSABLE_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    pycno_kernels::memory::keep_freed();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return answered(&answer),
    };
    let Err(error) = run(arguments.verb) else { return ExitCode::SUCCESS };
    if error.downcast_ref().is_some_and(NotShown::is_closed_pipe) {
        return ExitCode::SUCCESS;
    }
    complain(&error);
    match error.downcast_ref() {
        Some(StudyError::Override { .. }) => ExitCode::from(UNUSABLE_ARGUMENTS),
        _ => ExitCode::FAILURE,
    }
}

/// Shows help, the version, or what is wrong with the arguments.
fn answered(answer: &clap::Error) -> ExitCode {
    match answer.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
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
        Verb::Ls => verbs::shipped::ls(),
        Verb::Methods => verbs::methods::methods(),
        Verb::Families => verbs::families::families(),
        Verb::Cp(arguments) => verbs::shipped::cp(&arguments),
        Verb::Doctor(arguments) => verbs::doctor::doctor(&arguments),
    }
}

/// Says what went wrong; the one place errors are printed. If nobody hears it, the exit code still tells.
fn complain(error: &anyhow::Error) {
    let causes =
        error.chain().skip(1).map(|cause| format!("cause: {}\n", cause.to_string().trim_end()));
    let text = format!("error: {error}\n{}", causes.collect::<String>());
    let _unheard = io::stderr().write_all(text.as_bytes());
}
