//! `pycno ls` and `pycno cp`: what travels in the program.

use anyhow::Context as _;
use pycno_record::atomic;
use pycno_study::shipped::{self, Shipped};

use super::{refuse_existing, show};
use crate::{args::CpArguments, table};

pub(crate) fn ls() -> anyhow::Result<()> {
    let rows = shipped::list().into_iter().map(|(kind, name)| vec![kind.to_owned(), name]);
    Ok(show(&table::under(["kind", "name"], rows))?)
}

pub(crate) fn cp(arguments: &CpArguments) -> anyhow::Result<()> {
    let CpArguments { name, to } = arguments;
    let found = shipped::find(name).with_context(|| {
        format!("nothing here is named {name:?}; `pycno ls` lists what there is")
    })?;
    refuse_existing("the place", to)?;
    match found {
        Shipped::File(bytes) => atomic::write_file(to, &bytes)?,
        Shipped::Folder(files) => {
            let aside = atomic::aside(to);
            std::fs::create_dir_all(&aside)
                .with_context(|| format!("cannot make {}", aside.display()))?;
            for (file, bytes) in files {
                atomic::write_file(&aside.join(file), &bytes)?;
            }
            atomic::publish_dir(&aside, to)?;
        }
    }
    show(&format!("{name} -> {}\n", to.display()))?;
    Ok(())
}
