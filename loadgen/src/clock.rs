//! The one clock of a run: microseconds since the run began, the same zero on every core.
//!
//! Plans and receipts are both read from it, so that a latency is a plain difference. A reading costs about 25 ns.

use std::time::Instant;

/// Microseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { zero: Instant::now() }
    }

    /// The time.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.zero.elapsed().as_micros() as u64
    }

    /// The time, finer: for what takes less than a microsecond.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.zero.elapsed().as_nanos() as u64
    }
}
