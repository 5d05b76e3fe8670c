//! Whether the engine runs, drains or stops, and why: one word and one error that all its threads share.
//!
//! Invariant: the phase only ever advances, and the error is set at most once and before the phase that follows from
//! it, so whoever finds the engine stopping also finds the reason. Cost: a shard loads the word once a turn, from a
//! line that nobody writes while the engine runs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use fanfare_core::ShardIndex;
use thiserror::Error;

/// Why the engine does not do what it is asked, or did not end as it should have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Code on a shard's thread panicked: the engine's own or a frontend's. All shards have been stopped.
    #[error("shard {} panicked: {message}; the engine has stopped", shard.index())]
    Panicked {
        /// On which shard.
        shard: ShardIndex,
        /// The panic's message.
        message: String,
    },
    /// A host gave up the shard that it was to turn. All shards have been stopped.
    #[error("the host of shard {} left while the engine ran; the engine has stopped", shard.index())]
    HostLeft {
        /// The shard.
        shard: ShardIndex,
    },
    /// The engine is shutting down or has done so.
    #[error("the engine has been shut down")]
    Stopped,
    /// Some shards still had something to do when the time for draining was over; they have been stopped.
    #[error("shards {shards:?} were not idle after {after:?}, and were stopped with work left")]
    NotDrained {
        /// Their numbers.
        shards: Vec<usize>,
        /// How long was waited.
        after: Duration,
    },
    /// Some shards do not come back from a call into their frontend; their threads have been left behind.
    #[error("shards {shards:?} do not return from their frontends; their threads are left behind")]
    Stuck {
        /// Their numbers.
        shards: Vec<usize>,
    },
}

/// How far the engine's life has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Running,
    /// Nothing new is taken in from handles; shards finish what they have.
    Draining,
    /// Shards leave their loops.
    Stopping,
}

/// The phase and the first error.
#[derive(Debug, Default)]
pub struct Fate {
    phase: AtomicU8,
    error: OnceLock<EngineError>,
}

impl Fate {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Stopping,
        }
    }

    /// Goes on to this phase, or stays where it is further on. Shards that sleep must be woken afterwards.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Stops the engine for this reason, unless there is an earlier one.
    pub fn fail(&self, error: EngineError) {
        let _ = self.error.set(error);
        self.advance(Phase::Stopping);
    }

    /// The reason for which the engine stopped by itself.
    #[must_use]
    pub fn error(&self) -> Option<&EngineError> {
        self.error.get()
    }

    /// Why nothing can be asked of the engine, if that is so.
    #[must_use]
    pub fn refusal(&self) -> Option<EngineError> {
        match self.phase() {
            Phase::Running => None,
            Phase::Draining | Phase::Stopping => Some(self.ending()),
        }
    }

    /// What to tell a caller whose answer will not come.
    #[must_use]
    pub fn ending(&self) -> EngineError {
        self.error().cloned().unwrap_or(EngineError::Stopped)
    }
}
