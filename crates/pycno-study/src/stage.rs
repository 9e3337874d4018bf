//! What every stage has at hand: the run's folder, the store, the device, someone to tell.

use std::{collections::BTreeMap, path::PathBuf};

use burn::tensor::Device;
use pycno_model::{ComputeDtype, hf::SaveDtype};
use pycno_record::{Event, EventLog};

use crate::{
    Numerics, RunFolder, StageKey, Store, StudyError, Watcher,
    store::{Claim, Claimed},
};

/// Handed from stage to stage.
pub(crate) struct Stage<'a> {
    pub(crate) run: &'a RunFolder,
    pub(crate) store: &'a Store,
    pub(crate) device: Device,
    pub(crate) dtype: ComputeDtype,
    /// Type of the weights in student folders.
    pub(crate) export: SaveDtype,
    pub(crate) numerics: Numerics,
    pub(crate) watch: &'a mut dyn Watcher,
    pub(crate) events: EventLog,
}

impl Stage<'_> {
    /// The folder of a stage's result: from an earlier run or another process, else made and published by
    /// `make`. The run's folder links to it under the label, which people see and nothing depends on.
    pub(crate) fn obtain(
        &mut self,
        label: &str,
        key: &StageKey,
        make: impl FnOnce(&mut Self, Claim<'_>) -> Result<PathBuf, StudyError>,
    ) -> Result<PathBuf, StudyError> {
        let folder = match claim(self.store, key, label, self.watch)? {
            Claimed::Finished(folder) => {
                self.watch.reused(label);
                self.note(label, "reused")?;
                folder
            }
            Claimed::Claim(claim) => {
                let folder = make(self, claim)?;
                self.watch.end();
                self.note(label, "end")?;
                folder
            }
        };
        self.run.link(label, &folder)?;
        Ok(folder)
    }

    /// Tells that a stage begins, and notes the time.
    pub(crate) fn begin(&mut self, label: &str, total: u64) -> Result<(), StudyError> {
        self.watch.begin(label, total);
        self.note(label, "begin")
    }

    /// Wall time goes to the events: a record holds none.
    fn note(&mut self, label: &str, name: &str) -> Result<(), StudyError> {
        let (time_ms, values) = (self.watch.now_ms(), BTreeMap::new());
        let (stage, name) = (label.to_owned(), name.to_owned());
        Ok(self.events.append(&Event { time_ms, stage, step: 0, name, values })?)
    }
}

/// Claims a stage; tells if that takes waiting for another process.
pub(crate) fn claim<'a>(
    store: &'a Store,
    key: &'a StageKey,
    label: &str,
    watch: &mut dyn Watcher,
) -> Result<Claimed<'a>, StudyError> {
    let mut waited = false;
    let waiting = || {
        watch.begin(&format!("{label}, by another process"), 0);
        waited = true;
    };
    let claimed = store.claim(key, waiting)?;
    if waited {
        watch.end();
    }
    Ok(claimed)
}
