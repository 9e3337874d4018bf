//! Progress bars on the terminal; silent where there is none.

use std::{
    io::{IsTerminal, Write as _},
    time::{Duration, Instant, SystemTime},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pycno_study::Watcher;

/// Draws one bar a stage.
#[derive(Debug)]
pub(crate) struct Bars {
    bar: ProgressBar,
    stage: String,
    stage_started: Instant,
    terminal: bool,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            stage: String::new(),
            stage_started: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// One line a stage stays on the terminal.
    fn line(&self, text: &str) {
        if self.terminal {
            let _unseen = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl Watcher for Bars {
    fn begin(&mut self, stage: &str, total: u64) {
        stage.clone_into(&mut self.stage);
        self.stage_started = Instant::now();
        if self.terminal {
            self.bar =
                ProgressBar::with_draw_target(Some(total.max(1)), ProgressDrawTarget::stderr())
                    .with_style(style())
                    .with_prefix(stage.to_owned());
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    fn advance(&mut self, done: u64, note: &str) {
        self.bar.set_position(done);
        self.bar.set_message(note.to_owned());
    }

    fn resize(&mut self, total: u64) {
        self.bar.set_length(total);
    }

    fn end(&mut self) {
        let took = self.stage_started.elapsed().as_secs_f64();
        let text = format!("done    {} ({took:.1} s)", self.stage);
        self.bar.finish_and_clear();
        self.line(&text);
    }

    fn reused(&mut self, stage: &str) {
        self.line(&format!("reused  {stage}"));
    }

    #[expect(clippy::disallowed_methods, reason = "the clock enters here and nowhere else")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

fn style() -> ProgressStyle {
    let shape = "{prefix:<32} [{bar:28}] {pos}/{len} {msg} (left: {eta})";
    ProgressStyle::with_template(shape)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
