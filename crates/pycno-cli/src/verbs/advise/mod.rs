//! `pycno advise`: plans read off a ruler, for a score, a student or a device.

mod device;
mod law;
mod quantity;
mod score;
mod student;

use std::path::Path;

use anyhow::Context as _;
use pycno_density::{Series, Trend};

use super::trend;
use crate::args::AdviseVerb;

pub(crate) fn advise(verb: &AdviseVerb) -> anyhow::Result<()> {
    match verb {
        AdviseVerb::Score(arguments) => score::score(arguments),
        AdviseVerb::Student(arguments) => student::student(arguments),
        AdviseVerb::Device(arguments) => device::device(arguments),
    }
}

/// The trend of a census, by the densest models of their day.
fn fitted(census: &Path) -> anyhow::Result<Trend> {
    let place = || format!("--trend {}", census.display());
    Trend::fit(&trend::census(census)?, Series::Envelope, None).with_context(place)
}
