//! How a core that sleeps is woken, and how one that is awake is left alone.
//!
//! Every shard has one [`Doorbell`], which all others and all foreign threads share. Its line holds a single flag,
//! `parked`. Invariant: an input put in before [`Doorbell::ring`] is seen by the shard, either by the poll it makes
//! between setting the flag and blocking, or because the ringer sees the flag and wakes it. Cost: for a core that is
//! awake, a fence and a load of a line that nobody writes meanwhile; for one that sleeps, one system call by one of
//! the ringers.
//!
//! # Why the fences
//!
//! Ringer and sleeper each store one word and load the other's:
//!
//! ```text
//! ringer   ring.tail.store(Release)   fence(SeqCst)   parked.load
//! sleeper  parked.swap(true)          fence(SeqCst)   ring.tail.load
//! ```
//!
//! Release and acquire alone allow both loads to come before the other's store (each store waits in its core's store
//! buffer): the ringer finds nobody parked, the sleeper finds nothing to do, and the input lies there until something
//! else wakes the core. The two fences stand in one total order. If the ringer's is first, the sleeper's poll sees the
//! input; if the sleeper's is first, the ringer's load sees `parked`. Either will do. Loom fails without either fence.

use std::fmt;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::sync::{AtomicBool, Ordering, fence};

/// Ends a blocking wait of one thread, now or, if it does not wait yet, the next one.
pub trait Unpark: Send + Sync {
    /// Ends the wait. It must be sticky: a call before the wait begins makes that wait return at once.
    fn unpark(&self);
}

/// The bell of one shard.
pub struct Doorbell {
    parked: CachePadded<AtomicBool>,
    unpark: Arc<dyn Unpark>,
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell").finish_non_exhaustive()
    }
}

impl Doorbell {
    /// A bell that wakes by this means.
    #[must_use]
    pub fn new(unpark: Arc<dyn Unpark>) -> Self {
        Self { parked: CachePadded::new(AtomicBool::new(false)), unpark }
    }

    /// Wakes the shard if it sleeps. Called after the input is in place; tells whether it took a wake-up.
    pub fn ring(&self) -> bool {
        announce();
        self.ring_announced()
    }

    /// The second half of [`Doorbell::ring`], for a flush to several shards: one [`announce`], then this for each.
    pub fn ring_announced(&self) -> bool {
        // Relaxed: the fence of `announce` has ordered it after the stores to the ring. A plain load leaves the line
        // shared, so ringing at a core that is awake costs it nothing.
        if !self.parked.load(Ordering::Relaxed) {
            return false;
        }
        // One of the ringers takes the wake-up on itself. Relaxed is enough: `unpark` and the wait that it ends order
        // what follows for this ringer. A ringer who finds the flag taken leaves it to the taker: its input was
        // stored before its fence, so the sleeper's next poll after a fence, which comes before its next sleep, sees
        // it; and that there is a next poll is the taker's promise.
        if !self.parked.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.unpark.unpark();
        true
    }

    /// Blocks the calling shard, if none of its inputs has anything. `block` must return when `unpark` is called;
    /// it may return for other reasons. Tells whether it blocked.
    ///
    /// Only the shard itself may call this.
    pub fn park(&self, has_input: impl FnOnce() -> bool, block: impl FnOnce()) -> bool {
        let armed = self.arm(has_input);
        if armed {
            block();
        }
        self.disarm();
        armed
    }

    /// The first half of [`Doorbell::park`], for a shard that does not block its thread: from here on `unpark` is
    /// called for whatever comes in. Tells whether none of its inputs has anything; if one has, do not sleep. Either
    /// way [`Doorbell::disarm`] follows.
    pub fn arm(&self, has_input: impl FnOnce() -> bool) -> bool {
        // Relaxed: the fence orders it before the poll, and nothing is published by it. A swap and not a store,
        // here and below, so that all changes of the flag are read-modify-writes and make one chain, in which a late
        // `swap(false)` of a ringer cannot come after a newer `true` that it did not read. (The language says as much
        // for a store; loom does not know it. A core about to sleep can pay for a locked instruction.)
        self.parked.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        !has_input()
    }

    /// The second half: the shard is awake, and is to be left alone.
    pub fn disarm(&self) {
        // A ringer who took the flag meanwhile may still be on its way to `unpark`: then the next wait returns at
        // once, which costs a turn and loses nothing.
        self.parked.swap(false, Ordering::Relaxed);
    }

    /// Whether the shard sleeps and nobody has rung since: for a watchdog, which may find it changed the next moment.
    pub fn is_armed(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }
}

/// Orders all that this thread stored before all `parked` flags that it loads afterwards.
pub fn announce() {
    fence(Ordering::SeqCst);
}
