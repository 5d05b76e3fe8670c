//! The bounded list of notes between a shard and one watcher of a handle.
//!
//! The shard's doorkeeper fills it, the watcher's side takes from it. Invariant: it never holds more than its bound;
//! while it is full the shard leaves the watcher's outbox alone, so the watcher goes stale and nothing grows. Cost:
//! the lock is held by the watcher's side only to swap a list out, and the shard never waits for it: finding it
//! held, it comes back a turn later. At most one wake-up a batch.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use fanfare_core::PresentityId;

use super::note::OwnedNote;
use crate::Outbox;

/// One watcher's list.
#[derive(Debug)]
pub(crate) struct Feed {
    bound: usize,
    state: Mutex<FeedState>,
}

#[derive(Debug, Default)]
struct FeedState {
    notes: Vec<OwnedNote>,
    /// The watcher's side waits.
    waker: Option<Waker>,
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

/// What the watcher's side found.
#[derive(Debug)]
pub(super) enum Taken {
    /// Notes, and whether the shard is to be called for attention.
    Notes(Vec<OwnedNote>, bool),
    /// There are none, and none will come.
    Ended,
}

impl Feed {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, state: Mutex::default() }
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
        let waker = if state.notes.is_empty() { None } else { state.waker.take() };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
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

    /// Nothing will be put in any more.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.nudge();
    }

    /// Has the watcher's side look again, whatever there is.
    pub(super) fn nudge(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// By the watcher's side: all notes there are, or a wake-up when there are some.
    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Taken> {
        let mut state = self.lock();
        if !state.notes.is_empty() {
            state.waker = None;
            let call = state.call_for_more();
            return Poll::Ready(Taken::Notes(std::mem::take(&mut state.notes), call));
        }
        if state.ended {
            return Poll::Ready(Taken::Ended);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// By the watcher's side: drops the notes about these presentities. Tells whether the shard is to be called.
    pub(super) fn purge(&self, silent: &HashSet<PresentityId>) -> bool {
        let mut state = self.lock();
        state.notes.retain(|note| !silent.contains(&note.presentity));
        state.notes.len() < self.bound && state.call_for_more()
    }

    /// By the watcher's side: nothing more is to be put in. Tells whether the shard is to be called.
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
