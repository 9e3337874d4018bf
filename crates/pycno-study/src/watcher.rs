//! How a run tells what it is doing. The command line draws bars; tests listen.

use pycno_eval::Progress;

/// Told of every stage as it starts, moves and ends.
pub trait Watcher: Send {
    /// A stage begins; `total` is its number of units, 0 if unknown.
    fn begin(&mut self, stage: &str, total: u64);
    /// Units done so far, with a word on how it goes.
    fn advance(&mut self, done: u64, note: &str);
    /// Sets the number of units, once it is known.
    fn resize(&mut self, total: u64);
    /// The stage is done.
    fn end(&mut self);
    /// The stage was done in an earlier run.
    fn reused(&mut self, stage: &str);
    /// Milliseconds since 1970, for events; records hold no time.
    fn now_ms(&self) -> u64;
}

/// Passes the progress of an evaluation on, batch by batch.
pub(crate) fn batches(watch: &mut dyn Watcher) -> impl FnMut(Progress) + '_ {
    |Progress { done, total }| {
        watch.resize(total as u64);
        watch.advance(done as u64, "batches");
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watcher for Silent {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn resize(&mut self, _: u64) {}
    fn end(&mut self) {}
    fn reused(&mut self, _: &str) {}
    fn now_ms(&self) -> u64 {
        0
    }
}
