//! The slot in which the answer to one call comes back.
//!
//! [`Asked`] waits on the caller's side; [`Answering`] travels with the command and is used up, or dropped, by the
//! shard. Invariant: dropping an [`Answering`] unused ends the wait, so a command that is lost with its shard leaves
//! nobody waiting; an answer that nobody waits for any more is dropped with the slot. Cost: one allocation a call, and
//! one wake-up if the caller waits already.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::CallError;

#[derive(Debug)]
enum Slot<T> {
    Open(Option<Waker>),
    Answered(Result<T, CallError>),
    Abandoned,
}

#[derive(Debug)]
struct Shared<T>(Mutex<Slot<T>>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // No code that may panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, slot: Slot<T>) {
        let old = std::mem::replace(&mut *self.lock(), slot);
        // Without the lock: a waker may run the caller at once.
        if let Slot::Open(Some(waker)) = old {
            waker.wake();
        }
    }
}

/// The caller's end.
#[derive(Debug)]
pub(super) struct Asked<T>(Arc<Shared<T>>);

/// The shard's end.
#[derive(Debug)]
pub(crate) struct Answering<T>(Option<Arc<Shared<T>>>);

/// A slot's two ends.
pub(super) fn answer<T>() -> (Asked<T>, Answering<T>) {
    let shared = Arc::new(Shared(Mutex::new(Slot::Open(None))));
    (Asked(shared.clone()), Answering(Some(shared)))
}

impl<T> Asked<T> {
    /// The answer, or `None` in its place if it is certain that none will come. To be called once it has been ready
    /// no more: it is not ready again.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<T, CallError>>> {
        let mut slot = self.0.lock();
        match std::mem::replace(&mut *slot, Slot::Open(None)) {
            Slot::Answered(answer) => Poll::Ready(Some(answer)),
            Slot::Abandoned => Poll::Ready(None),
            Slot::Open(known) => {
                let waker = known.filter(|known| known.will_wake(context.waker()));
                *slot = Slot::Open(Some(waker.unwrap_or_else(|| context.waker().clone())));
                Poll::Pending
            }
        }
    }
}

impl<T> Answering<T> {
    /// Gives the answer and wakes the caller.
    pub(crate) fn give(mut self, answer: Result<T, CallError>) {
        if let Some(shared) = self.0.take() {
            shared.settle(Slot::Answered(answer));
        }
    }
}

impl<T> Drop for Answering<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.settle(Slot::Abandoned);
        }
    }
}
