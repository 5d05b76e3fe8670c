//! Progress bars: one for each phase, on a terminal only. Drawn by the main thread, at most five times a second.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a run is; says nothing when nobody looks.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    bar: ProgressBar,
}

impl Progress {
    /// Bars on the standard error stream, if that is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), bar: ProgressBar::hidden() }
    }

    /// Begins a phase of so many `unit`s; 0 if nobody knows.
    pub fn begin(&mut self, phase: &str, total: u64, unit: &str) {
        self.bar.finish_and_clear();
        if !self.shown {
            return;
        }
        self.bar = ProgressBar::new(total);
        let template = if total == 0 {
            format!("{{spinner}} {phase:<22} {{msg}}")
        } else {
            format!("{phase:<24} {{bar:32}} {{human_pos}} of {{human_len}} {unit}, {{elapsed}}")
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style);
        }
        self.bar.tick();
    }

    /// So much of the phase is done.
    pub fn show(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Says something beside a phase without an end.
    pub fn say(&self, message: String) {
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Nothing more to show.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
