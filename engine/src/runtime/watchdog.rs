//! Looks after shards that something else than the engine turns: glommio's executors, and hosts.
//!
//! One thread for an engine that has such shards, which looks twenty times a second whether each shard that was rung
//! has turned since. A glommio executor may have gone to sleep over it: it is kicked by the waker stored for that
//! (rarely needed, and then the only help). A host may have stopped stepping: after the patience that the builder was
//! given, calls that wait for its shard end as [`CallError::Stalled`], and new ones are
//! refused, until it steps again. Invariant: a shard that turns, or that rests and was not rung, is left alone. Cost:
//! two loads a shard and look; nothing for engines on plain threads alone, which have no watchdog.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::handle::{CallError, Shared};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// An executor that was rung and has not turned for so many looks is kicked; a busy turn lasts a millisecond.
const KICK_AFTER_LOOKS: u32 = 2;

/// How one shard's executor is woken when it does not wake by itself.
#[derive(Debug, Default)]
pub(crate) struct Kicker {
    waker: Mutex<Option<Waker>>,
    kicks: AtomicU64,
}

impl Kicker {
    #[cfg(feature = "glommio")]
    pub(crate) fn set(&self, waker: Option<Waker>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    fn kick(&self) {
        // Under the lock, so that the shard cannot take the waker back, and end its executor, meanwhile.
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
            self.kicks.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn kicks(&self) -> u64 {
        self.kicks.load(Ordering::Relaxed)
    }
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts to look after the shards from `hosts_from` on as hosts with this patience, and after those before it as
    /// executors if they are.
    pub(super) fn start(
        shared: Arc<Shared>,
        executors: bool,
        hosts_from: usize,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let told = ending.clone();
        let thread = std::thread::Builder::new().name("fanfare-watch".to_owned()).spawn(move || {
            let mut looks = vec![Look::default(); shared.lines.len()];
            while !told.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK);
                for (shard, look) in looks.iter_mut().enumerate() {
                    look.again(shared.doorbells[shard].is_armed(), shared.lines[shard].read().turns);
                    if shard >= hosts_from {
                        mind_host(&shared, shard, look, patience);
                    } else if executors && look.overdue >= KICK_AFTER_LOOKS {
                        shared.kickers[shard].kick();
                    }
                }
            }
        })?;
        Ok(Self { ending, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It runs no code that panics; and if it did, there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

/// What was seen of one shard.
#[derive(Clone, Debug, Default)]
struct Look {
    turns: u64,
    /// Looks in a row at which it was not asleep and had not turned since the last.
    overdue: u32,
    since: Option<Instant>,
}

impl Look {
    fn again(&mut self, asleep: bool, turns: u64) {
        if asleep || turns != self.turns {
            (self.overdue, self.since) = (0, None);
        } else {
            self.overdue += 1;
            self.since.get_or_insert_with(Instant::now);
        }
        self.turns = turns;
    }
}

fn mind_host(shared: &Shared, shard: usize, look: &Look, patience: Duration) {
    let stalled = look.since.is_some_and(|since| since.elapsed() >= patience);
    let door = &shared.doors[shard];
    if door.set_stalled(stalled) {
        if stalled {
            tracing::warn!(shard, ?patience, "a host does not step its shard: calls that wait for it are refused");
        } else {
            tracing::info!(shard, "a host steps its shard again");
        }
    }
    if stalled {
        // Also at later looks: a call may have come in between its check and the flag.
        door.refuse_waiting(&CallError::Stalled { shard });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shard_that_was_rung_and_does_not_turn_is_overdue() {
        let mut look = Look::default();
        for turns in 1..5 {
            look.again(false, turns);
            assert_eq!(look.overdue, 0, "it turns");
        }
        look.again(true, 4);
        look.again(true, 4);
        assert_eq!(look.overdue, 0, "it sleeps, and nobody has rung");
        look.again(false, 4);
        look.again(false, 4);
        assert_eq!(look.overdue, 2, "it was rung and does not turn");
        look.again(false, 5);
        assert_eq!((look.overdue, look.since), (0, None), "it turns again");
    }
}
