//! What the generators of a run have of traces: what they replay, and the tapes that they note down on.
//!
//! Shared by all of them; touched when a generator begins, and when a point does.

use std::sync::{Mutex, PoisonError};

use super::recording::Tape;
use super::replay::Replay;

/// What is replayed, and what is noted down on.
#[derive(Debug, Default)]
pub struct Reels {
    /// What is replayed.
    pub replay: Option<Replay>,
    /// By shard; each is taken once.
    tapes: Vec<Mutex<Option<Tape>>>,
}

impl Reels {
    /// A replay, and a tape for each shard, if there is to be either.
    #[must_use]
    pub fn new(replay: Option<Replay>, tapes: Vec<Tape>) -> Self {
        Self { replay, tapes: tapes.into_iter().map(|tape| Mutex::new(Some(tape))).collect() }
    }

    /// See [`Replay::is_broken`].
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.replay.as_ref().is_some_and(Replay::is_broken)
    }

    /// The tape of a shard, for its publisher.
    #[must_use]
    pub fn tape(&self, shard: usize) -> Option<Tape> {
        self.tapes.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
