//! The protocol of `benches/peers/`: a line asks, a line of JSON answers.
//!
//! A worker warms up and says `{"ready": true, ..}`. Then `go` runs one repetition and answers
//! `{"seconds": .., "check": ..}`, `memory` answers the resident set, and `quit` ends. `check` is what a
//! repetition found (a loss, tokens, ..), so that the orchestrator sees that all sides did the same.

use std::{
    io::{BufRead, Write},
    str::FromStr,
};

use anyhow::bail;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::peer::memory::{self, Resident};

/// What one repetition took and found.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Wall time of the work alone, in seconds.
    pub seconds: f64,
    /// What must be equal on all sides.
    pub check: Value,
}

/// What the orchestrator asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Command {
    Go,
    Memory,
    Quit,
}

/// Both ends of a worker's pipe, and what it held when it started.
#[derive(Debug)]
pub struct Channel<R, W> {
    input: R,
    output: W,
    at_start: Option<Resident>,
}

impl<R: BufRead, W: Write> Channel<R, W> {
    /// Opens the channel; call it before anything is loaded, since memory is counted from here.
    pub fn new(input: R, output: W) -> Self {
        Self { input, output, at_start: memory::resident() }
    }

    /// Warms up, then runs a repetition whenever it is asked for one.
    ///
    /// # Errors
    ///
    /// If a repetition fails, a line is no command, or the other end is gone.
    pub fn serve(
        &mut self,
        warm_up: u32,
        repeat: &mut dyn FnMut() -> anyhow::Result<Done>,
    ) -> anyhow::Result<()> {
        let loaded = memory::resident();
        memory::forget_peak();
        for _ in 0..warm_up {
            repeat()?;
        }
        let mut ready = facts();
        ready.insert("at_start".to_owned(), json!(self.at_start));
        ready.insert("loaded".to_owned(), json!(loaded));
        self.answer(&ready)?;
        while let Some(command) = self.command()? {
            match command {
                Command::Go => {
                    let done = repeat()?;
                    self.answer(&done)?;
                }
                Command::Memory => self.answer(&memory::resident())?,
                Command::Quit => break,
            }
        }
        Ok(())
    }

    /// The next command; `None` where the input ends.
    fn command(&mut self) -> anyhow::Result<Option<Command>> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        line.parse().map(Some)
    }

    fn answer(&mut self, answer: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.output, answer)?;
        self.output.write_all(b"\n")?;
        Ok(self.output.flush()?)
    }
}

impl FromStr for Command {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        match line.trim() {
            "go" => Ok(Self::Go),
            "memory" => Ok(Self::Memory),
            "quit" => Ok(Self::Quit),
            other => bail!("a command must be go, memory or quit, got {other:?}"),
        }
    }
}

/// What a reader of the table wants to know about this side.
fn facts() -> Map<String, Value> {
    let facts = json!({
        "ready": true,
        "library": format!("pycno {}", env!("CARGO_PKG_VERSION")),
        "threads": rayon::current_num_threads(),
        "avx512_build": cfg!(target_feature = "avx512f"),
        "avx2_build": cfg!(target_feature = "avx2"),
    });
    facts.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that a worker answers to some input.
    fn answers(input: &str) -> anyhow::Result<Vec<Value>> {
        let mut output = Vec::new();
        let mut calls = 0;
        let mut repeat = || {
            calls += 1;
            Ok(Done { seconds: 0.5, check: json!(calls) })
        };
        Channel::new(input.as_bytes(), &mut output).serve(2, &mut repeat)?;
        let lines = String::from_utf8(output)?;
        Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    #[test]
    fn a_worker_is_ready_after_warming_up_and_answers_line_by_line() {
        let found = answers("go\nmemory\ngo\nquit\ngo\n").unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0]["ready"], true);
        assert_eq!(found[1], json!({ "seconds": 0.5, "check": 3 }));
        assert_eq!(found[3]["check"], 4);
    }

    #[test]
    fn an_input_that_ends_is_a_goodbye_and_another_word_an_error() {
        assert_eq!(answers("").unwrap().len(), 1);
        let error = answers("stop\n").unwrap_err().to_string();
        assert!(error.contains("go, memory or quit, got \"stop\""), "{error}");
    }
}
