//! One file a verb.

pub(crate) mod density;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod plan;
pub(crate) mod prune;
pub(crate) mod report;
pub(crate) mod run;

/// Prints what the user asked for.
#[expect(clippy::print_stdout, reason = "the one place results are printed")]
pub(crate) fn show(text: &str) {
    print!("{text}");
}
