//! The engine's time: microseconds since it started, from the monotonic clock.
//!
//! A plain value, copied to whoever needs it; all shards of an engine and its handles share one zero. Cost: one read of
//! the monotonic clock, about 20 ns; a shard makes one a turn.

use std::time::Instant;

use fanfare_core::Tick;

/// Tells the time since the engine started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock whose zero is now.
    #[must_use]
    pub fn start() -> Self {
        Self { zero: Instant::now() }
    }

    /// The engine's now, as shards are told it.
    #[must_use]
    pub fn now(&self) -> Tick {
        tick(self.nanos())
    }

    /// Nanoseconds since zero, for what a [`Tick`] is too coarse for.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        // 64 bits of nanoseconds last 584 years.
        self.zero.elapsed().as_nanos() as u64
    }
}

/// The moment so many nanoseconds after zero.
pub(crate) fn tick(nanos: u64) -> Tick {
    Tick::from_micros(nanos / 1_000)
}
