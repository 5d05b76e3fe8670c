//! The slot in which the answer to one call comes back.
//!
//! [`Asked`] waits on the caller's thread; [`Answering`] travels with the command and is used up, or dropped, by the
//! shard. Invariant: dropping an [`Answering`] unused ends the wait, so a command that is lost with its shard leaves
//! nobody waiting. Cost: one allocation, and a wake-up if the caller sleeps already.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::runtime::EngineError;
use crate::runtime::fate::{Fate, Phase};

/// How often a sleeping caller looks whether the engine still lives. Answers and the end of the shard wake it at
/// once; this is for the case that the engine has failed while the asked shard hangs in its frontend.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Slot<T> {
    Open,
    Answered(T),
    Abandoned,
}

#[derive(Debug)]
struct Shared<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // No code that may panic runs under this lock.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, slot: Slot<T>) {
        *self.lock() = slot;
        self.changed.notify_one();
    }
}

/// The caller's end.
#[derive(Debug)]
pub(crate) struct Asked<T>(Arc<Shared<T>>);

/// The shard's end.
#[derive(Debug)]
pub(crate) struct Answering<T>(Option<Arc<Shared<T>>>);

/// A slot's two ends.
pub(crate) fn answer<T>() -> (Asked<T>, Answering<T>) {
    let shared = Arc::new(Shared { slot: Mutex::new(Slot::Open), changed: Condvar::new() });
    (Asked(shared.clone()), Answering(Some(shared)))
}

impl<T> Asked<T> {
    /// Sleeps until the answer is there, or until it is certain that none will come.
    pub(crate) fn wait(self, fate: &Fate) -> Result<T, EngineError> {
        let mut slot = self.0.lock();
        loop {
            match std::mem::replace(&mut *slot, Slot::Open) {
                Slot::Answered(answer) => return Ok(answer),
                Slot::Abandoned => return Err(fate.ending()),
                Slot::Open if fate.phase() == Phase::Stopping && fate.error().is_some() => return Err(fate.ending()),
                Slot::Open => {}
            }
            slot = self.0.changed.wait_timeout(slot, LOOK_AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Answering<T> {
    /// Gives the answer and wakes the caller.
    pub(crate) fn give(mut self, answer: T) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reaches_a_caller_who_sleeps() {
        let (asked, answering) = answer();
        let caller = std::thread::spawn(move || asked.wait(&Fate::default()));
        answering.give(7);
        assert_eq!(caller.join().expect("no panic"), Ok(7));
    }

    #[test]
    fn a_dropped_question_is_answered_with_the_reason() {
        let (asked, answering) = answer::<()>();
        drop(answering);
        assert_eq!(asked.wait(&Fate::default()), Err(EngineError::Stopped));
    }
}
