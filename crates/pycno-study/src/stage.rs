//! What every stage has at hand: the run's folder, the device, someone to tell.

use std::collections::BTreeMap;

use burn::tensor::Device;
use pycno_model::ComputeDtype;
use pycno_record::{Event, EventLog};

use crate::{DeviceName, RunStore, StudyError, Watcher};

/// Handed from stage to stage.
pub(crate) struct Stage<'a> {
    pub(crate) store: &'a RunStore,
    pub(crate) device: Device,
    pub(crate) device_name: DeviceName,
    pub(crate) dtype: ComputeDtype,
    pub(crate) watch: &'a mut dyn Watcher,
    pub(crate) events: EventLog,
}

impl Stage<'_> {
    /// Tells that a stage begins, and notes the time.
    pub(crate) fn begin(&mut self, label: &str, total: u64) -> Result<(), StudyError> {
        self.watch.begin(label, total);
        self.note(label, "begin")
    }

    /// Tells that it is done.
    pub(crate) fn end(&mut self, label: &str) -> Result<(), StudyError> {
        self.watch.end();
        self.note(label, "end")
    }

    /// Tells that an earlier run did it.
    pub(crate) fn reused(&mut self, label: &str) -> Result<(), StudyError> {
        self.watch.reused(label);
        self.note(label, "reused")
    }

    /// Wall time goes to the events: a record holds none.
    fn note(&mut self, label: &str, name: &str) -> Result<(), StudyError> {
        let (time_ms, values) = (self.watch.now_ms(), BTreeMap::new());
        let (stage, name) = (label.to_owned(), name.to_owned());
        Ok(self.events.append(&Event { time_ms, stage, step: 0, name, values })?)
    }

    /// What computes, and in what unless that is `f32`: part of a stage's identity.
    pub(crate) fn computer(&self) -> String {
        match self.dtype {
            ComputeDtype::F32 => self.device_name.to_string(),
            dtype => format!("{} {dtype}", self.device_name),
        }
    }
}
