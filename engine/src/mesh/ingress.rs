//! The door through which foreign threads tell a shard something.
//!
//! Any thread may [`Ingress::push`]; the shard alone [`Ingress::pop`]s and, when it ends, [`Ingress::close`]s.
//! Invariant: a command pushed with success is either popped by the shard or dropped, and dropped at the latest when
//! the door is closed: whoever waits for an answer hears that there will be none. Bounded: a full door says so.
//! Cost: one slot of a lock-free queue and one ring of the doorbell.
//!
//! Closing races with pushing as parking races with ringing, and is decided in the same way: the pusher stores its
//! command, fences and loads `closed`; the closer stores `closed`, fences and empties the queue. One of them sees the
//! other; a pusher that sees `closed` empties the queue itself.

use std::sync::Arc;

use super::doorbell::{Doorbell, announce};
use super::sync::{AtomicBool, Ordering};

#[cfg(not(fanfare_loom))]
use crossbeam_queue::ArrayQueue as Queue;
#[cfg(fanfare_loom)]
use stand_in::Queue;

/// Why a command did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The door is full now.
    Full,
    /// The shard has ended.
    Closed,
}

/// The door of one shard.
#[derive(Debug)]
pub struct Ingress<T> {
    queue: Queue<T>,
    closed: AtomicBool,
    doorbell: Arc<Doorbell>,
}

impl<T> Ingress<T> {
    /// A door with room for so many commands, at which that bell is rung.
    #[must_use]
    pub fn new(slots: usize, doorbell: Arc<Doorbell>) -> Self {
        Self { queue: Queue::new(slots), closed: AtomicBool::new(false), doorbell }
    }

    /// Puts a command in and wakes the shard if it sleeps.
    ///
    /// # Errors
    /// [`NotTaken::Full`] at once, without waiting; [`NotTaken::Closed`] when nobody will pop any more. The command
    /// is dropped.
    pub fn push(&self, command: T) -> Result<(), NotTaken> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(NotTaken::Closed);
        }
        self.queue.push(command).map_err(|_| NotTaken::Full)?;
        announce();
        if self.closed.load(Ordering::Relaxed) {
            self.empty();
            return Err(NotTaken::Closed);
        }
        self.doorbell.ring_announced();
        Ok(())
    }

    /// The oldest command.
    pub fn pop(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether one more would be refused now.
    #[cfg(not(fanfare_loom))]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Whether the shard has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets nothing in any more and drops what is in.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        announce();
        self.empty();
    }

    fn empty(&self) {
        while self.queue.pop().is_some() {}
    }
}

#[cfg(fanfare_loom)]
mod stand_in {
    //! The queue that loom sees: slots, each with a state. It keeps no order among the commands, which no protocol here
    //! relies on, and orders nothing beyond one command's own memory, as the real one promises no more.

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;

    use crate::mesh::sync::Ordering;

    const FREE: usize = 0;
    const FILLING: usize = 1;
    const FULL: usize = 2;
    const EMPTYING: usize = 3;

    #[derive(Debug)]
    struct Slot<T> {
        state: AtomicUsize,
        value: UnsafeCell<Option<T>>,
    }

    #[derive(Debug)]
    pub(super) struct Queue<T>(Vec<Slot<T>>);

    // SAFETY: a value is touched only by whoever has brought its slot to `FILLING` or `EMPTYING`. Loom checks it.
    unsafe impl<T: Send> Sync for Queue<T> {}

    impl<T> Queue<T> {
        pub(super) fn new(slots: usize) -> Self {
            Self((0..slots).map(|_| Slot { state: AtomicUsize::new(FREE), value: UnsafeCell::new(None) }).collect())
        }

        pub(super) fn push(&self, value: T) -> Result<(), T> {
            for slot in &self.0 {
                if slot.state.compare_exchange(FREE, FILLING, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    // SAFETY: the slot is ours while it is `FILLING`.
                    slot.value.with_mut(|place| unsafe { *place = Some(value) });
                    slot.state.store(FULL, Ordering::Release);
                    return Ok(());
                }
            }
            Err(value)
        }

        pub(super) fn pop(&self) -> Option<T> {
            for slot in &self.0 {
                if slot.state.compare_exchange(FULL, EMPTYING, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    // SAFETY: the slot is ours while it is `EMPTYING`.
                    let value = slot.value.with_mut(|place| unsafe { (*place).take() });
                    slot.state.store(FREE, Ordering::Release);
                    return value;
                }
            }
            None
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.iter().all(|slot| slot.state.load(Ordering::Acquire) != FULL)
        }
    }
}
