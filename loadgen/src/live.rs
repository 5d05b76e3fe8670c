//! What a point shows while it is under way: rates, the last watcher's latency so far, what was skipped, how late the generator is.
//!
//! Each generator writes its own figures a few times a second, with relaxed stores that nobody waits for; the main thread
//! adds them up when it looks. They are for somebody who watches and not for a report, which counts for itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a generator waits between two figures. A percentile takes it some 20 us to find.
pub const EVERY_US: u64 = 250_000;

/// One generator's figures since the point began, or all generators' together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// Publications sent.
    pub sent: u64,
    /// Notifications delivered.
    pub delivered: u64,
    /// Turns skipped.
    pub skipped: u64,
    /// How late the next publication is.
    pub lag_us: u64,
    /// The 99th percentile of the last watcher so far; of several generators the highest.
    pub last_p99_us: u64,
}

impl Glimpse {
    /// Adds another generator's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            delivered: self.delivered + other.delivered,
            skipped: self.skipped + other.skipped,
            lag_us: self.lag_us.max(other.lag_us),
            last_p99_us: self.last_p99_us.max(other.last_p99_us),
        }
    }

    /// In words, given an earlier one and how long ago that was. The counts begin anew with each point.
    #[must_use]
    pub fn since(&self, earlier: &Self, elapsed: Duration) -> String {
        use crate::report::screen::{count, micros};
        let per_s = |now: u64, before: u64| count(now.saturating_sub(before) as f64 / elapsed.as_secs_f64().max(1e-3));
        let turns = (self.delivered + self.skipped).max(1) as f64;
        format!(
            "{}/s sent, {}/s told; last watcher p99 {}; {:.2} % skipped; {} late",
            per_s(self.sent, earlier.sent),
            per_s(self.delivered, earlier.delivered),
            if self.last_p99_us == 0 { "-".to_owned() } else { micros(self.last_p99_us) },
            100.0 * self.skipped as f64 / turns,
            micros(self.lag_us),
        )
    }
}

/// The median of the last watcher in the latest step of a point whose begin or end depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Which step, counted from 1 over all points; 0 if there was none.
    pub number: u64,
    /// Microseconds from plan.
    pub median_us: u64,
}

/// Bits of a median, so that it can be shown together with its number: 12 days.
const MEDIAN_BITS: u32 = 40;

/// Where one generator's figures are left for the main thread.
#[derive(Debug, Default)]
pub struct Window {
    recent: AtomicU64,
    sent: AtomicU64,
    delivered: AtomicU64,
    skipped: AtomicU64,
    lag_us: AtomicU64,
    last_p99_us: AtomicU64,
}

impl Window {
    /// Shows these from now on.
    pub fn show(&self, glimpse: &Glimpse) {
        self.sent.store(glimpse.sent, Ordering::Relaxed);
        self.delivered.store(glimpse.delivered, Ordering::Relaxed);
        self.skipped.store(glimpse.skipped, Ordering::Relaxed);
        self.lag_us.store(glimpse.lag_us, Ordering::Relaxed);
        self.last_p99_us.store(glimpse.last_p99_us, Ordering::Relaxed);
    }

    /// Shows the median of one more step. Only the generator itself does.
    pub fn show_recent(&self, median_us: u64) {
        let number = (self.recent.load(Ordering::Relaxed) >> MEDIAN_BITS) + 1;
        let median_us = median_us.min((1 << MEDIAN_BITS) - 1);
        self.recent.store(number << MEDIAN_BITS | median_us, Ordering::Relaxed);
    }

    /// The latest step.
    #[must_use]
    pub fn recent(&self) -> Recent {
        let both = self.recent.load(Ordering::Relaxed);
        Recent { number: both >> MEDIAN_BITS, median_us: both & ((1 << MEDIAN_BITS) - 1) }
    }

    /// What is shown.
    #[must_use]
    pub fn look(&self) -> Glimpse {
        Glimpse {
            sent: self.sent.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            lag_us: self.lag_us.load(Ordering::Relaxed),
            last_p99_us: self.last_p99_us.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_apart_from_the_one_before() {
        let window = Window::default();
        assert_eq!(window.recent(), Recent::default());
        window.show_recent(350);
        window.show_recent(350);
        assert_eq!(window.recent(), Recent { number: 2, median_us: 350 });
        window.show_recent(u64::MAX);
        assert_eq!(window.recent(), Recent { number: 3, median_us: (1 << 40) - 1 });
    }

    #[test]
    fn figures_of_all_generators_are_told_by_the_second() {
        let windows = [Window::default(), Window::default()];
        let one = Glimpse { sent: 500, delivered: 90_000, skipped: 100, lag_us: 30, last_p99_us: 3_200 };
        windows[0].show(&one);
        windows[1].show(&Glimpse { lag_us: 900, last_p99_us: 1_000, ..one });
        let all = windows.iter().map(Window::look).fold(Glimpse::default(), Glimpse::and);
        let earlier = Glimpse { sent: 400, delivered: 80_000, ..Glimpse::default() };
        assert_eq!(
            all.since(&earlier, Duration::from_millis(500)),
            "1,200/s sent, 200,000/s told; last watcher p99 3.20 ms; 0.11 % skipped; 900 us late"
        );
        assert!(Glimpse::default().since(&all, Duration::ZERO).contains("p99 -"), "a new point has begun");
    }
}
