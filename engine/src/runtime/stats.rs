//! What the loops say of themselves.
//!
//! Each shard has one [`LoopLine`], which it alone writes and anybody may read; it fills cache lines of its own.
//! Invariant: numbers only rise. Cost: a handful of plain stores a turn (relaxed, no locked instruction), and no read
//! of the clock beyond the one that a turn makes anyway, plus one for every sleep.
//!
//! The time between two reads counts as work when the turn between them did anything, else as spinning. Both are times
//! on the wall: a thread that is pushed from its CPU meanwhile counts that in.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One shard's loop, since the engine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopStats {
    /// Turns of the loop.
    pub turns: u64,
    /// Nanoseconds of turns that did something.
    pub work_ns: u64,
    /// Nanoseconds of turns that found nothing to do.
    pub spin_ns: u64,
    /// Nanoseconds asleep.
    pub park_ns: u64,
    /// How often the loop went to sleep.
    pub parks: u64,
    /// System calls made to wake other shards.
    pub wakes_sent: u64,
    /// How often the watchdog woke the shard's executor, which was rung and did not turn: by a fault of the executor,
    /// or because the frontend held the core for a tenth of a second.
    pub kicks: u64,
    /// Messages and documents put into links.
    pub sent: u64,
    /// Messages and documents taken from links.
    pub received: u64,
}

/// The live form of [`LoopStats`].
#[derive(Debug, Default)]
pub struct LoopLine {
    turns: AtomicU64,
    work_ns: AtomicU64,
    spin_ns: AtomicU64,
    park_ns: AtomicU64,
    parks: AtomicU64,
    wakes_sent: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    drained: AtomicBool,
}

impl LoopLine {
    /// Written by the shard: all its numbers as they are now.
    pub fn write(&self, stats: &LoopStats) {
        self.turns.store(stats.turns, Ordering::Relaxed);
        self.work_ns.store(stats.work_ns, Ordering::Relaxed);
        self.spin_ns.store(stats.spin_ns, Ordering::Relaxed);
        self.park_ns.store(stats.park_ns, Ordering::Relaxed);
        self.parks.store(stats.parks, Ordering::Relaxed);
        self.wakes_sent.store(stats.wakes_sent, Ordering::Relaxed);
        // Release: see `quiescence` in the engine, which reads these two together with `drained`.
        self.sent.store(stats.sent, Ordering::Release);
        self.received.store(stats.received, Ordering::Release);
    }

    /// Written by the shard: whether, in an engine that drains, it has nothing left to do.
    pub fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Ordering::Release);
    }

    /// Whether the shard said that it has nothing left to do.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire)
    }

    /// The numbers as last written. Two of them may be of different turns.
    #[must_use]
    pub fn read(&self) -> LoopStats {
        LoopStats {
            turns: self.turns.load(Ordering::Relaxed),
            work_ns: self.work_ns.load(Ordering::Relaxed),
            spin_ns: self.spin_ns.load(Ordering::Relaxed),
            park_ns: self.park_ns.load(Ordering::Relaxed),
            parks: self.parks.load(Ordering::Relaxed),
            wakes_sent: self.wakes_sent.load(Ordering::Relaxed),
            kicks: 0,
            sent: self.sent.load(Ordering::Acquire),
            received: self.received.load(Ordering::Acquire),
        }
    }
}
