//! One bar for members that train side by side, in operations: tokens of a large model count more.

use std::collections::BTreeMap;

use pycno_record::{Event, EventLog};
use pycno_train::StepEvent;

use crate::{StudyError, Watcher};

/// Operations a unit of the bar stands for.
const UNIT: f64 = 1e9;

pub(super) struct Progress<'a> {
    watch: &'a mut dyn Watcher,
    events: EventLog,
    done: f64,
    tokens: u64,
    started_ms: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(watch: &'a mut dyn Watcher, events: EventLog) -> Self {
        let started_ms = watch.now_ms();
        Self { watch, events, done: 0.0, tokens: 0, started_ms }
    }

    pub(super) fn begin(&mut self, total: f64) {
        self.started_ms = self.watch.now_ms();
        self.watch.begin("train", units(total));
    }

    pub(super) fn end(&mut self) -> Result<(), StudyError> {
        self.watch.end();
        Ok(self.events.sync()?)
    }

    pub(super) fn reused(&mut self, stage: &str, cost: f64) {
        self.watch.reused(stage);
        self.done += cost;
        self.watch.advance(units(self.done), stage);
    }

    /// Another process is at it.
    pub(super) fn waiting(&mut self, stage: &str) {
        self.watch.advance(units(self.done), &format!("waiting for another process at {stage}"));
    }

    /// A step was taken; those worth keeping go to the log.
    pub(super) fn step(
        &mut self,
        stage: &str,
        step: &StepEvent,
        (cost, tokens, keep): (f64, u64, bool),
    ) -> Result<(), StudyError> {
        self.done += cost;
        self.tokens += tokens;
        let elapsed = self.watch.now_ms().saturating_sub(self.started_ms).max(1);
        let rate = self.tokens * 1000 / elapsed;
        let note = format!("GFLOP, {rate} tokens/s, {stage} loss {:.4}", step.loss);
        self.watch.advance(units(self.done), &note);
        if keep || step.skipped || step.metrics.contains_key("held_out_loss") {
            self.events.append(&event(stage, step, self.watch.now_ms()))?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bar's length")]
fn units(operations: f64) -> u64 {
    (operations / UNIT) as u64
}

/// A step as a line of the log.
pub(crate) fn event(stage: &str, step: &StepEvent, time_ms: u64) -> Event {
    let mut values: BTreeMap<String, f64> = step.metrics.clone();
    values.insert("tokens".to_owned(), step.tokens.0 as f64);
    values.insert("loss".to_owned(), step.loss);
    values.insert("learning_rate".to_owned(), step.learning_rate);
    values.insert("gradient_norm".to_owned(), step.gradient_norm);
    if step.skipped {
        values.insert("skipped".to_owned(), 1.0);
    }
    let (stage, name) = (stage.to_owned(), "train".to_owned());
    Event { time_ms, stage, step: step.step, name, values }
}
