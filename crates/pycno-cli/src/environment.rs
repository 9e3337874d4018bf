//! The one look at the environment.

use std::{num::NonZeroUsize, path::PathBuf};

use anyhow::{Context as _, ensure};

use crate::args::{Places, RunPlaces};

/// More threads than any machine has, which would only wait for one another.
const MOST_THREADS: usize = 1024;

/// A variable of the environment, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "settings from outside enter here and nowhere else")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The data folder: the flag, else `PYCNO_DATA`.
pub(crate) fn data(flag: Option<&PathBuf>) -> Option<PathBuf> {
    flag.cloned().or_else(|| variable("PYCNO_DATA").map(PathBuf::from))
}

/// The cache folder: the flag, else `XDG_CACHE_HOME/pycno`, else `HOME/.cache/pycno`.
pub(crate) fn cache(flag: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    let of_user = || {
        variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .map(|folder| folder.join("pycno"))
    };
    flag.cloned().or_else(of_user).context("no cache folder: pass --cache DIR or set HOME")
}

/// The folders of a run and of its store: the flags, else `PYCNO_STORE`, else `runs/NAME` and `runs/store`. A run
/// whose folder is given keeps its stages in it.
pub(crate) fn run_and_store(places: &RunPlaces, name: &str) -> anyhow::Result<(PathBuf, PathBuf)> {
    let run = places.run.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let beside =
        || places.run.as_ref().map_or_else(|| PathBuf::from("runs/store"), |run| run.join("store"));
    let given = places.store.clone().or_else(|| variable("PYCNO_STORE").map(PathBuf::from));
    let store = given.unwrap_or_else(beside);
    anyhow::ensure!(
        run != store,
        "{} is the store; give the run another name or folder",
        run.display()
    );
    Ok((run, store))
}

/// Limits the threads that compute, if a number is given; before any of them has started.
pub(crate) fn use_threads(threads: Option<NonZeroUsize>) -> anyhow::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    ensure!(threads.get() <= MOST_THREADS, "at most {MOST_THREADS} threads, got {threads}");
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build_global()
        .with_context(|| format!("{threads} threads cannot be started"))
}

/// What a study needs to know of its environment.
pub(crate) fn of(places: &Places) -> anyhow::Result<pycno_study::Environment> {
    Ok(pycno_study::Environment {
        device: places.device,
        data: data(places.data.as_ref()),
        cache: cache(places.cache.as_ref())?,
        hub_endpoint: variable("HF_ENDPOINT"),
        hub_token: variable("HF_TOKEN"),
    })
}
