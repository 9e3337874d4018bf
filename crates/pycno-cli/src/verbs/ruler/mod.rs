//! `pycno ruler`: what rulers there are, how they were found, and making one.

mod card;
mod constants;
mod fit;
mod list;
mod shown;

use crate::args::RulerVerb;

pub(crate) fn ruler(verb: &RulerVerb) -> anyhow::Result<()> {
    match verb {
        RulerVerb::List(arguments) => list::list(arguments),
        RulerVerb::Show(arguments) => shown::show(arguments),
        RulerVerb::Fit(arguments) => fit::fit(arguments),
    }
}
