//! Progress bars: one for each phase that takes its time, on a terminal only. Drawn by the main thread, at most five times a
//! second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::live::Glimpse;

/// A phase that is over sooner needs no bar.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// Rates are over so much time at least: shorter ones jump.
const RATE_OVER: Duration = Duration::from_millis(900);

/// Shows how far a run is; says nothing when nobody looks.
#[derive(Debug)]
pub struct Progress {
    is_terminal: bool,
    begin: Instant,
    shown: bool,
    bar: ProgressBar,
    glimpsed: Option<(Instant, Glimpse)>,
}

impl Progress {
    /// Bars on the standard error stream, if that is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self::on(std::io::stderr().is_terminal())
    }

    fn on(is_terminal: bool) -> Self {
        Self { is_terminal, begin: Instant::now(), shown: false, bar: ProgressBar::hidden(), glimpsed: None }
    }

    /// Begins a phase of so many `unit`s; 0 if nobody knows.
    pub fn begin(&mut self, phase: &str, total: u64, unit: &str) {
        self.bar.finish_and_clear();
        (self.begin, self.shown, self.glimpsed) = (Instant::now(), false, None);
        self.bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let template = if total == 0 {
            format!("{{spinner}} {phase:<22} {{msg}}")
        } else {
            format!("{phase:<24} {{bar:32}} {{human_pos}} of {{human_len}} {unit}, {{elapsed}}\n{{wide_msg}}")
        };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style);
        }
    }

    /// So much of the phase is done.
    pub fn show(&mut self, done: u64) {
        if !self.shown && is_due(self.is_terminal, self.begin.elapsed()) {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }

    /// How a point goes, in a line under its bar.
    pub fn glimpse(&mut self, now: Glimpse) {
        let (since, before) = *self.glimpsed.get_or_insert((Instant::now(), now));
        if since.elapsed() >= RATE_OVER {
            self.bar.set_message(format!("  {}", now.since(&before, since.elapsed())));
            self.glimpsed = Some((Instant::now(), now));
        }
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

/// Whether a phase has a bar after such a time.
fn is_due(is_terminal: bool, elapsed: Duration) -> bool {
    is_terminal && elapsed >= SHOWN_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_for_people_who_have_to_wait() {
        assert!(is_due(true, SHOWN_AFTER));
        assert!(!is_due(true, SHOWN_AFTER / 2));
        assert!(!is_due(false, SHOWN_AFTER * 100));
    }

    #[test]
    fn without_a_terminal_nothing_is_drawn() {
        let mut progress = Progress::on(false);
        progress.begin("sign-in", 100, "subscriptions");
        progress.show(50);
        assert!(progress.bar.is_hidden());
    }
}
