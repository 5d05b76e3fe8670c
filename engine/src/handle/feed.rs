//! The bounded list of notes between a shard and one watcher of a handle.
//!
//! The shard's doorkeeper fills it, the watcher's thread takes from it. Invariant: it never holds more than its bound;
//! while it is full the shard leaves the watcher's outbox alone, so the watcher goes stale and nothing grows. Cost:
//! the lock is held by the watcher's thread only to swap a list out, and the shard never waits for it: finding it
//! held, it comes back a turn later. At most one wake-up a batch.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::answer::LOOK_AGAIN;
use super::note::OwnedNote;
use crate::Outbox;
use crate::runtime::EngineError;
use crate::runtime::fate::{Fate, Phase};

/// One watcher's list.
#[derive(Debug)]
pub(crate) struct Feed {
    bound: usize,
    state: Mutex<FeedState>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct FeedState {
    notes: Vec<OwnedNote>,
    /// The watcher's thread sleeps.
    waiting: bool,
    /// The shard has left notes in the outbox because the list was full.
    stalled: bool,
    /// The watcher is in its door's list of calls for attention, or about to be.
    listed: bool,
    /// The watcher is closed: nothing is put in any more.
    closed: bool,
    /// The shard has ended: nothing will be put in any more.
    ended: bool,
}

impl FeedState {
    /// Whether the shard is to be called because there is room again.
    fn call_for_more(&mut self) -> bool {
        self.stalled && !std::mem::replace(&mut self.listed, true)
    }
}

/// What the doorkeeper is to do about a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Close the watcher.
    Close,
    /// Its outbox may be drained again.
    Writable,
    /// The lock was held: look again next turn.
    Later,
}

impl Feed {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, state: Mutex::default(), arrived: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        // No code that may panic runs under this lock but the allocator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, FeedState>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// By the shard: moves notes in while there is room. Tells whether the lock was free.
    pub(super) fn fill(&self, outbox: &mut Outbox<'_>) -> bool {
        let Some(mut state) = self.try_lock() else { return false };
        if state.closed {
            return true;
        }
        loop {
            if state.notes.len() >= self.bound {
                state.stalled = true;
                break;
            }
            let Some(note) = outbox.next() else { break };
            state.notes.push(OwnedNote::of(&note));
        }
        let wake = !state.notes.is_empty() && std::mem::replace(&mut state.waiting, false);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        true
    }

    /// By the shard, called for attention: what is wanted of it.
    pub(super) fn attend(&self) -> Wish {
        let Some(mut state) = self.try_lock() else { return Wish::Later };
        state.listed = false;
        state.stalled = false;
        if state.closed { Wish::Close } else { Wish::Writable }
    }

    /// By the shard, at its end.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
    }

    /// By the watcher's thread: all notes there are, or those that come first within the time-out; none when it
    /// passes. The second value tells whether the shard is to be called for attention.
    pub(super) fn take(&self, timeout: Option<Duration>, fate: &Fate) -> Result<(Vec<OwnedNote>, bool), EngineError> {
        // A time-out beyond the clock's range is none.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if !state.notes.is_empty() {
                state.waiting = false;
                let call = state.call_for_more();
                return Ok((std::mem::take(&mut state.notes), call));
            }
            if state.ended || (fate.phase() == Phase::Stopping && fate.error().is_some()) {
                return Err(fate.ending());
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                state.waiting = false;
                return Ok((Vec::new(), false));
            }
            state.waiting = true;
            let nap = left.map_or(LOOK_AGAIN, |left| left.min(LOOK_AGAIN));
            state = self.arrived.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// By the watcher's thread: drops the notes that are not to be kept. Tells whether the shard is to be called.
    pub(super) fn purge(&self, mut keep: impl FnMut(&OwnedNote) -> bool) -> bool {
        let mut state = self.lock();
        state.notes.retain(|note| keep(note));
        state.notes.len() < self.bound && state.call_for_more()
    }

    /// By the watcher's thread: nothing more is to be put in. Tells whether the shard is to be called.
    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        state.closed = true;
        let notes = std::mem::take(&mut state.notes);
        let was_listed = std::mem::replace(&mut state.listed, true);
        // Dropped without the lock: a thousand documents take a while.
        drop(state);
        drop(notes);
        !was_listed
    }
}
